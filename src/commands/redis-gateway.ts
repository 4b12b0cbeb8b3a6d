// The gateway over a Redis store: hot commands as bytes and script calls, everything else by the commands in redis/.
import { assert, type Clock, type Latin1, messageOf, VALUE_BYTES_MAX } from '../base/index.ts';
import type { CommandBatch, ReplyWriter } from '../resp/index.ts';
import type { Connection, Handler } from '../server/index.ts';
import type { Keyspace } from '../store/index.ts';
import type { Call, CallContext } from './call.ts';
import { check } from './dispatch.ts';
import { Front, type Place } from './front.ts';
import { openShared } from './gateway.ts';
import { CachedGets, type GetCache, withCache } from './redis/cached-gets.ts';
import type { General, OpenGeneral } from './redis/context.ts';
import { ForeignCommands } from './redis/foreign.ts';
import { openGeneral } from './redis/general.ts';
import { HotRuns } from './redis/hot-runs.ts';
import { openPlain } from './redis/plain.ts';
import type { Port } from './redis/port.ts';
import { portOf, type RedisBehind } from './redis/port-of.ts';
import { newRedisSession, type RedisSession, whenIdle } from './redis/redis-session.ts';
import type { GatewayOptions, Shared } from './shared.ts';
import { Statistics } from './statistics.ts';

/** Another protocol goes over another socket, which does not keep the order; WAIT counts writes that have been applied. */
const AFTER_ALL: ReadonlySet<string> = new Set(['hello', 'reset', 'wait', 'mqkv.ack']);

/** What a gateway over a Redis store is made of. */
export interface RedisGatewayOptions extends Omit<GatewayOptions, 'keyspace'> {
  readonly redis: RedisBehind;
  /** Answers GETs; told of writes by whoever opened it. */
  readonly cache?: GetCache | undefined;
  /** MQKV.VERIFY. Absent: refused. Result: counts by name. */
  readonly verify?: (() => Promise<Readonly<Record<string, number | string>>>) | undefined;
  /** Default: the commands of `redis/general.ts`. */
  readonly openGeneral?: OpenGeneral;
}

/** The command face of a site whose store is its own Redis. */
export class RedisGateway implements Handler {
  readonly #shared: Shared;
  readonly #front: Front;
  readonly #hot: HotRuns;
  readonly #cached: CachedGets | undefined;
  readonly #general: General & { close?(): void };
  readonly #call: Port['call'];
  readonly #foreign: ForeignCommands;

  constructor(options: RedisGatewayOptions) {
    const { random, clock, logger, redis } = options;
    const maxValueBytes = options.maxValueBytes ?? VALUE_BYTES_MAX;
    const keyspace = absentKeyspace(clock);
    const callContext: CallContext = { keyspace, random, clock, maxValueBytes };
    const statistics = new Statistics();
    this.#shared = openShared({ ...options, keyspace }, statistics, 'redis');
    this.#hot = new HotRuns({ executor: redis.executor, statistics, maxValueBytes, cache: options.cache });
    this.#cached = options.cache && new CachedGets(options.cache, { clock, statistics });
    const bare = portOf(redis, { callContext, clock, logger, shared: this.#shared });
    const port = options.cache === undefined ? bare : withCache(bare, options.cache);
    this.#call = port.call;
    this.#foreign = new ForeignCommands({ call: port.call, clock, logger });
    this.#general = (options.openGeneral ?? openGeneral)(port, openPlain(port));
    this.#front = new Front(this.#shared, callContext, {
      check: (args) => check(args, 'redis', (name) => this.#foreign.find(name)),
      execute: (given, session) => this.#execute(given, session as RedisSession),
    });
  }

  /** Hands a message published at another site to the subscribers at all gateways of this one, by the Redis. Lost if that is away. */
  deliver(channel: Latin1, message: Uint8Array): void {
    this.#call(['PUBLISH', channel, message]).catch((error: unknown) => {
      const { logger } = this.#shared.options;
      logger.debug({ error: messageOf(error) }, 'a message of another site could not be handed on');
    });
  }

  /** Commands executed; what reads found is not looked at. */
  get counts(): { readonly commands: number; readonly hits: number; readonly misses: number } {
    return this.#shared.statistics.totals();
  }

  /** Ends waits and the connections that listen to the Redis. */
  close(): void {
    this.#general.close?.();
  }

  opened(connection: Connection): void {
    this.#front.opened(newRedisSession(connection, this.#shared.options.password === undefined));
  }

  closed(connection: Connection): void {
    const session = this.#front.closed(connection);
    if (session !== undefined) this.#general.closed?.(session);
  }

  handleRun(connection: Connection, batch: CommandBatch, from: number, reply: ReplyWriter): number {
    const session = connection.state as RedisSession;
    if (!this.#front.isOpen(session, from)) return 0;
    if (this.#cached?.isFor(session, batch, from) === true) return this.#cached.take(batch, from, reply);
    return this.#hot.take(session, batch, from);
  }

  handle(
    connection: Connection,
    batch: CommandBatch,
    index: number,
    reply: ReplyWriter,
  ): void | Promise<void> {
    const session = connection.state as RedisSession;
    if (this.#cached?.isFor(session, batch, index) === true && this.#front.isOpen(session, index))
      return this.#load(this.#cached, session, { batch, index, reply });
    const waits = session.authenticated ? this.#foreign.prepare(batch.text(index, 0)) : undefined;
    if (waits !== undefined) return this.#after(waits, session, { batch, index, reply });
    return this.#front.run(session, { batch, index, reply });
  }

  /** What depends on all that the connection asked before waits for its answers. */
  #execute(call: Call, session: RedisSession): void | Promise<void> {
    const waits = AFTER_ALL.has(call.spec.name) ? whenIdle(session) : undefined;
    if (waits === undefined) return this.#general.run(call, session);
    return waits.then(() => this.#general.run(call, session));
  }

  async #after(waits: Promise<void>, session: RedisSession, at: Place): Promise<void> {
    await waits;
    this.#front.endTurn();
    await this.#front.run(session, at);
  }

  async #load(cached: CachedGets, session: RedisSession, at: Place): Promise<void> {
    const isAnswered = await cached.load(at.batch, at.index, at.reply);
    this.#front.endTurn();
    if (!isAnswered) await this.#front.run(session, at);
  }
}

/** Makes the command face over a Redis store; give it to `createServer` of `mqkv/server` as its handler. */
export function createRedisGateway(options: RedisGatewayOptions): RedisGateway {
  return new RedisGateway(options);
}

/** Stands where commands shared with the embedded store expect a keyspace: it tells the time, and has no data. */
function absentKeyspace(clock: Clock): Keyspace {
  return new Proxy({} as Keyspace, {
    get: (_target, name) => {
      if (name === 'now') return clock.now();
      if (name === 'size') return 0;
      if (name === 'begin' || name === 'end') return () => {};
      return assert(false, `a Redis store has no keyspace.${String(name)}`);
    },
  });
}
