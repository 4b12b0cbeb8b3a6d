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
    freeze: () => nsqd.freeze(),
    thaw: () => nsqd.thaw(),
    intruder: () => Promise.reject(new Error('skipped')),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(queues.map((queue) => queue.close(0)));
      await nsqd.stop();
    },
  };
}

describe.skipIf(skip)('nsq conforms to Queue', () => {
  const capabilities = {
    broker: true,
    redelivers: true,
    shares: true,
    counts: true,
    ordered: false,
    replays: false,
  };
  const skip = [
    { test: 'wrong credentials are told, and harm nobody else', reason: 'in nsq-secure.test.ts' },
  ];
  for (const test of queueConformance({ name: 'nsq', open, capabilities, skip })) {
    it.skipIf(test.skip)(test.name, test.run);
  }
});
