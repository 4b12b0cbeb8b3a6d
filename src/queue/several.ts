// Several queues as one: each message goes to every one and all are consumed, so that a site can change from one to
// another while it runs. What arrives twice is dropped by the receiver's stream windows.
import { type Logger, MqkvError, messageOf } from '../base/index.ts';
import { sumsOf } from './numbers.ts';
import type { BrokerState, Queue, QueueCapabilities, QueueMessage, QueueStats } from './queue.ts';

type Handler = (message: QueueMessage) => void;

/**
 * Joins queues; one alone stays as it is. `publish` settles when all have: accepted if at least one has the message
 * (what another did not take is logged once until it accepts again), else rejected with the first reason. Owns: the queues; `close`
 * closes them.
 */
export function severalQueues(queues: readonly Queue[], logger: Logger): Queue {
  const [first, ...others] = queues;
  if (first === undefined) throw new MqkvError('NO_QUEUE', 'at least one queue is needed');
  return others.length === 0 ? first : new SeveralQueues(queues, logger);
}

class SeveralQueues implements Queue {
  readonly name: string;
  readonly #queues: readonly Queue[];
  readonly #logger: Logger;
  /** Those that did not take their last message. */
  readonly #failing = new Set<Queue>();

  constructor(queues: readonly Queue[], logger: Logger) {
    this.#queues = queues;
    this.#logger = logger;
    this.name = queues.map(({ name }) => name).join('+');
  }

  /** What holds for all of them. */
  get capabilities(): QueueCapabilities {
    const all = this.#queues.map(({ capabilities }) => capabilities);
    return {
      ordered: false,
      replayable: all.some(({ replayable }) => replayable),
      durableAck: all.every(({ durableAck }) => durableAck),
      maxMessageBytes: Math.min(...all.map(({ maxMessageBytes }) => maxMessageBytes)),
    };
  }

  async publish(body: Uint8Array, signal?: AbortSignal): Promise<void> {
    const fates = await Promise.allSettled(this.#queues.map((queue) => queue.publish(body, signal)));
    const reasons = fates.flatMap((fate) => (fate.status === 'rejected' ? [fate.reason as unknown] : []));
    if (reasons.length === fates.length) throw reasons[0];
    fates.forEach((fate, at) => this.#note(this.#queues[at], fate));
  }

  async subscribe(handler: Handler, options: { readonly maxInFlight: number }): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.subscribe(handler, options)));
  }

  async replay(sinceMs: number): Promise<void> {
    const fates = await Promise.allSettled(this.#queues.map((queue) => queue.replay?.(sinceMs)));
    for (const fate of fates) if (fate.status === 'rejected') throw fate.reason;
  }

  async stats(): Promise<QueueStats> {
    const all = await Promise.all(this.#queues.map((queue) => queue.stats()));
    const names = { topic: all.map(({ topic }) => topic).join('+'), channel: all[0]?.channel ?? null };
    return sumsOf(
      names,
      all.flatMap(({ brokers }) => brokers),
    );
  }

  brokers(): readonly BrokerState[] {
    return this.#queues.flatMap((queue) => queue.brokers());
  }

  async close(graceMs?: number): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.close(graceMs)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #note(queue: Queue | undefined, fate: PromiseSettledResult<void>): void {
    if (queue === undefined) return;
    if (fate.status === 'fulfilled') {
      if (this.#failing.delete(queue)) this.#logger.info({ queue: queue.name }, 'the queue accepts again');
    } else if (!this.#failing.has(queue)) {
      this.#failing.add(queue);
      const error = messageOf(fate.reason);
      this.#logger.warn({ queue: queue.name, error }, 'a write went to the other queues only');
    }
  }
}
