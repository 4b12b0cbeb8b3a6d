// The NATS JetStream adapter of Queue: one connection, a stream that keeps messages, a durable consumer per site.
import { MqkvError } from '../../base/index.ts';
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
import { CLOSE_GRACE_MS, UnderWay } from '../under-way.ts';
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

/** Units: ms that `subscribe` waits for its consumer to exist. */
const SUBSCRIBE_MS = 2_000;

/**
 * Opens the queue: tries to connect once, and goes on trying whether or not that worked. The stream is made where it is
 * not there. A site that is new begins with what is published from `subscribe` on.
 * Errors: MqkvError `BAD_CHANNEL`. A server that is away, or refuses, is no error.
 */
export async function openNatsQueue(options: NatsQueueOptions): Promise<Queue> {
  checkChannel(options.channel);
  const queue = new NatsQueue(options);
  await queue.start();
  return queue;
}

class NatsQueue implements Queue {
  readonly name = 'nats';
  readonly #options: NatsQueueOptions;
  readonly #session: Session;
  readonly #publishing = new UnderWay();
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
    return this.#publishing.add(this.#publish(body, signal));
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
    if (ready === undefined || this.#consumer === undefined)
      throw new MqkvError('QUEUE_UNREACHABLE', 'not subscribed yet');
    await this.#consumer.replay(ready, sinceMs);
  }

  async stats(): Promise<QueueStats> {
    const { url, channel } = this.#options;
    return sumsOf({ topic: url.stream, channel }, [await this.#row()]);
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
    this.#isSubscribed = false;
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
    const { ready, error } = this.#session;
    const address = this.#address;
    if (ready === undefined) return { address, ...UNKNOWN, error: error?.message ?? 'not connected yet' };
    try {
      const { url, channel, clock } = this.#options;
      const asked = ready.manager.consumers.info(url.stream, durableOf(channel));
      const info = await within(clock, REQUEST_MS, asked);
      if (info === undefined) return { address, ...UNKNOWN, error: 'no answer' };
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
      return { address, ...UNKNOWN, error: queueError(failure).message };
    }
  }

  async #close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    const { clock } = this.#options;
    await this.#publishing.settled(clock, graceMs);
    this.#consumer?.close();
    const connection = this.#session.ready?.connection;
    await within(clock, REQUEST_MS, connection?.flush().catch(() => {}) ?? Promise.resolve());
    await this.#session.close();
  }
}
