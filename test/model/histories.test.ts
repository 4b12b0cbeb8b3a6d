// The property test of the merge core: random histories, src/crdt against the definition at every step.
import { expect, test } from 'vitest';
import { hits } from './definition.ts';
import { emptyTotals, playHistory } from './history.ts';

/** `CRDT_HISTORIES` and `CRDT_SEED` go on from other seeds than CI's. */
const HISTORIES = Number(process.env.CRDT_HISTORIES ?? 100_000);
const FIRST_SEED = Number(process.env.CRDT_SEED ?? 1);
const FULL = 100_000;

/** How often each rule must have been at work in a full run. */
const HITS_MIN: Readonly<Record<string, number>> = {
  '1: fold': 1000,
  '1: fold while something shows': 50,
  '2: remove': 10_000,
  '2: run of another origin remembered': 5000,
  '3: run begun': 10_000,
  '3: run continued': 10_000,
  '4: change of type': 500,
  '5: overwrite': 10_000,
  '5: tombstone with a seen': 5000,
  '6: expire': 10_000,
  '6: persist': 500,
  '6: a time in the past': 500,
  '7: until': 1000,
  '7: until stays the first': 50,
  '8: reach': 10_000,
  '8: reach because it now shows a TTL': 500,
  freed: 5000,
  'run on what is no number': 500,
  'seen subtracted': 300,
  'sum clamped to 64 bits': 300,
  'ttl hidden by something at or above its end': 1000,
};

test(`${HISTORIES} random histories: src/crdt is what the definition says`, { timeout: 900_000 }, () => {
  const totals = emptyTotals();
  const started = performance.now();
  for (let i = 0; i < HISTORIES; i++) playHistory(FIRST_SEED + i, totals);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const operations = totals.commands + totals.deliveries;
  console.log(`crdt: ${totals.histories} histories, ${operations} operations in ${seconds} s`);
  console.log(JSON.stringify({ ...totals, ...hits }));
  expect(totals.conflicts).toBe(0);
  if (HISTORIES < FULL) return;
  expect(totals.histories).toBeGreaterThanOrEqual(FULL);
  expect(totals.algebra).toBeGreaterThan(FULL / 2);
  expect(totals.repairs).toBeGreaterThan(FULL / 4);
  expect(totals.transactions).toBeGreaterThan(FULL / 4);
  for (const [rule, min] of Object.entries(HITS_MIN))
    expect(hits[rule] ?? 0, rule).toBeGreaterThanOrEqual(min);
});
