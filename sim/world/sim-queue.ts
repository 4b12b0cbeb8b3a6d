// The queue as one process sees it: publishes to the first broker that answers, consumes from all.
import { MqkvError } from '../../src/base/index.ts';
import type {
  BrokerState,
  Queue,
  QueueCapabilities,
  QueueMessage,
  QueueStats,
} from '../../src/queue/index.ts';
import type { Broker, Consumer, Delivery } from './broker.ts';
import type { Network } from './network.ts';
import type { Scheduler } from './scheduler.ts';
import type { ProcessLoop } from './site-clock.ts';

/** Units: ms until a broker that does not answer is given up. */
const ANSWER_MS_MAX = 2_000;

export interface SimQueueOptions {
  readonly node: string;
  readonly channel: string;
  readonly brokers: readonly Broker[];
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly loop: ProcessLoop;
  readonly maxMessageBytes: number;
}

export class SimQueue implements Queue {
  readonly name = 'sim';
  readonly capabilities: QueueCapabilities;
  readonly #options: SimQueueOptions;
  readonly #consumers: [Broker, Consumer][] = [];
  #isClosed = false;

  constructor(options: SimQueueOptions) {
    this.#options = options;
    const { maxMessageBytes } = options;
    this.capabilities = { ordered: false, replayable: false, durableAck: false, maxMessageBytes };
  }

  async publish(body: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (body.length > this.capabilities.maxMessageBytes)
      throw new MqkvError('MESSAGE_TOO_LARGE', 'message too large');
    for (const broker of this.#options.brokers) {
      if (this.#isClosed || signal?.aborted === true) throw new MqkvError('CLOSED', 'closed');
      if (await this.#publishTo(broker, body, signal)) return;
    }
    throw new MqkvError('QUEUE_UNREACHABLE', 'no broker took it');
  }

  async subscribe(
    handler: (message: QueueMessage) => void,
    { maxInFlight }: { readonly maxInFlight: number },
  ): Promise<void> {
    const { node, channel, brokers, loop } = this.#options;
    for (const broker of brokers) {
      const deliver = (delivery: Delivery): void => {
        loop.after(0, () => {
          if (!this.#isClosed) handler({ ...delivery, touch() {} });
        });
      };
      const consumer: Consumer = { node, channel, maxInFlight, inFlight: 0, isOpen: true, deliver };
      this.#consumers.push([broker, consumer]);
      broker.connect(consumer);
    }
  }

  async stats(): Promise<QueueStats> {
    const none = { connections: 0, received: 0, finished: 0, requeued: 0, inFlight: 0, depth: 0 };
    return { topic: 'sim', channel: this.#options.channel, ...none, brokers: [] };
  }

  brokers(): readonly BrokerState[] {
    return this.#options.brokers.map(({ name, isUp }) => ({
      address: name,
      connected: isUp,
      subscribed: isUp && this.#consumers.length > 0,
    }));
  }

  async close(): Promise<void> {
    this.disconnect();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The process is gone: brokers notice at once. */
  disconnect(): void {
    this.#isClosed = true;
    for (const [broker, consumer] of this.#consumers.splice(0)) broker.disconnect(consumer);
  }

  /** true: accepted and known to be. */
  #publishTo(broker: Broker, body: Uint8Array, signal: AbortSignal | undefined): Promise<boolean> {
    const { node, scheduler, network, loop } = this.#options;
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(new MqkvError('CLOSED', 'closed'));
      signal?.addEventListener('abort', abort, { once: true });
      const end = (isTaken: boolean): void => {
        signal?.removeEventListener('abort', abort);
        resolve(isTaken);
      };
      const timer = loop.after(ANSWER_MS_MAX, () => end(false));
      const answer = (isTaken: boolean, delayMs: number): void => {
        scheduler.after(delayMs, () => {
          if (!network.reaches(broker.name, node)) return;
          timer.cancel();
          loop.after(0, () => end(isTaken));
        });
      };
      scheduler.after(network.latencyMs(), () => {
        if (!network.reaches(node, broker.name)) return;
        if (!broker.isUp || broker.faults.isFull) return answer(false, network.latencyMs());
        broker.publish(body);
        answer(true, network.latencyMs() + broker.faults.slowMs);
      });
    });
  }
}
