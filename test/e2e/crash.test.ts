// kill -9 of every process under load: what stores that kept their data acknowledged is everywhere (G5); `npm run e2e:crash` kills more often.
import { describe, expect, test } from 'vitest';
import { requireBroker } from '../brokers/index.ts';
import { reportText } from '../chaos/report.ts';
import { runChaos } from '../chaos/run.ts';

const { skip } = requireBroker('nsqd', 'nsqlookupd', 'redis-server');
const ROUNDS = 3;

describe.skipIf(skip)('every process killed under load', () => {
  test('nothing acknowledged before the loss window is missing anywhere, and every INCR counts', async () => {
    const report = await runChaos({
      seed: Date.now() % 1_000_000,
      plan: { kind: 'kills', rounds: ROUNDS },
      stores: ['memory', 'file', 'redis'],
      queue: 'nsq',
    });
    const text = reportText(report);
    console.log(text);
    expect(report.history.anomalies, text).toEqual([]);
    expect(report.faults.get('mqkv killed')).toBe(3 * ROUNDS);
    expect(report.faults.get('redis killed')).toBe(ROUNDS);
    expect(report.faults.get('nsqd killed')).toBe(3 * ROUNDS);
    expect(report.checked.present).toBeGreaterThan(200);
  }, 300_000);
});
