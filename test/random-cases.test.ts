// Random cases in the golden language on whole in-process sites: every view must be what the definition of DESIGN
// section 3 says (test/model), whatever was lost, doubled or reordered and however the clocks jumped.
import { expect, test } from 'vitest';
import { runCases } from '../sim/cases/run.ts';
import { emptyCaseTotals, randomCase } from './model/random-cases.ts';

/** `CASES_SEED` and `CASES_SECONDS` go on from other seeds, for another time. */
const FIRST_SEED = Number(process.env.CASES_SEED ?? 1);
const SECONDS = Number(process.env.CASES_SECONDS ?? 15);
/** Enough on a slow machine too, in cases. */
const CASES_MIN = 200;

test(`random cases for ${SECONDS} s: sites show what the definition says`, { timeout: 900_000 }, async () => {
  const totals = emptyCaseTotals();
  const started = performance.now();
  const failures: string[] = [];
  for (let seed = FIRST_SEED; failures.length < 3; seed++) {
    const isTimeUp = performance.now() - started > SECONDS * 1000;
    if (isTimeUp && totals.cases >= CASES_MIN) break;
    const line = randomCase(seed, totals);
    const printed: string[] = [];
    await runCases(line, (complaint) => printed.push(complaint));
    if (printed.length > 0) failures.push(`seed ${seed}: ${line}\n${printed.join('\n')}`);
  }
  console.log(`seeds from ${FIRST_SEED}: ${JSON.stringify(totals)}`);
  expect(failures).toEqual([]);
  expect(totals.commands).toBeGreaterThan(totals.cases * 4);
  expect(totals.views).toBeGreaterThan(totals.cases * 20);
  for (const name of ['units', 'deliveries', 'repairs'] as const)
    expect(totals[name], name).toBeGreaterThan(totals.cases / 4);
});
