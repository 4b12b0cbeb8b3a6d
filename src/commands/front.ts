// What stands before every command of a gateway, in Redis' own order of checks: known, allowed, queued, monitored, counted.
import { messageOf } from '../base/index.ts';
import { type CommandBatch, ReplyWriter } from '../resp/index.ts';
import type { Connection } from '../server/index.ts';
import { Call, type CallContext, type CallSource } from './call.ts';
import type { Checked } from './dispatch.ts';
import { feedMonitors } from './monitor.ts';
import { endQueue, type Session, settle } from './session.ts';
import { ACK_MS, UNCERTAIN } from './replication.ts';
import type { Shared } from './shared.ts';
import type { Arguments, CommandSpec } from './spec.ts';
import { enqueue, isQueued } from './transactions.ts';

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

/** Where a command stands. */
export interface Place {
  readonly batch: CommandBatch;
  readonly index: number;
  readonly reply: ReplyWriter;
}

/** What differs between stores. */
export interface FrontHooks {
  /** Finds a command, checks its arity. */
  check(args: Arguments): Checked;
  /** Executes a command that nothing speaks against. */
  execute(call: Call, session: Session): void | Promise<void>;
}

/** The checks before a command, and what is noted after it. One per gateway. */
export class Front {
  /** Units: Unix ms; read once per chunk of input. */
  now = 0;
  readonly #shared: Shared;
  readonly #ctx: CallContext;
  readonly #hooks: FrontHooks;
  #turn: Connection | undefined;
  #refusal: string | undefined;
  #writeRefusal: string | undefined;
  /** Takes the replies that CLIENT REPLY turns off. */
  readonly #void = new ReplyWriter();

  constructor(shared: Shared, ctx: CallContext, hooks: FrontHooks) {
    this.#shared = shared;
    this.#ctx = ctx;
    this.#hooks = hooks;
  }

  /** A client has come. */
  opened(session: Session): void {
    const { connection } = session;
    connection.state = session;
    connection.authenticated = session.authenticated;
    this.#shared.sessions.set(connection.id, session);
    this.#shared.statistics.connectionsReceived++;
  }

  /** A client has gone. Result: its session. */
  closed(connection: Connection): Session | undefined {
    const session = this.#shared.sessions.get(connection.id);
    if (session === undefined) return undefined;
    this.#shared.sessions.delete(connection.id);
    endQueue(session);
    this.#shared.pubsub.drop(connection);
    this.#shared.monitors.delete(session);
    return session;
  }

  /** Hot. Whether the session's next command may skip the checks here. Order: before each command. */
  isOpen(session: Session, index: number): boolean {
    if (index === 0 || this.#turn !== session.connection) {
      this.now = this.#ctx.clock.now();
      this.#turn = session.connection;
      if (this.#shared.options.refusal !== undefined) this.#refusal = this.#shared.options.refusal();
      if (this.#shared.options.writeRefusal !== undefined)
        this.#writeRefusal = this.#shared.options.writeRefusal();
    }
    const isRefused = this.#refusal !== undefined || this.#writeRefusal !== undefined;
    return session.isPlain && !isRefused && this.#shared.monitors.size === 0;
  }

  /** Time has passed within a chunk of input: the clock is read again. */
  endTurn(): void {
    this.#turn = undefined;
  }

  /** Checks a command and executes it. */
  run(session: Session, at: Place): void | Promise<void> {
    const wasOff = session.replies === 'off';
    const skip = wasOff || session.replies === 'skip';
    if (session.replies === 'skip') session.replies = 'on';
    const reply = skip ? this.#void : at.reply;
    if (skip) {
      // What a command that waited has written since.
      this.#void.truncate(0);
      this.#void.protocol = session.connection.protocol;
    }
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
    const checked = this.#hooks.check(args);
    this.#shared.statistics.commandsProcessed++;
    session.lastCommandAtMs = this.now;
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
    if (session.ack === 'queue' && writes(spec) && !isQueued(session, spec))
      return this.#held(session, source);
    return this.#execute(session, new Call(source));
  }

  /** MQKV.ACK queue: the reply waits for the queue. */
  async #held(session: Session, source: CallSource): Promise<void> {
    const reply = new ReplyWriter();
    reply.protocol = source.reply.protocol;
    const call = new Call({ ...source, reply });
    await this.#execute(session, call);
    const face = this.#shared.options.replication?.();
    const isAccepted = call.failed || face === undefined || (await face.accepted(ACK_MS));
    if (isAccepted) for (const bytes of reply.take()) source.reply.raw(bytes);
    else source.reply.error(UNCERTAIN);
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
    if (this.#writeRefusal !== undefined && spec.flags.has('denyoom')) return this.#writeRefusal;
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
      done = this.#hooks.execute(call, session);
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
      at: Math.floor(this.now / 1000),
      microseconds,
      args: call.rest(0),
      address: remoteAddress,
      client: name,
    });
  }
}

/** Commands that may write besides those that say so. */
const WRITERS: ReadonlySet<string> = new Set(['exec', 'eval', 'evalsha']);

function writes({ isWrite, name }: CommandSpec): boolean {
  return isWrite || WRITERS.has(name);
}
