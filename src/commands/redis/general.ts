// The commands off the hot path of a gateway over a Redis store: who executes which.
import type { Call, CommandHandler } from '../call.ts';
import { handlerOf, isRefusedLikeRedis } from '../dispatch.ts';
import type { CommandSpec } from '../spec.ts';
import type { Queued, Session } from '../session.ts';
import { block } from './blocking.ts';
import { Channels } from './channels.ts';
import type { General, Plain } from './context.ts';
import { Ears } from './ears.ts';
import { extrasOf } from './extras.ts';
import { replyInfo } from './info.ts';
import { executeInside } from './inside.ts';
import { KeySpace } from './key-space.ts';
import { KeyWatch } from './key-watch.ts';
import type { Port, Words } from './port.ts';
import { publish, subscribe } from './pubsub.ts';
import { asEval, runScripts, Scripts } from './scripts.ts';
import { clientCommand, select, verify } from './server.ts';
import { splitBySlot } from './split.ts';
import { trace } from './trace.ts';
import { Tracking } from './tracking.ts';
import { endTransaction, type Transactions, transactRedis } from './transactions.ts';
import { versionsOf } from './versions.ts';
import { Waiting } from './waiting.ts';

/** `General`, and the end of what it holds open. */
export interface OpenedGeneral extends General {
  /** Ends every wait, closes the listening connections. */
  close(): void;
}

/** The commands off the hot path. */
export function openGeneral(port: Port, plain: Plain): OpenedGeneral {
  return new OpenGeneral(port, plain);
}

class OpenGeneral implements OpenedGeneral, Transactions {
  readonly port: Port;
  readonly #plain: Plain;
  readonly #ears: Ears;
  readonly #waiting: Waiting;
  readonly #channels: Channels;
  readonly #scripts: Scripts;
  readonly #keySpace: KeySpace;
  readonly #tracking: Tracking;
  readonly #stop: () => void;

  constructor(port: Port, plain: Plain) {
    this.port = port;
    this.#plain = plain;
    this.#ears = new Ears(port);
    this.#channels = new Channels(port, this.#ears);
    const watch = new KeyWatch(port, this.#ears, (key) => {
      this.#waiting.changed(key);
      this.#tracking.changed(key);
    });
    this.#tracking = new Tracking(port, watch);
    this.#waiting = new Waiting(port.clock, watch);
    this.#scripts = new Scripts(port);
    this.#keySpace = new KeySpace(port);
    this.#stop = port.onChanged(
      (keys) => {
        if (this.#waiting.size > 0) for (const key of keys) this.#waiting.changed(key);
      },
      () => this.#waiting.size > 0,
    );
  }

  run(c: Call, session: Session): void | Promise<void> {
    if (!session.isTracking) return this.#run(c, session);
    return this.#tracking.before(c, session).then(() => this.#run(c, session));
  }

  #run(c: Call, session: Session): void | Promise<void> {
    const transacted = transactRedis(c, session, this);
    if (transacted !== false) return settled(transacted);
    const special = this.#special(c, session);
    if (special !== false) return settled(special);
    if (isOwn(c.spec)) return this.#own(c, handlerOf(c.spec));
    const split = splitBySlot(c, session, this.port);
    if (split !== false) return settled(split);
    return this.#plain.run(c, session);
  }

  closed(session: Session): void {
    endTransaction(session);
    extrasOf(session).waiter?.end({ kind: 'gone' });
    this.#tracking.drop(session);
    this.#channels.released();
  }

  close(): void {
    this.#stop();
    this.#waiting.close();
    this.#tracking.close();
    this.#channels.close();
    this.#ears.close();
  }

  versionsOf(session: Session, keys: readonly string[]): Promise<string[]> {
    return versionsOf(this.port, session, keys);
  }

  inside(session: Session, queued: Queued): Promise<Buffer> {
    return executeInside(queued, { session, port: this.port, general: this });
  }

  async prepared(session: Session, words: Words): Promise<Words | string> {
    const name = words[0].toLowerCase();
    if (name !== 'flushall' && name !== 'flushdb') return asEval(words, this.#scripts);
    const keys = await this.#keySpace.all(session);
    return keys.length === 0 ? ['exists', ''] : ['del', ...keys];
  }

  /** false: a command without a rule of its own here. */
  #special(c: Call, session: Session): boolean | Promise<void> {
    const { port } = this;
    const name = c.spec.name.split('|')[0];
    switch (name) {
      case 'select':
        select(c, port);
        return true;
      case 'client':
        return this.#tracking.command(c, session) || clientCommand(c, session, port);
      case 'reset':
        endTransaction(session);
        this.#tracking.drop(session);
        this.#channels.released();
        return false;
      case 'hello':
        return c.argc > 1 ? this.#hello(c, session) : false;
      case 'info':
        return replyInfo(c, session, { port, keySpace: this.#keySpace });
      case 'mqkv.verify':
        return verify(c, port);
      case 'mqkv.trace':
        return trace(c) ?? true;
      default:
    }
    const subscribed = subscribe(c, session, this.#channels) || publish(c, session, port);
    if (subscribed !== false) return subscribed;
    const scripted = runScripts(c, session, { port, scripts: this.#scripts });
    if (scripted !== false) return scripted;
    const aboutAll = this.#keySpace.run(c, session);
    if (aboutAll !== false) return aboutAll;
    return block(c, session, { port, waiting: this.#waiting });
  }

  /** Each protocol has a connection of its own to the Redis: what was asked by the old one comes first. */
  async #hello(c: Call, session: Session): Promise<void> {
    await this.#keySpace.barrier(session);
    await this.#own(c, handlerOf(c.spec));
  }

  #own(c: Call, handler: CommandHandler | undefined): void | Promise<void> {
    if (handler === undefined) return c.fail(`ERR '${c.spec.name}' is not supported over a Redis store`);
    return handler(c);
  }
}

/** Whether a command is about the gateway alone, executed as over the embedded store. */
function isOwn(spec: CommandSpec): boolean {
  return spec.via === 'gateway' || isRefusedLikeRedis(spec);
}

function settled(result: true | Promise<void>): void | Promise<void> {
  return result === true ? undefined : result;
}
