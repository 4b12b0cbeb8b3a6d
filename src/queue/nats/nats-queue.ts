// The NATS JetStream adapter of Queue: one connection, a stream that keeps messages, a durable consumer per site.
import { MqkvError, messageOf } from '../../base/index.ts';
import type {
  BrokerState,
  BrokerStats,
  Queue,
  QueueCapabilities,
  QueueMessage,
  QueueStats,
} from '../queue.ts';
import { unlessAborted, within } from '../within.ts';
import { Consumer } from './consumer.ts';
import { queueError } from './errors.ts';
import { type Ready, Session } from './session.ts';
import {
  durableOf,
  MESSAGE_BYTES_DEFAULT,
  type NatsQueueOptions,
  PUBLISH_MS,
  REQUEST_MS,
} from './settings.ts';

export type { NatsQueueOptions, NatsUrl } from './settings.ts';

const CHANNEL = /^[.a-zA-Z0-9_-]{1,64}$/;
const CLOSE_GRACE_MS = 5_000;
/** Units: ms that `subscribe` waits for its consumer to exist. */
const SUBSCRIBE_MS = 2_000;

/**
 * Opens the queue: tries to connect once, and goes on trying whether or not that worked. The stream is made where it is
 * not there. A site that is new begins with what is published from `subscribe` on.
 * Errors: MqkvError `BAD_CHANNEL`. A server that is away, or refuses, is no error.
 */
export async function openNatsQueue(options: NatsQueueOptions): Promise<Queue> {
  if (!CHANNEL.test(options.channel))
    throw new MqkvError('BAD_CHANNEL', `channel "${options.channel}" must be 1 to 64 of A-Z a-z 0-9 . _ -`);
  const queue = new NatsQueue(options);
  await queue.start();
  return queue;
}

class NatsQueue implements Queue {
  readonly name = 'nats';
  readonly #options: NatsQueueOptions;
  readonly #session: Session;
  readonly #publishing = new Set<Promise<unknown>>();
  #consumer: Consumer | undefined;
  #isSubscribed = false;
  #messageBytesMax = MESSAGE_BYTES_DEFAULT;
  #isClosed = false;
  #closing: Promise<void> | undefined;

  constructor(options: NatsQueueOptions) {
    this.#options = options;
    this.#session = new Session(options);
    this.#session.onReady = (ready) => this.#prepare(ready);
  }

  start(): Promise<void> {
    return this.#session.start();
  }

  get capabilities(): QueueCapabilities {
    // The server answers when the message is in the stream's file, on most servers of the cluster where it has replicas.
    return { ordered: true, replayable: true, durableAck: true, maxMessageBytes: this.#messageBytesMax };
  }

  publish(body: Uint8Array, signal?: AbortSignal): Promise<void> {
    const publishing = this.#publish(body, signal);
    this.#publishing.add(publishing);
    const over = (): void => void this.#publishing.delete(publishing);
    publishing.then(over, over);
    return publishing;
  }

  async subscribe(
    handler: (message: QueueMessage) => void,
    options: { readonly maxInFlight: number },
  ): Promise<void> {
    if (this.#isClosed) throw new MqkvError('CLOSED', 'the queue is closed');
    if (this.#consumer !== undefined)
      throw new MqkvError('ALREADY_SUBSCRIBED', 'the queue has its subscription');
    this.#consumer = new Consumer(this.#options, handler, options.maxInFlight);
    const { ready } = this.#session;
    if (ready === undefined) return;
    const attached = this.#attach(ready).catch((error: unknown) => ready.fail(error));
    await within(this.#options.clock, SUBSCRIBE_MS, attached);
  }

  async replay(sinceMs: number): Promise<void> {
    const { ready } = this.#session;
    if (ready === undefined || this.#consumer === undefined) return;
    try {
      await this.#consumer.replay(ready, sinceMs);
    } catch (error) {
      this.#options.logger.warn({ error: messageOf(error) }, 'kept messages could not be read again');
    }
  }

  async stats(): Promise<QueueStats> {
    const { url, channel } = this.#options;
    const row = await this.#row();
    const sum = (value: number | null): number => value ?? 0;
    return {
      topic: url.stream,
      channel,
      connections: sum(row.connections),
      received: sum(row.received),
      finished: sum(row.finished),
      requeued: sum(row.requeued),
      inFlight: sum(row.inFlight),
      depth: sum(row.depth),
      brokers: [row],
    };
  }

  brokers(): readonly BrokerState[] {
    const { ready, error } = this.#session;
    const connected = ready !== undefined;
    const subscribed = connected && this.#isSubscribed;
    return [{ address: this.#address, connected, subscribed, ...(error && { error: error.message }) }];
  }

  close(graceMs = CLOSE_GRACE_MS): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #address(): string {
    const { servers } = this.#options.url;
    return (
      this.#session.ready?.connection.getServer() ??
      servers.map(({ host, port }) => `${host}:${port}`).join(',')
    );
  }

  async #prepare(ready: Ready): Promise<void> {
    this.#messageBytesMax = ready.messageBytesMax;
    if (this.#consumer !== undefined) await this.#attach(ready);
  }

  async #attach(ready: Ready): Promise<void> {
    await this.#consumer?.attach(ready);
    this.#isSubscribed = true;
  }

  async #publish(body: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    if (this.#isClosed || signal?.aborted === true) throw new MqkvError('CLOSED', 'the queue is closed');
    const ready = await this.#session.settled();
    if (ready === undefined) throw this.#session.error ?? new MqkvError('CLOSED', 'the queue is closed');
    if (body.length > ready.messageBytesMax)
      throw new MqkvError('MESSAGE_TOO_LARGE', `${body.length} bytes, at most ${ready.messageBytesMax}`);
    try {
      await unlessAborted(signal, ready.client.publish(ready.subject, body, { timeout: PUBLISH_MS }));
    } catch (error) {
      throw queueError(error);
    }
  }

  async #row(): Promise<BrokerStats> {
    const none = {
      connections: null,
      received: null,
      finished: null,
      requeued: null,
      inFlight: null,
      depth: null,
    };
    const { ready, error } = this.#session;
    const address = this.#address;
    if (ready === undefined) return { address, ...none, error: error?.message ?? 'not connected yet' };
    try {
      const { url, channel, clock } = this.#options;
      const asked = ready.manager.consumers.info(url.stream, durableOf(channel));
      const info = await within(clock, REQUEST_MS, asked);
      if (info === undefined) return { address, ...none, error: 'no answer' };
      const { delivered, num_ack_pending: inFlight, num_pending: depth } = info;
      const received = delivered.consumer_seq;
      return {
        address,
        connections: 1,
        received,
        finished: received - inFlight,
        requeued: null,
        inFlight,
        depth,
      };
    } catch (failure) {
      return { address, ...none, error: queueError(failure).message };
    }
  }

  async #close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    const { clock } = this.#options;
    const published = Promise.allSettled(this.#publishing);
    await within(clock, graceMs, published);
    this.#consumer?.close();
    const connection = this.#session.ready?.connection;
    await within(clock, REQUEST_MS, connection?.flush().catch(() => {}) ?? Promise.resolve());
    await this.#session.close();
  }
}
