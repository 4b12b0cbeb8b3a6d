import { describe, expect, test } from 'vitest';
import { requireBroker } from '../brokers/index.ts';
import { runOutage } from './outage.ts';

const { skip } = requireBroker('nsqd');

describe.skipIf(skip)('a site was away and the queue kept nothing for it', () => {
  test('comparisons bring it what it lacks for little (G5); npm run e2e:outage has the full size', async () => {
    const report = await runOutage({ keys: 60_000, changedShare: 0.01 });
    console.log(`outage: ${JSON.stringify(report)}`);
    // A few messages were on their way when the site was cut off.
    expect(report.keysPulled + report.keysPushed).toBeGreaterThan(500);
    // The digests of all slots weigh more beside so few keys: 98 KB of 6 MB.
    expect(report.repairShare).toBeLessThan(0.05);
  }, 200_000);
});
