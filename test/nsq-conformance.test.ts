// The conformance suite on the NSQ adapter and a real nsqd.
import { describe, it } from 'vitest';
import type { Queue } from '../src/queue/index.ts';
import { requireBroker, startNsqd } from './brokers/index.ts';
import { openNsq } from './nsq-open.ts';
import { type QueueWorld, queueConformance } from './queue-conformance.ts';

const { skip } = requireBroker('nsqd');

/** An nsqd for every test: some kill it. */
async function open(): Promise<QueueWorld> {
  const nsqd = await startNsqd();
  const queues: Queue[] = [];
  return {
    open: async (site) => {
      const queue = await openNsq(`nsq://127.0.0.1:${nsqd.port}?http=127.0.0.1:${nsqd.httpPort}`, site);
      queues.push(queue);
      return queue;
    },
    kill: () => nsqd.kill(),
    restart: () => nsqd.restart(),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(queues.map((queue) => queue.close(0)));
      await nsqd.stop();
    },
  };
}

describe.skipIf(skip)('nsq conforms to Queue', () => {
  const capabilities = { broker: true, redelivers: true, shares: true, counts: true };
  for (const test of queueConformance({ name: 'nsq', open, capabilities, skip: [] })) {
    it.skipIf(test.skip)(test.name, test.run);
  }
});
