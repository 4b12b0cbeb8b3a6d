import { describe, expect, test } from 'vitest';
import { requireBroker } from '../brokers/index.ts';
import { runThreeSites } from './three-sites.ts';

const { skip } = requireBroker('nsqd', 'nsqlookupd');

describe.skipIf(skip)('three sites over NSQ', () => {
  test('1,000 mixed writes at three sites converge', async () => {
    const report = await runThreeSites({ writes: 1_000, seed: 1, kills: false });
    expect(report.writes).toBeGreaterThanOrEqual(1_000);
  }, 90_000);

  test('100,000 mixed writes converge though every nsqd is killed once (G1, G5)', async () => {
    const seed = Date.now() % 1_000_000;
    console.log(`three-sites: seed ${seed}`);
    const report = await runThreeSites({ writes: 100_000, seed, kills: true });
    console.log(`three-sites: ${JSON.stringify(report)}`);
    expect(report).toMatchObject({ kills: 3 });
    expect(report.counters).toBeGreaterThan(100);
  }, 300_000);
});
