// The conformance suite on the Kafka adapter and a real Kafka; on a Node that the driver does not know, the error that says so.
import { afterAll, describe, expect, it } from 'vitest';
import type { Queue } from '../src/queue/index.ts';
import { type Broker, requireBroker, startKafka } from './brokers/index.ts';
import { isNodeNewEnough, openKafka } from './kafka-open.ts';
import { type QueueWorld, queueConformance } from './queue-conformance.ts';

let broker: Promise<Broker> | undefined;
let topics = 0;

/** One broker for all tests, which takes seconds to start; a topic for each. */
async function open(): Promise<QueueWorld> {
  broker ??= startKafka();
  const kafka = await broker;
  const topic = `topic-${++topics}`;
  const queues: Queue[] = [];
  return {
    open: async (site) => {
      const queue = await openKafka(`kafka://127.0.0.1:${kafka.port}?topic=${topic}`, site);
      queues.push(queue);
      return queue;
    },
    kill: () => kafka.kill(),
    restart: () => kafka.restart(),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(queues.map((queue) => queue.close(0)));
    },
  };
}

describe.runIf(isNodeNewEnough)('kafka', () => {
  const { skip } = isNodeNewEnough ? requireBroker('java', 'kafka') : { skip: false };
  afterAll(async () => (await broker)?.stop());

  describe.skipIf(skip)('conforms to Queue', () => {
    // Each publisher has a partition of its own, and a partition one consumer of the group; attempts are counted in the process.
    const capabilities = { broker: true, redelivers: true, shares: false, counts: false };
    for (const test of queueConformance({ name: 'kafka', open, capabilities, skip: [] })) {
      it.skipIf(test.skip)(test.name, test.run, 60_000);
    }
  });
});

describe.skipIf(isNodeNewEnough)('kafka on an older Node', () => {
  it('says which Node it needs', async () => {
    await expect(openKafka('kafka://127.0.0.1:1', 'a')).rejects.toThrow(
      `kafka:// needs Node >= 22.22; this is Node ${process.versions.node}`,
    );
  });
});
