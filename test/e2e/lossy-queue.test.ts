import { describe, expect, test } from 'vitest';
import { requireBroker } from '../brokers/index.ts';
import type { Losses } from './lossy-nsqd.ts';
import { type LossyQueueReport, runLossyQueue } from './lossy-queue.ts';

const { skip } = requireBroker('nsqd', 'redis-server');

async function run(losses: Losses): Promise<LossyQueueReport> {
  const seed = Date.now() % 1_000_000;
  console.log(`lossy-queue: seed ${seed}`);
  const report = await runLossyQueue({ writes: 10_000, seed, losses });
  console.log(`lossy-queue: ${JSON.stringify(report)}`);
  return report;
}

describe.skipIf(skip)('a queue that loses messages', () => {
  test('a broker losing acknowledged messages (5 % when published, 5 % when delivered, 5 % doubled): the sites end alike and every INCR counts (G5)', async () => {
    const { counts } = await run({ published: 50, delivered: 50, doubled: 50 });
    expect(counts.lostPublished + counts.lostDelivered).toBeGreaterThan(10);
    expect(counts.doubled).toBeGreaterThan(3);
  }, 200_000);

  test('two gateways on one channel with nothing lost: no gap is raised', async () => {
    const { counts, gaps } = await run({ published: 0, delivered: 0, doubled: 0 });
    expect(counts.published).toBeGreaterThan(50);
    expect(gaps).toBe(0);
  }, 200_000);
});
