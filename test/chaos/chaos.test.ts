// A short chaos run with a fresh seed; `npm run chaos` runs longer ones.
import { describe, expect, test } from 'vitest';
import { requireBroker } from '../brokers/index.ts';
import { missingForNetwork } from './network.ts';
import { reportText } from './report.ts';
import { type ChaosOptions, runChaos } from './run.ts';

const { skip: noBroker } = requireBroker('nsqd', 'nsqlookupd', 'redis-server');
const noNetwork = await missingForNetwork();
if (noNetwork !== undefined && process.env.STRICT === '1') throw new Error(noNetwork);
if (noNetwork !== undefined) console.warn(`skipped: ${noNetwork}`);
const skip = noBroker === false ? noNetwork : noBroker;

async function withoutAnomalies(options: Omit<ChaosOptions, 'seed'>): Promise<void> {
  const report = await runChaos({ ...options, seed: Date.now() % 1_000_000 });
  const text = reportText(report);
  console.log(text);
  expect(report.history.anomalies, text).toEqual([]);
  // A run that did nothing shows nothing.
  expect(report.checked.present).toBeGreaterThan(200);
  expect(report.faults.size).toBeGreaterThan(3);
}

describe.skipIf(skip !== undefined)(`real faults${skip === undefined ? '' : ` (skipped: ${skip})`}`, () => {
  test('three kinds of stores over NSQ: nothing acknowledged is lost, all sites end alike (G1, G2, G5)', async () => {
    await withoutAnomalies({
      plan: { kind: 'faults', seconds: 30 },
      stores: ['memory', 'file', 'redis'],
      queue: 'nsq',
    });
  }, 300_000);

  test('the same over peer links', async () => {
    await withoutAnomalies({
      plan: { kind: 'faults', seconds: 15 },
      stores: ['memory', 'file', 'memory'],
      queue: 'peers',
    });
  }, 300_000);
});
