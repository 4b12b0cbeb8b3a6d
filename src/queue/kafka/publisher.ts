// Publishing: what waits goes together in one batch, a few batches at a time; a producer that failed is made anew.
//
// All messages of this process go to one partition, so that they keep their order; which one is chosen by chance.
import type { Producer } from '@platformatic/kafka';
import { below, MqkvError, sleep } from '../../base/index.ts';
import { isPassing, queueError } from './errors.ts';
import {
  BATCH_BYTES_DEFAULT,
  BATCH_OVERHEAD,
  clientOptions,
  MESSAGE_OVERHEAD,
  PRODUCE_MS,
  RETRY_MS,
  SENDS_MAX,
  type Settings,
} from './settings.ts';
import { openTopic, type Topic } from './topic.ts';

interface Waiting {
  readonly body: Uint8Array;
  readonly accepted: () => void;
  readonly failed: (error: MqkvError) => void;
}

type RawProducer = Producer<Buffer, Buffer, Buffer, Buffer>;

/** Range of the partitions that the choice is made from; the topic's own count divides it. */
const CHOICES = 1 << 20;
const ACKS_ALL = -1;

export class Publisher {
  /** Why the last batch was not accepted; undefined: it was, or none was sent. */
  error: MqkvError | undefined;
  readonly #settings: Settings;
  readonly #choice: number;
  #topic: Promise<Topic> | undefined;
  #known: Topic | undefined;
  #producer: RawProducer | undefined;
  #waiting: Waiting[] = [];
  #sending = 0;
  #isClosed = false;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#choice = below(settings.random, CHOICES);
  }

  /** Units: bytes. */
  get messageBytesMax(): number {
    return (this.#known?.batchBytesMax ?? BATCH_BYTES_DEFAULT - BATCH_OVERHEAD) - MESSAGE_OVERHEAD;
  }

  get isConnected(): boolean {
    return this.#known !== undefined && this.error === undefined;
  }

  /** The topic, found or made; asked for again after a failure. Errors: MqkvError. */
  async topic(): Promise<Topic> {
    this.#topic ??= openTopic(this.#settings);
    try {
      this.#known = await this.#topic;
      this.error = undefined;
      return this.#known;
    } catch (error) {
      this.#topic = undefined;
      this.error = queueError(error);
      throw this.error;
    }
  }

  /** Resolves when all in-sync replicas have it. Errors: MqkvError. */
  publish(body: Uint8Array): Promise<void> {
    return new Promise((accepted, failed) => {
      this.#waiting.push({ body, accepted, failed });
      this.#pump();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const error = new MqkvError('CLOSED', 'the queue is closed');
    for (const { failed } of this.#waiting.splice(0)) failed(error);
    await this.#producer?.close(true).catch(() => {});
  }

  #pump(): void {
    while (this.#sending < SENDS_MAX && this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      this.#sending++;
      void this.#send(batch).finally(() => {
        this.#sending--;
        this.#pump();
      });
    }
  }

  #nextBatch(): Waiting[] {
    const most = this.#known?.batchBytesMax ?? BATCH_BYTES_DEFAULT - BATCH_OVERHEAD;
    let bytes = 0;
    let count = 0;
    for (const { body } of this.#waiting) {
      bytes += body.length + MESSAGE_OVERHEAD;
      if (count > 0 && bytes > most) break;
      count++;
    }
    return this.#waiting.splice(0, count);
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    const { clock } = this.#settings;
    try {
      for (const until = clock.now() + PRODUCE_MS; ; await sleep(clock, RETRY_MS)) {
        const passing = await this.#try(batch);
        if (passing === undefined) break;
        if (clock.now() > until) throw passing;
      }
      this.error = undefined;
      for (const { accepted } of batch) accepted();
    } catch (error) {
      const why = queueError(error);
      this.error = why;
      for (const { failed } of batch) failed(why);
    }
  }

  /** Result: why Kafka cannot take it at this moment; undefined: it has it. Errors: the driver's, MqkvError. */
  async #try(batch: readonly Waiting[]): Promise<unknown> {
    let producer: RawProducer | undefined;
    try {
      const { partitions } = await this.topic();
      if (this.#isClosed) throw new MqkvError('CLOSED', 'the queue is closed');
      producer = this.#producer ??= this.#open();
      const { topic } = this.#settings.url;
      const partition = this.#choice % partitions;
      const messages = batch.map(({ body }) => ({ topic, partition, value: bufferOf(body) }));
      await producer.send({ messages, acks: ACKS_ALL, idempotent: true });
      return undefined;
    } catch (error) {
      this.#drop(producer);
      if (isPassing(error)) return error;
      throw error;
    }
  }

  /** The numbers of an idempotent producer have a hole now: it is given up, and what it has under way fails too. */
  #drop(producer: RawProducer | undefined): void {
    if (producer === undefined || this.#producer !== producer) return;
    this.#producer = undefined;
    this.#topic = undefined;
    void producer.close(true).catch(() => {});
  }

  #open(): RawProducer {
    const { driver, logger } = this.#settings;
    const options = clientOptions(this.#settings);
    const producer = new driver.Producer({ ...options, timeout: PRODUCE_MS, requestTimeout: PRODUCE_MS });
    producer.on('error', (error: Error) => logger.debug({ error: error.message }, 'kafka producer'));
    return producer;
  }
}

function bufferOf(body: Uint8Array): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}
