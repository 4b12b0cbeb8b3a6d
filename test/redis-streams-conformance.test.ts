// The conformance suite on the Redis Streams adapter and a real Redis that writes everything to disk at once.
import { describe, it } from 'vitest';
import { requireBroker, startRedis } from './brokers/index.ts';
import { brokerWorld } from './broker-world.ts';
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
    '--user',
    ...'guest on >secret ~another* &* +@all -xadd -xgroup'.split(' '),
  ]);
  return brokerWorld({
    broker: redis,
    url: `redis-streams://:secret@127.0.0.1:${redis.port}`,
    wrongUrl: `redis-streams://:wrong@127.0.0.1:${redis.port}`,
    guestUrl: `redis-streams://guest:secret@127.0.0.1:${redis.port}?stream=another`,
    open: openRedisStreams,
    end: () => redis.stop(),
  });
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
