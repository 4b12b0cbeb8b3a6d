// Simulated worlds: seeds that once passed and must go on to, fresh ones where SIM_SEED says so, and those that once failed.
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../src/base/index.ts';
import type { StoreKind } from '../sim/run/plan.ts';
import { simulate } from '../sim/run/simulation.ts';
import { Totals } from '../sim/run/totals.ts';

/** SIM_SEED begins with a given seed, `fresh` with a random one; SIM_SEEDS is how many. */
const { SIM_SEED = '1001', SIM_SEEDS = '60' } = process.env;
const FIRST = SIM_SEED === 'fresh' ? systemRandom().uint32() : Number(SIM_SEED);
const SEEDS = Number(SIM_SEEDS);
/** Units: ms of simulated time with faults. */
const DURATION_MS = 30_000;

/** Seeds that once failed, with what they found. */
const FOUND: readonly (readonly [number, readonly StoreKind[], string])[] = [
  [35, ['embedded'], 'a second store under the name of a site takes its messages'],
  [55, ['file'], 'a register lost with power in a key that is always young'],
  [2517882993, ['embedded'], 'a comparison wanted before the clock jumped back was repeated until then'],
  [5001927, ['embedded'], 'an old message of the very site that the first copy came from'],
  [140, ['embedded'], 'freed just before the expiry was taken away'],
  [111, ['redis'], 'freed by a Redis whose clock was ahead and went back'],
];

function run(
  seed: number,
  stores: readonly StoreKind[],
  totals: Totals,
  trace?: string[],
): Promise<string | undefined> {
  return simulate({
    seed,
    durationMs: DURATION_MS,
    stores,
    totals,
    trace: (line) => void trace?.push(line),
  });
}

describe('simulated worlds', () => {
  it(`keep every guarantee from seed ${FIRST}`, { timeout: SEEDS * 10_000 }, async () => {
    const totals = new Totals();
    const kinds: readonly (readonly StoreKind[])[] = [['embedded'], ['file'], ['file', 'embedded']];
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const stores = kinds[seed % kinds.length] ?? ['embedded'];
      expect(await run(seed, stores, totals), `seed ${seed}, --store ${stores.join()}`).toBeUndefined();
    }
    console.log(`from seed ${FIRST}: ${totals.toString()}`);
    expect(totals.seeds).toBe(SEEDS);
    expect(totals.operations.sum).toBeGreaterThan(50 * totals.seeds);
    expect(totals.faults.sum).toBeGreaterThan(5 * totals.seeds);
    expect(totals.checks.of('unit by the definition')).toBeGreaterThan(20 * totals.seeds);
  });

  it.each(FOUND)('seed %i over %s: %s', async (seed, stores) => {
    expect(await run(seed, stores, new Totals())).toBeUndefined();
  });

  it('give the same events for the same seed', async () => {
    const traces: string[][] = [[], []];
    const lines: string[] = [];
    for (const trace of traces) {
      const totals = new Totals();
      expect(await run(4, ['embedded'], totals, trace)).toBeUndefined();
      lines.push(totals.toString());
    }
    expect(traces[0]?.length).toBeGreaterThan(3);
    expect(traces[1]).toEqual(traces[0]);
    expect(lines[1]).toBe(lines[0]);
  });
});
