import { describe, expect, test } from 'vitest';
import { requireBroker } from '../brokers/index.ts';
import { runRedisSites } from './redis-sites.ts';

const { skip } = requireBroker('nsqd', 'nsqlookupd', 'redis-server', 'redis-sentinel');

describe.skipIf(skip)('an embedded, a Sentinel and a cluster site over NSQ', () => {
  test('mixed writes at five gateways of three sites converge (G2)', async () => {
    const report = await runRedisSites({ writes: 5_000, seed: 1, faults: false });
    expect(report).toMatchObject({ uncertain: 0, refused: 0 });
    expect(report.writes).toBeGreaterThanOrEqual(5_000);
    expect(report.counters).toBeGreaterThan(100);
  }, 240_000);

  test('they converge though the master dies, slots move and a gateway is killed meanwhile (G1, G5)', async () => {
    const seed = Date.now() % 1_000_000;
    console.log(`redis-sites: seed ${seed}`);
    const report = await runRedisSites({ writes: 20_000, seed, faults: true, flags: ['--cache', '16mb'] });
    console.log(`redis-sites: ${JSON.stringify(report)}`);
    expect(report).toMatchObject({ slotsMoved: 200 });
    expect(report.failoverMs).toBeGreaterThan(0);
    expect(report.failoverMs).toBeLessThan(15_000);
  }, 360_000);
});
