import { describe, expect, test } from 'vitest';
import { requireBroker } from '../brokers/index.ts';
import { runJoin } from './join.ts';

const { skip } = requireBroker('nsqd', 'nsqlookupd');

describe.skipIf(skip)('an empty site joins three under load', () => {
  test('it ends complete and equal, and no write is lost (G5); npm run e2e:join has the full size', async () => {
    const report = await runJoin({ keys: 30_000, writesPerSecond: 1_500, aroundMs: 1_500 });
    console.log(`join: ${JSON.stringify(report)}`);
    expect(report.writes).toBeGreaterThan(1_000);
    expect(report.before.samples).toBeGreaterThan(50);
  }, 200_000);
});
