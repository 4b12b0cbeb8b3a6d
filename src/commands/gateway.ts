// The gateway: the Handler that answers clients from a store. Its order of checks is Redis' own.
import { type Latin1, messageOf, randomHex, VALUE_BYTES_MAX } from '../base/index.ts';
import { type CommandBatch, ReplyWriter } from '../resp/index.ts';
import { type Connection, type Handler, PubSub } from '../server/index.ts';
import type { Store } from '../store/index.ts';
import { Call, type CallContext } from './call.ts';
import { openSettings } from './config.ts';
import { check, runAlone } from './dispatch.ts';
import { HotPath } from './hot.ts';
import { feedMonitors } from './monitor.ts';
import { endQueue, newSession, type Session, settle } from './session.ts';
import type { GatewayOptions, Shared } from './shared.ts';
import { SlowLog } from './slow-log.ts';
import type { CommandSpec } from './spec.ts';
import { Statistics } from './statistics.ts';
import { enqueue, isQueued, transact } from './transactions.ts';

/** Commands that a RESP2 connection with subscriptions may still use. */
const WHILE_SUBSCRIBED: ReadonlySet<string> = new Set([
  'ping',
  'subscribe',
  'psubscribe',
  'ssubscribe',
  'unsubscribe',
  'punsubscribe',
  'sunsubscribe',
  'quit',
  'reset',
]);

/** What an HTTP request shows to a reader of inline commands. A web page can make a browser send one with commands in its
 *  body to a loopback port, so the connection ends there, as with Redis. */
const HTTP_WORDS: ReadonlySet<string> = new Set(['post', 'host:']);

/** The command face of one site. */
export class Gateway implements Handler {
  readonly #shared: Shared;
  readonly #ctx: CallContext;
  readonly #hot: HotPath;
  /** Units: Unix ms; read once per chunk of input. */
  #now = 0;
  #turn: Connection | undefined;
  #refusal: string | undefined;
  readonly #store: Store;
  /** Takes the replies that CLIENT REPLY turns off. */
  readonly #void = new ReplyWriter();

  constructor(options: GatewayOptions) {
    const maxValueBytes = options.maxValueBytes ?? VALUE_BYTES_MAX;
    const { keyspace, random, clock } = options;
    this.#ctx = { keyspace, random, clock, maxValueBytes };
    this.#hot = new HotPath(keyspace, maxValueBytes);
    this.#shared = openShared(options, this.#hot);
    this.#store = options.store;
  }

  /** Hands a message published at another site to local subscribers. Result: how many got it. */
  deliver(channel: Latin1, message: Uint8Array): number {
    return this.#shared.pubsub.publish(channel, message);
  }

  /** Commands executed, and reads that found something or nothing. */
  get counts(): { readonly commands: number; readonly hits: number; readonly misses: number } {
    return this.#shared.statistics.totals();
  }

  prepare(_connection: Connection, batch: CommandBatch, from: number, to: number): void {
    this.#store.prepare?.(batch, from, to);
  }

  opened(connection: Connection): void {
    const session = newSession(connection, this.#shared.options.password === undefined);
    connection.state = session;
    connection.authenticated = session.authenticated;
    this.#shared.sessions.set(connection.id, session);
    this.#shared.statistics.connectionsReceived++;
  }

  closed(connection: Connection): void {
    const session = this.#shared.sessions.get(connection.id);
    if (session === undefined) return;
    this.#shared.sessions.delete(connection.id);
    endQueue(session);
    this.#shared.pubsub.drop(connection);
    this.#shared.monitors.delete(session);
  }

  handle(
    connection: Connection,
    batch: CommandBatch,
    index: number,
    reply: ReplyWriter,
  ): void | Promise<void> {
    if (index === 0 || this.#turn !== connection) {
      this.#now = this.#ctx.clock.now();
      this.#turn = connection;
      if (this.#shared.options.refusal !== undefined) this.#refusal = this.#shared.options.refusal();
    }
    const session = connection.state as Session;
    if (session.isPlain && this.#refusal === undefined && this.#shared.monitors.size === 0) {
      if (this.#hot.execute(batch, index, reply, this.#now)) return undefined;
    }
    return this.#general(session, { batch, index, reply });
  }

  #general(session: Session, at: Place): void | Promise<void> {
    const wasOff = session.replies === 'off';
    const skip = wasOff || session.replies === 'skip';
    if (session.replies === 'skip') session.replies = 'on';
    const reply = skip ? this.#void : at.reply;
    if (skip) this.#void.protocol = session.connection.protocol;
    const done = this.#checked(session, { ...at, reply });
    if (wasOff && session.replies === 'on') for (const bytes of this.#void.take()) at.reply.raw(bytes);
    if (skip) this.#void.truncate(0);
    settle(session, this.#shared.pubsub.isSubscribed(session.connection));
    if (!(done instanceof Promise)) return undefined;
    this.#turn = undefined;
    return done.then(() => {
      this.#turn = undefined;
      settle(session, this.#shared.pubsub.isSubscribed(session.connection));
    });
  }

  #checked(session: Session, { batch, index, reply }: Place): void | Promise<void> {
    const args = { argc: batch.argc(index), text: (a: number) => batch.text(index, a) };
    const checked = check(args);
    this.#shared.statistics.commandsProcessed++;
    session.lastCommandAtMs = this.#now;
    if (checked.spec === undefined) {
      if (HTTP_WORDS.has(args.text(0).toLowerCase())) return this.#refuseHttp(session);
      return this.#reject(session, reply, checked.error);
    }
    const { spec } = checked;
    session.connection.lastCommand = spec.name;
    const refused = this.#refused(session, spec);
    if (refused !== undefined) {
      this.#shared.statistics.of(spec.name).rejected++;
      return this.#reject(session, reply, refused);
    }
    const source = { ctx: this.#ctx, spec, reply, session, shared: this.#shared, batch, index };
    return this.#execute(session, new Call(source));
  }

  #refuseHttp({ connection }: Session): void {
    const { logger } = this.#shared.options;
    logger.warn({ client: connection.id, remoteAddress: connection.remoteAddress }, 'HTTP request refused');
    connection.close();
  }

  #reject(session: Session, reply: ReplyWriter, error: string): void {
    if (session.queue !== undefined) session.queueBroken = true;
    this.#shared.statistics.errors++;
    reply.error(error);
  }

  /** The reason why a known command is not executed now. */
  #refused(session: Session, spec: CommandSpec): string | undefined {
    if (!session.authenticated && !spec.flags.has('no_auth')) return 'NOAUTH Authentication required.';
    if (this.#refusal !== undefined && !spec.flags.has('loading') && spec.group !== 'connection')
      return this.#refusal;
    const isLimited =
      session.connection.protocol === 2 && this.#shared.pubsub.isSubscribed(session.connection);
    if (isLimited && !WHILE_SUBSCRIBED.has(spec.name))
      return `ERR Can't execute '${spec.name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`;
    return undefined;
  }

  #execute(session: Session, call: Call): void | Promise<void> {
    if (isQueued(session, call.spec)) return enqueue(session, call);
    if (this.#shared.monitors.size > 0) feedMonitors(this.#shared, session, call);
    const started = performance.now();
    let done: void | Promise<void>;
    try {
      const transacted = transact(call, session, this.#now);
      done = transacted === false ? runAlone(call, this.#now) : transacted === true ? undefined : transacted;
    } catch (error) {
      this.#shared.options.logger.error(
        {
          command: call.spec.name,
          error: messageOf(error),
          stack: error instanceof Error ? error.stack : '',
        },
        'a command failed',
      );
      throw error;
    }
    this.#count(session, call, Math.round((performance.now() - started) * 1000));
    return done;
  }

  #count(session: Session, call: Call, microseconds: number): void {
    const count = this.#shared.statistics.of(call.spec.name);
    count.calls++;
    count.microseconds += microseconds;
    if (call.failed) {
      count.failed++;
      this.#shared.statistics.errors++;
    }
    const limit = Number(this.#shared.settings.get('slowlog-log-slower-than'));
    if (limit < 0 || microseconds < limit || call.spec.flags.has('skip_slowlog')) return;
    const { remoteAddress, name } = session.connection;
    this.#shared.slowLog.add({
      at: Math.floor(this.#now / 1000),
      microseconds,
      args: call.rest(0),
      address: remoteAddress,
      client: name,
    });
  }
}

interface Place {
  readonly batch: CommandBatch;
  readonly index: number;
  readonly reply: ReplyWriter;
}

function openShared(options: GatewayOptions, hot: HotPath): Shared {
  const statistics = new Statistics(hot.counts);
  return {
    options,
    sessions: new Map(),
    pubsub: new PubSub(),
    statistics,
    slowLog: new SlowLog(),
    settings: openSettings(options),
    monitors: new Set(),
    startedAtMs: options.clock.now(),
    runId: randomHex(options.random, 20),
  };
}

/** Makes the command face over a store; give it to `createServer` of `mqkv/server` as its handler. */
export function createGateway(options: GatewayOptions): Gateway {
  return new Gateway(options);
}
