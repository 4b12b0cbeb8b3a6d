// A queue in this process for tests: a channel a site, of whose gateways one gets each message, in turn.
import type { Queue, QueueMessage } from '../src/queue/index.ts';

export class Hub {
  readonly #channels = new Map<string, ((message: QueueMessage) => void)[]>();
  /** Nothing is accepted. */
  isRefusing = false;
  readonly #turns = new Map<string, number>();

  queueOf(site: string): Queue {
    return {
      name: 'hub',
      capabilities: { ordered: true, replayable: false, durableAck: true, maxMessageBytes: 1_000_000 },
      publish: async (body) => {
        if (this.isRefusing) throw new Error('away');
        for (const name of this.#channels.keys()) this.#deliver(name, Buffer.from(body), 1);
      },
      subscribe: async (handler) => {
        const channel = this.#channels.get(site) ?? [];
        this.#channels.set(site, [...channel, handler]);
      },
      stats: () => Promise.reject(new Error('not asked')),
      brokers: () => [],
      close: async () => {},
      [Symbol.asyncDispose]: async () => {},
    };
  }

  #deliver(site: string, body: Buffer, attempts: number): void {
    const channel = this.#channels.get(site) ?? [];
    const turn = (this.#turns.get(site) ?? 0) + 1;
    this.#turns.set(site, turn);
    const handler = channel[turn % channel.length];
    const requeue = (delayMs: number): void =>
      void setTimeout(() => this.#deliver(site, body, attempts + 1), delayMs);
    setImmediate(() =>
      handler?.({ body: Buffer.from(body), attempts, ack: () => {}, requeue, touch: () => {} }),
    );
  }
}
