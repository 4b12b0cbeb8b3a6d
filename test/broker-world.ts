// The conformance suite's world over one broker: queues that are closed at the end, and the broker's process.
import type { Queue } from '../src/queue/index.ts';
import type { Broker } from './brokers/index.ts';
import type { QueueWorld } from './queue-conformance.ts';

export interface BrokerWorld {
  readonly broker: Broker;
  readonly url: string;
  /** As `url`, with credentials that are refused. */
  readonly wrongUrl?: string;
  /** As `url`, where the topic is missing and this login may not make it. */
  readonly guestUrl?: string;
  readonly open: (url: string, site: string) => Promise<Queue>;
  /** Ends the broker, if it is this world's alone. */
  readonly end: () => Promise<void>;
}

export function brokerWorld({ broker, url, wrongUrl, guestUrl, open, end }: BrokerWorld): QueueWorld {
  const queues: Queue[] = [];
  const kept = async (at: string | undefined, site: string): Promise<Queue> => {
    if (at === undefined) throw new Error('the adapter skips the tests that need this');
    const queue = await open(at, site);
    queues.push(queue);
    return queue;
  };
  return {
    url,
    open: (site) => kept(url, site),
    intruder: () => kept(wrongUrl, 'intruder'),
    guest: () => kept(guestUrl, 'guest'),
    kill: () => broker.kill(),
    restart: () => broker.restart(),
    freeze: () => broker.freeze(),
    thaw: () => broker.thaw(),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(queues.map((queue) => queue.close(0)));
      await end();
    },
  };
}
