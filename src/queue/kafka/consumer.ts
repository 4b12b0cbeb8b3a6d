// Consuming: a member of the site's group, made anew whenever it fails; offsets are committed up to the first message that is held.
import type { Consumer as Member, Message, MessagesStream } from '@platformatic/kafka';
import { randomHex, sleep } from '../../base/index.ts';
import { backoffMs } from '../backoff.ts';
import type { QueueMessage } from '../queue.ts';
import { Slots } from '../slots.ts';
import { within } from '../within.ts';
import { queueError } from './errors.ts';
import { Progress } from './progress.ts';
import {
  clientOptions,
  COMMIT_MS,
  CONNECT_MS,
  FETCH_BYTES,
  FETCH_MS,
  HEARTBEAT_MS,
  REBALANCE_MS,
  RECONNECT,
  SESSION_MS,
  type Settings,
} from './settings.ts';

type RawMember = Member<Buffer, Buffer, Buffer, Buffer>;
type RawStream = MessagesStream<Buffer, Buffer, Buffer, Buffer>;
type RawMessage = Message<Buffer, Buffer, Buffer, Buffer>;

export interface ConsumerOptions {
  readonly settings: Settings;
  /** Resolves when the topic exists. */
  readonly topic: () => Promise<unknown>;
  readonly handler: (message: QueueMessage) => void;
  readonly maxInFlight: number;
}

/** Counts of this process, since Kafka keeps none. */
export interface ConsumerCounts {
  received: number;
  finished: number;
  requeued: number;
}

const UNKNOWN_EPOCH = -1;
const NAME_BYTES = 6;
/** After these the cluster is asked whether it is still there. */
const SUSPICIOUS = ['client:broker:disconnect', 'client:broker:failed', 'consumer:heartbeat:error'] as const;
/**
 * Units: ms. When nothing came for so long, all kept messages have been read again: the last places of a partition may hold none, but
 * a transaction's marks, or what was deleted meanwhile.
 */
const QUIET_MS = 10_000;
/** Messages that wait in this process to be handed out. */
const AHEAD_MAX = 16;

export class Consumer {
  readonly counts: ConsumerCounts = { received: 0, finished: 0, requeued: 0 };
  /** Why there is no subscription; undefined: there is one, or the first is being made. */
  error: string | undefined;
  isSubscribed = false;
  readonly #options: ConsumerOptions;
  readonly #slots: Slots;
  /** The group's name of this process: a membership that is made anew takes the place of the one before at once. */
  readonly #instance: string;
  readonly #progress = new Progress();
  #member: RawMember | undefined;
  #stream: RawStream | undefined;
  #isProbing = false;
  #isClosed = false;

  constructor(options: ConsumerOptions) {
    this.#options = options;
    const { channel, random } = options.settings;
    this.#instance = `${channel}-${randomHex(random, NAME_BYTES)}`;
    this.#slots = new Slots(options.maxInFlight);
  }

  get inFlight(): number {
    return this.#slots.taken;
  }

  /** Consumes until the signal aborts. `subscribed` is called once, when the group knows where this site begins. */
  async run(signal: AbortSignal, subscribed: () => void): Promise<void> {
    const { clock, random, logger } = this.#options.settings;
    const commits = clock.every(COMMIT_MS, () => void this.#commit());
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await this.#consume(() => {
          failures = 0;
          subscribed();
        });
      } catch (error) {
        const { message } = queueError(error);
        if (message !== this.error && !signal.aborted)
          logger.warn({ error: message }, 'not subscribed to Kafka');
        this.error = message;
      }
      this.isSubscribed = false;
      await this.#leave();
      await sleep(clock, backoffMs(RECONNECT, failures + 1, random), signal);
    }
    commits.cancel();
  }

  /** Messages of this member's partitions that were not handed out yet; null where the cluster does not tell. */
  async lag(): Promise<number | null> {
    const { url } = this.#options.settings;
    const member = this.#member;
    const mine = member?.assignments?.find(({ topic }) => topic === url.topic)?.partitions ?? [];
    if (member === undefined || mine.length === 0) return null;
    const ends = (await member.listOffsets({ topics: [url.topic] })).get(url.topic) ?? [];
    const behind = mine.map((partition) => {
      const end = ends[partition] ?? 0n;
      return Number(end - (this.#progress.next(partition) ?? end));
    });
    return behind.reduce((sum, count) => sum + Math.max(0, count), 0);
  }

  /** Hands out once more what was published since then. Errors: the driver's. */
  async replay(sinceMs: number): Promise<void> {
    const { settings } = this.#options;
    const { driver, url, channel, random } = settings;
    const groupId = `${channel}-replay-${randomHex(random, NAME_BYTES)}`;
    const reader: RawMember = new driver.Consumer({ ...clientOptions(settings), groupId, autocommit: false });
    reader.on('error', () => {});
    try {
      const topics = [url.topic];
      const ends = (await reader.listOffsets({ topics })).get(url.topic) ?? [];
      const since = { topics, timestamp: BigInt(Math.floor(sinceMs)) };
      const starts = (await reader.listOffsets(since)).get(url.topic) ?? [];
      const ranges = ends.flatMap((end, partition) => {
        const start = starts[partition] ?? -1n;
        return start >= 0n && start < end ? [{ partition, start, end }] : [];
      });
      if (ranges.length > 0) await this.#readRanges(reader, url.topic, ranges);
    } finally {
      await within(
        settings.clock,
        CONNECT_MS,
        reader.close(true).catch(() => {}),
      );
    }
  }

  /** Commits what is acknowledged, and leaves the group. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#slots.wake();
    await within(this.#options.settings.clock, CONNECT_MS, this.#commit());
    await this.#leave();
  }

  /** One membership, from joining to its failure. */
  async #consume(subscribed: () => void): Promise<void> {
    const { settings, topic } = this.#options;
    await topic();
    if (this.#isClosed) return;
    const { driver, channel, url, logger } = settings;
    const member: RawMember = new driver.Consumer({
      ...clientOptions(settings),
      groupId: channel,
      groupInstanceId: this.#instance,
      autocommit: false,
      sessionTimeout: SESSION_MS,
      rebalanceTimeout: REBALANCE_MS,
      heartbeatInterval: HEARTBEAT_MS,
    });
    this.#member = member;
    member.on('error', (error: Error) => logger.debug({ error: error.message }, 'kafka consumer'));
    for (const event of SUSPICIOUS) member.on(event, () => void this.#probe(member));
    const { MessagesStreamModes, MessagesStreamFallbackModes } = driver;
    const stream = await member.consume({
      topics: [url.topic],
      mode: MessagesStreamModes.COMMITTED,
      fallbackMode: MessagesStreamFallbackModes.LATEST,
      autocommit: false,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      maxWaitTime: FETCH_MS,
      highWaterMark: AHEAD_MAX,
    });
    this.#stream = stream;
    // What it fails with is thrown to who reads it.
    stream.on('error', () => {});
    stream.on('offsets', () => {
      this.#pin(member, stream).catch((error: unknown) => stream.destroy(errorOf(error)));
    });
    if (stream.offsetsToFetch.size === 0) await offsetsOf(stream);
    await this.#pin(member, stream);
    this.isSubscribed = true;
    this.error = undefined;
    subscribed();
    await this.#handAll(stream);
  }

  /** A connection was lost, which may be an idle one: the membership ends only if the cluster does not answer. */
  async #probe(member: RawMember): Promise<void> {
    if (this.#isClosed || this.#member !== member || this.#isProbing) return;
    this.#isProbing = true;
    const { clock, url } = this.#options.settings;
    try {
      const asked = member.metadata({ topics: [url.topic], forceUpdate: true });
      const answer = await within(clock, CONNECT_MS, asked);
      if (answer === undefined) throw new Error('no answer from the cluster');
    } catch (error) {
      if (this.#member === member) this.#stream?.destroy(errorOf(error));
    } finally {
      this.#isProbing = false;
    }
  }

  /** A partition without a committed place gets one now: else this site would begin later than it says, should it fail. */
  async #pin(member: RawMember, stream: RawStream): Promise<void> {
    const { topic } = this.#options.settings.url;
    const partitions = member.assignments?.find((one) => one.topic === topic)?.partitions ?? [];
    if (partitions.length === 0) return;
    const found = await member.listCommittedOffsets({ topics: [{ topic, partitions }] });
    const committed = found.get(topic) ?? [];
    const offsets = partitions.flatMap((partition, at) => {
      const from = stream.offsetsToFetch.get(`${topic}:${partition}`);
      if (from !== undefined) this.#progress.start(partition, from);
      const isThere = (committed[partition] ?? committed[at] ?? -1n) >= 0n;
      return from === undefined || isThere
        ? []
        : [{ topic, partition, offset: from, leaderEpoch: UNKNOWN_EPOCH }];
    });
    if (offsets.length > 0) await member.commit({ offsets });
  }

  async #handAll(stream: RawStream): Promise<void> {
    for await (const message of stream) {
      await this.#whenFree();
      if (this.#isClosed) return;
      if (this.#progress.begin(message.partition, message.offset))
        this.#hand(message, { attempts: 1, isCopy: false });
    }
  }

  async #readRanges(
    reader: RawMember,
    topic: string,
    ranges: readonly { readonly partition: number; readonly start: bigint; readonly end: bigint }[],
  ): Promise<void> {
    const { driver, clock } = this.#options.settings;
    const left = new Map(ranges.map(({ partition, end }) => [partition, end]));
    const stream = await reader.consume({
      topics: [topic],
      mode: driver.MessagesStreamModes.MANUAL,
      offsets: ranges.map(({ partition, start }) => ({ topic, partition, offset: start })),
      autocommit: false,
      maxBytes: FETCH_BYTES,
      maxWaitTime: FETCH_MS,
      highWaterMark: AHEAD_MAX,
    });
    try {
      const messages = stream[Symbol.asyncIterator]();
      while (left.size > 0 && !this.#isClosed) {
        const next = await within(clock, QUIET_MS, messages.next());
        if (next === undefined) {
          const answer = await within(clock, CONNECT_MS, reader.listOffsets({ topics: [topic] }));
          if (answer === undefined) throw new Error('no answer from the cluster');
        }
        if (next === undefined || next.done === true) return;
        const message = next.value;
        const end = left.get(message.partition);
        if (end === undefined || message.offset >= end) continue;
        await this.#whenFree();
        this.#hand(message, { attempts: 1, isCopy: true });
        if (message.offset + 1n >= end) left.delete(message.partition);
      }
    } finally {
      stream.destroy();
    }
  }

  /** `isCopy`: the group knows nothing of this delivery. */
  #hand(message: RawMessage, how: { readonly attempts: number; readonly isCopy: boolean }): void {
    if (this.#isClosed) return;
    const giveBack = this.#slots.take();
    if (!how.isCopy) this.counts.received++;
    let isOpen = true;
    const once = (act: () => void): void => {
      if (!isOpen) return;
      isOpen = false;
      giveBack();
      if (!how.isCopy) act();
    };
    const handed: QueueMessage = {
      body: message.value,
      attempts: how.attempts,
      isReplayed: how.isCopy,
      ack: () =>
        once(() => {
          this.counts.finished++;
          this.#progress.end(message.partition, message.offset);
        }),
      requeue: (delayMs) => {
        once(() => this.counts.requeued++);
        const again = { ...how, attempts: how.attempts + 1 };
        this.#options.settings.clock.after(delayMs, () => this.#hand(message, again));
      },
      touch: () => {},
    };
    try {
      this.#options.handler(handed);
    } catch (error) {
      this.#options.settings.logger.error(
        { error: queueError(error).message },
        'a message could not be handled',
      );
    }
  }

  async #whenFree(): Promise<void> {
    while (this.#slots.free <= 0 && !this.#isClosed) await this.#slots.changed();
  }

  async #commit(): Promise<void> {
    const places = this.#progress.places();
    const member = this.#member;
    if (places.length === 0 || member === undefined || member.memberId === null) return;
    const { topic } = this.#options.settings.url;
    const mine = new Set(member.assignments?.find((one) => one.topic === topic)?.partitions);
    const own = places.filter(({ partition }) => mine.has(partition));
    if (own.length === 0) return;
    try {
      const offsets = own.map((place) => ({ topic, ...place, leaderEpoch: UNKNOWN_EPOCH }));
      await member.commit({ offsets });
      this.#progress.committed(own);
    } catch (error) {
      this.#options.settings.logger.debug({ error: queueError(error).message }, 'offsets not committed yet');
    }
  }

  async #leave(): Promise<void> {
    const [member, stream] = [this.#member, this.#stream];
    this.#member = undefined;
    this.#stream = undefined;
    const { clock } = this.#options.settings;
    if (stream !== undefined && !stream.destroyed)
      await within(
        clock,
        CONNECT_MS,
        stream.close().catch(() => {}),
      );
    if (member !== undefined)
      await within(
        clock,
        CONNECT_MS,
        member.close(true).catch(() => {}),
      );
  }
}

function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function offsetsOf(stream: RawStream): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once('offsets', () => resolve());
    stream.once('error', (error: Error) => reject(error));
  });
}
