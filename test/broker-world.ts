// The conformance suite's world over one broker: queues that are closed at the end, and the broker's process.
import type { Queue } from '../src/queue/index.ts';
import type { Broker } from './brokers/index.ts';
import type { QueueWorld } from './queue-conformance.ts';

export interface BrokerWorld {
  readonly broker: Broker;
  readonly open: (site: string) => Promise<Queue>;
  /** As `open`, with credentials that are refused. */
  readonly intruder: (site: string) => Promise<Queue>;
  /** Ends the broker, if it is this world's alone. */
  readonly end: () => Promise<void>;
}

export function brokerWorld({ broker, open, intruder, end }: BrokerWorld): QueueWorld {
  const queues: Queue[] = [];
  const kept = async (opening: Promise<Queue>): Promise<Queue> => {
    const queue = await opening;
    queues.push(queue);
    return queue;
  };
  return {
    open: (site) => kept(open(site)),
    intruder: () => kept(intruder('intruder')),
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
