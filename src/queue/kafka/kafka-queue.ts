// The Kafka adapter of Queue: an idempotent producer, a consumer group per site, a topic of a few partitions.
import { MqkvError, messageOf, openScope, type Scope } from '../../base/index.ts';
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
import { loadDriver } from './driver.ts';
import { queueError } from './errors.ts';
import { Publisher } from './publisher.ts';
import { CONNECT_MS, type KafkaQueueOptions, PUBLISH_MS, type Settings } from './settings.ts';

export type { KafkaQueueOptions, KafkaUrl } from './settings.ts';

/** Units: ms that `subscribe` waits for its group: a broker delays the first members of a group for up to 3 s. */
const SUBSCRIBE_MS = 5_000;

/**
 * Opens the queue: tries to reach the cluster once, and goes on trying whether or not that worked. The topic is made where
 * it is not there. A site that is new begins with what is published from `subscribe` on.
 * Errors: MqkvError `BAD_CHANNEL`, `START` for TLS files and for a Node that is too old for the driver. A cluster that is
 * away, or refuses, is no error.
 */
export async function openKafkaQueue(options: KafkaQueueOptions): Promise<Queue> {
  checkChannel(options.channel);
  const driver = await loadDriver();
  const { tls } = options.url;
  const queue = new KafkaQueue({
    ...options,
    driver,
    tls: tls === undefined ? undefined : await readTls(tls),
  });
  await queue.start();
  return queue;
}

class KafkaQueue implements Queue {
  readonly name = 'kafka';
  readonly #settings: Settings;
  readonly #publisher: Publisher;
  readonly #scope: Scope;
  readonly #publishing = new UnderWay();
  #consumer: Consumer | undefined;
  #isClosed = false;
  #closing: Promise<void> | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#publisher = new Publisher(settings);
    this.#scope = openScope((error) =>
      settings.logger.error({ error: messageOf(error) }, 'kafka consumer ended'),
    );
  }

  async start(): Promise<void> {
    await this.#publisher.topic().catch((error: unknown) => {
      this.#settings.logger.warn({ error: messageOf(error) }, 'no connection to Kafka, will be tried again');
    });
  }

  get capabilities(): QueueCapabilities {
    // Of each publisher: its messages go to one partition. A batch that failed and is repeated comes later than what followed it.
    const { messageBytesMax: maxMessageBytes } = this.#publisher;
    return { ordered: true, replayable: true, durableAck: true, maxMessageBytes };
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
    const topic = (): Promise<unknown> => this.#publisher.topic();
    const consumer = new Consumer({ settings: this.#settings, topic, handler, maxInFlight });
    this.#consumer = consumer;
    const subscribed = new Promise<void>((resolve) => {
      this.#scope.run((signal) => consumer.run(signal, resolve));
    });
    await within(this.#settings.clock, SUBSCRIBE_MS, subscribed);
  }

  async replay(sinceMs: number): Promise<void> {
    if (this.#consumer?.isSubscribed !== true) throw new MqkvError('QUEUE_UNREACHABLE', 'not subscribed yet');
    try {
      await this.#consumer.replay(sinceMs);
    } catch (error) {
      throw queueError(error);
    }
  }

  async stats(): Promise<QueueStats> {
    const { url, channel } = this.#settings;
    return sumsOf({ topic: url.topic, channel }, [await this.#row()]);
  }

  brokers(): readonly BrokerState[] {
    const error = this.#publisher.error?.message ?? this.#consumer?.error;
    const connected = this.#publisher.isConnected && this.#consumer?.error === undefined;
    const subscribed = this.#consumer?.isSubscribed === true;
    return [{ address: this.#address, connected, subscribed, ...(error === undefined ? {} : { error }) }];
  }

  close(graceMs = CLOSE_GRACE_MS): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #address(): string {
    return this.#settings.url.brokers.map(({ host, port }) => `${host}:${port}`).join(',');
  }

  async #publish(body: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    if (this.#isClosed || signal?.aborted === true) throw new MqkvError('CLOSED', 'the queue is closed');
    const { messageBytesMax } = this.#publisher;
    if (body.length > messageBytesMax)
      throw new MqkvError('MESSAGE_TOO_LARGE', `${body.length} bytes, at most ${messageBytesMax}`);
    const accepted = this.#publisher.publish(body).then(() => true);
    accepted.catch(() => {});
    const answer = await unlessAborted(signal, within(this.#settings.clock, PUBLISH_MS, accepted));
    if (answer !== true) throw new MqkvError('QUEUE_UNREACHABLE', `no answer for ${PUBLISH_MS} ms`);
  }

  /** Received, finished, requeued and in flight are this process' own counts: Kafka knows offsets only. */
  async #row(): Promise<BrokerStats> {
    const address = this.#address;
    const consumer = this.#consumer;
    if (consumer?.isSubscribed !== true)
      return {
        address,
        ...UNKNOWN,
        error: consumer?.error ?? this.#publisher.error?.message ?? 'not subscribed yet',
      };
    try {
      const { received, finished, requeued } = consumer.counts;
      const { inFlight } = consumer;
      const depth = (await within(this.#settings.clock, CONNECT_MS, consumer.lag())) ?? null;
      return { address, connections: 1, received, finished, requeued, inFlight, depth };
    } catch (error) {
      return { address, ...UNKNOWN, error: queueError(error).message };
    }
  }

  async #close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    const { clock } = this.#settings;
    await this.#publishing.settled(clock, graceMs);
    await this.#consumer?.close();
    await within(clock, 2 * CONNECT_MS, this.#scope.close());
    await within(clock, CONNECT_MS, this.#publisher.close());
  }
}
