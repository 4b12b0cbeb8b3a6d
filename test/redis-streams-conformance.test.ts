// The conformance suite on the Redis Streams adapter and a real Redis that writes everything to disk at once.
import { describe, it } from 'vitest';
import type { Queue } from '../src/queue/index.ts';
import { requireBroker, startRedis } from './brokers/index.ts';
import { type QueueWorld, queueConformance } from './queue-conformance.ts';
import { openRedisStreams } from './redis-streams-open.ts';

const { skip } = requireBroker('redis-server');

/** A Redis for every test: some kill it. */
async function open(): Promise<QueueWorld> {
  const redis = await startRedis([
    '--appendonly',
    'yes',
    '--appendfsync',
    'always',
    '--requirepass',
    'secret',
  ]);
  const queues: Queue[] = [];
  return {
    open: async (site) => {
      const queue = await openRedisStreams(`redis-streams://:secret@127.0.0.1:${redis.port}`, site);
      queues.push(queue);
      return queue;
    },
    kill: () => redis.kill(),
    restart: () => redis.restart(),
    freeze: () => redis.freeze(),
    thaw: () => redis.thaw(),
    intruder: async () => {
      const queue = await openRedisStreams(`redis-streams://:wrong@127.0.0.1:${redis.port}`, 'intruder');
      queues.push(queue);
      return queue;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(queues.map((queue) => queue.close(0)));
      await redis.stop();
    },
  };
}

describe.skipIf(skip)('redis-streams conforms to Queue', () => {
  const capabilities = {
    broker: true,
    redelivers: true,
    shares: true,
    counts: true,
    ordered: true,
    replays: true,
  };
  for (const test of queueConformance({ name: 'redis-streams', open, capabilities, skip: [] })) {
    it.skipIf(test.skip)(test.name, test.run);
  }
});
