// The gateway: the Handler that answers clients from a store in process.
import { type Latin1, randomHex, VALUE_BYTES_MAX } from '../base/index.ts';
import type { CommandBatch, ReplyWriter } from '../resp/index.ts';
import { type Connection, type Handler, PubSub } from '../server/index.ts';
import type { Store } from '../store/index.ts';
import type { Call, CallContext } from './call.ts';
import { openSettings } from './config.ts';
import { check, runAlone } from './dispatch.ts';
import { Front } from './front.ts';
import { HotPath } from './hot.ts';
import { newSession, type Session } from './session.ts';
import type { GatewayOptions, Shared } from './shared.ts';
import { SlowLog } from './slow-log.ts';
import { Statistics } from './statistics.ts';
import { transact } from './transactions.ts';

/** The command face of one site. */
export class Gateway implements Handler {
  readonly #shared: Shared;
  readonly #front: Front;
  readonly #hot: HotPath;
  readonly #store: Store;
  /** Only there where replies may have to wait: a server asks once a chunk. */
  readonly settled: GatewayOptions['settled'];

  constructor(options: GatewayOptions) {
    this.settled = options.settled;
    const maxValueBytes = options.maxValueBytes ?? VALUE_BYTES_MAX;
    const { keyspace, random, clock } = options;
    const ctx: CallContext = { keyspace, random, clock, maxValueBytes };
    this.#hot = new HotPath(keyspace, maxValueBytes);
    this.#shared = openShared(options, new Statistics(this.#hot.counts));
    this.#front = new Front(this.#shared, ctx, {
      check,
      execute: (call, session) => this.#execute(call, session),
    });
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
    this.#front.opened(newSession(connection, this.#shared.options.password === undefined));
  }

  closed(connection: Connection): void {
    this.#front.closed(connection);
  }

  handle(
    connection: Connection,
    batch: CommandBatch,
    index: number,
    reply: ReplyWriter,
  ): void | Promise<void> {
    const session = connection.state as Session;
    const front = this.#front;
    if (front.isOpen(session, index) && this.#hot.execute(batch, index, reply, front.now)) return undefined;
    return front.run(session, { batch, index, reply });
  }

  #execute(call: Call, session: Session): void | Promise<void> {
    const { now } = this.#front;
    const transacted = transact(call, session, now);
    if (transacted === false) return runAlone(call, now);
    return transacted === true ? undefined : transacted;
  }
}

/** What the connections of one gateway share. */
export function openShared(
  options: GatewayOptions,
  statistics: Statistics,
  store: Shared['store'] = 'embedded',
): Shared {
  return {
    options,
    store,
    sessions: new Map(),
    pubsub: new PubSub(),
    statistics,
    slowLog: new SlowLog(),
    settings: openSettings(options),
    gauges: { blocked: 0, tracking: 0 },
    monitors: new Set(),
    startedAtMs: options.clock.now(),
    runId: randomHex(options.random, 20),
  };
}

/** Makes the command face over a store; give it to `createServer` of `mqkv/server` as its handler. */
export function createGateway(options: GatewayOptions): Gateway {
  return new Gateway(options);
}
