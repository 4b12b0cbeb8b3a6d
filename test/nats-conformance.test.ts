// The conformance suite on the NATS adapter and a real nats-server with JetStream.
import { describe, it } from 'vitest';
import type { Queue } from '../src/queue/index.ts';
import { requireBroker, startNats } from './brokers/index.ts';
import { openNats } from './nats-open.ts';
import { type QueueWorld, queueConformance } from './queue-conformance.ts';

const { skip } = requireBroker('nats-server');

/** A server for every test: some kill it. */
async function open(): Promise<QueueWorld> {
  const server = await startNats({ config: 'authorization { user: site, password: secret }' });
  const queues: Queue[] = [];
  return {
    open: async (site) => {
      const queue = await openNats(`nats://site:secret@127.0.0.1:${server.port}`, site);
      queues.push(queue);
      return queue;
    },
    kill: () => server.kill(),
    restart: () => server.restart(),
    freeze: () => server.freeze(),
    thaw: () => server.thaw(),
    intruder: async () => {
      const queue = await openNats(`nats://site:wrong@127.0.0.1:${server.port}`, 'intruder');
      queues.push(queue);
      return queue;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(queues.map((queue) => queue.close(0)));
      await server.stop();
    },
  };
}

describe.skipIf(skip)('nats conforms to Queue', () => {
  const capabilities = {
    broker: true,
    redelivers: true,
    shares: true,
    counts: true,
    ordered: true,
    replays: true,
  };
  for (const test of queueConformance({ name: 'nats', open, capabilities, skip: [] })) {
    it.skipIf(test.skip)(test.name, test.run);
  }
});
