// The Redis Streams adapter of Queue: a stream of bounded length, a consumer group per site, on our own connection to Redis.
import { MqkvError, messageOf, REDIS_STREAM_BYTES_MAX } from '../../base/index.ts';
import { type Link, openLink } from '../../redis-link/index.ts';
import { checkChannel } from '../channel.ts';
import { sumsOf, UNKNOWN } from '../numbers.ts';
import type {
  BrokerState,
  BrokerStats,
  Queue,
  QueueCapabilities,
  QueueMessage,
  QueueStats,
} from '../queue.ts';
import { readTls } from '../tls.ts';
import { CLOSE_GRACE_MS, UnderWay } from '../under-way.ts';
import { unlessAborted, within } from '../within.ts';
import { Consumer } from './consumer.ts';
import { expectNoError, itemsOf, numberOf, rowOf, textOf } from './replies.ts';
import {
  linkOptions,
  MESSAGE_BYTES_MAX,
  PUBLISH_MS,
  REQUEST_MS,
  type RedisStreamsOptions,
  type Settings,
} from './settings.ts';

export type { RedisStreamsOptions, RedisStreamsUrl } from './settings.ts';

/** Messages that the stream keeps at least, however large. */
const LENGTH_MIN = 256;
/** How much one message moves the average of sizes. */
const SIZE_SHARE = 1 / 64;

/**
 * Opens the queue: tries to connect once, and goes on trying whether or not that worked. The stream is made by the first
 * `subscribe` or `publish`. A site that is new begins with what is published from `subscribe` on.
 * Errors: MqkvError `BAD_CHANNEL`, `START` for TLS files. A Redis that is away, or refuses, is no error.
 */
export async function openRedisStreamsQueue(options: RedisStreamsOptions): Promise<Queue> {
  checkChannel(options.channel);
  const { tls } = options.url;
  const queue = new RedisStreamsQueue({
    ...options,
    tls: tls === undefined ? undefined : await readTls(tls),
  });
  await queue.start();
  return queue;
}

class RedisStreamsQueue implements Queue {
  readonly name = 'redis-streams';
  // A Redis that fsyncs every second, or fails over, loses what it has accepted: streams' gaps and comparisons bring it back.
  readonly capabilities: QueueCapabilities = {
    ordered: true,
    replayable: true,
    durableAck: false,
    maxMessageBytes: MESSAGE_BYTES_MAX,
  };
  readonly #settings: Settings;
  readonly #stream: Buffer;
  readonly #link: Link;
  readonly #publishing = new UnderWay();
  #sizeAverage = 0;
  #refusal: MqkvError | undefined;
  #consumer: Consumer | undefined;
  #isClosed = false;
  #closing: Promise<void> | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#stream = Buffer.from(settings.url.stream);
    this.#link = openLink(linkOptions(settings));
  }

  /** Resolves when the first try to connect has ended. */
  start(): Promise<void> {
    return new Promise((resolve) => {
      this.#link.onState = (state) => {
        if (state !== 'connecting') resolve();
      };
      if (this.#link.state === 'ready') resolve();
    });
  }

  publish(body: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#publishing.add(this.#publish(body, signal));
  }

  async subscribe(
    handler: (message: QueueMessage) => void,
    { maxInFlight }: { readonly maxInFlight: number },
  ): Promise<void> {
    if (this.#isClosed) throw new MqkvError('CLOSED', 'the queue is closed');
    if (this.#consumer !== undefined)
      throw new MqkvError('ALREADY_SUBSCRIBED', 'the queue has its subscription');
    this.#consumer = new Consumer(this.#settings, { commands: this.#link, handler, maxInFlight });
    const started = this.#consumer.start().catch((error: unknown) => {
      this.#settings.logger.warn({ error: messageOf(error) }, 'not subscribed yet, will be tried again');
    });
    await within(this.#settings.clock, REQUEST_MS, started);
  }

  async replay(sinceMs: number): Promise<void> {
    if (this.#consumer === undefined) throw new MqkvError('QUEUE_UNREACHABLE', 'not subscribed yet');
    await this.#consumer.replay(sinceMs);
  }

  async stats(): Promise<QueueStats> {
    const { url, channel } = this.#settings;
    return sumsOf({ topic: url.stream, channel }, [await this.#row()]);
  }

  brokers(): readonly BrokerState[] {
    const error = this.#refusal?.message ?? this.#link.lastError?.message ?? this.#consumer?.lastError;
    const connected = this.#link.state === 'ready';
    const subscribed = this.#consumer?.isSubscribed === true;
    const isWell = connected && (this.#consumer === undefined || subscribed) && this.#refusal === undefined;
    return [
      { address: this.#address, connected, subscribed, ...(error === undefined || isWell ? {} : { error }) },
    ];
  }

  close(graceMs = CLOSE_GRACE_MS): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #address(): string {
    const { host, port } = this.#settings.url.address;
    return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  }

  async #publish(body: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    if (this.#isClosed || signal?.aborted === true) throw new MqkvError('CLOSED', 'the queue is closed');
    if (body.length > MESSAGE_BYTES_MAX)
      throw new MqkvError('MESSAGE_TOO_LARGE', `${body.length} bytes, at most ${MESSAGE_BYTES_MAX}`);
    if (this.#link.state === 'down') throw this.#away();
    const added = this.#link.call([
      'XADD',
      this.#stream,
      'MAXLEN',
      '~',
      String(this.#lengthFor(body.length)),
      '*',
      'm',
      body,
    ]);
    const reply = await unlessAborted(signal, this.#answered(added));
    if (reply === undefined) throw new MqkvError('QUEUE_UNREACHABLE', `no answer for ${PUBLISH_MS} ms`);
    this.#refusal = undefined;
    try {
      expectNoError(reply);
    } catch (error) {
      if (error instanceof MqkvError) this.#refusal = error;
      throw error;
    }
  }

  /** Errors: MqkvError `QUEUE_UNREACHABLE`, `QUEUE_REFUSED` for those of the connection. */
  async #answered<T>(reply: Promise<T>): Promise<T | undefined> {
    try {
      return await within(this.#settings.clock, PUBLISH_MS, reply);
    } catch (error) {
      throw this.#away(error);
    }
  }

  #away(error: unknown = this.#link.lastError): MqkvError {
    const isRefused = error instanceof MqkvError && error.code === 'REDIS_AUTH';
    const cause = this.#link.lastError?.code === 'REDIS_AUTH';
    const code = isRefused || cause ? 'QUEUE_REFUSED' : 'QUEUE_UNREACHABLE';
    return new MqkvError(code, error === undefined ? 'not connected' : messageOf(error), { cause: error });
  }

  /** The length at which messages as large as the last ones fill REDIS_STREAM_BYTES_MAX. */
  #lengthFor(bytes: number): number {
    this.#sizeAverage += (bytes - this.#sizeAverage) * (this.#sizeAverage === 0 ? 1 : SIZE_SHARE);
    const fitting = Math.floor(REDIS_STREAM_BYTES_MAX / Math.max(1, this.#sizeAverage));
    return Math.min(this.#settings.url.maxLength, Math.max(LENGTH_MIN, fitting));
  }

  async #row(): Promise<BrokerStats> {
    const address = this.#address;
    try {
      const asked = this.#link.call(['XINFO', 'GROUPS', this.#stream]);
      const reply = await within(this.#settings.clock, REQUEST_MS, asked);
      if (reply === undefined) return { address, ...UNKNOWN, error: 'no answer' };
      const rows = itemsOf(reply).map(rowOf);
      const row = rows.find((one) => textOf(one.get('name')) === this.#settings.channel);
      if (row === undefined) return { address, ...UNKNOWN, error: 'no consumer group yet' };
      const received = numberOf(row.get('entries-read'));
      const inFlight = numberOf(row.get('pending'));
      const finished = received === null || inFlight === null ? null : received - inFlight;
      const depth = numberOf(row.get('lag'));
      return {
        address,
        connections: numberOf(row.get('consumers')),
        received,
        finished,
        requeued: null,
        inFlight,
        depth,
      };
    } catch (error) {
      return { address, ...UNKNOWN, error: messageOf(error) };
    }
  }

  async #close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    const { clock } = this.#settings;
    await this.#publishing.settled(clock, graceMs);
    await within(clock, REQUEST_MS, this.#consumer?.close() ?? Promise.resolve());
    this.#link.close();
  }
}
