// Simulated worlds with fresh seeds for a fixed time, and the seeds that once failed.
import { describe, expect, it } from 'vitest';
import { systemRandom } from '../src/base/index.ts';
import type { StoreKind } from '../sim/run/plan.ts';
import { simulate } from '../sim/run/simulation.ts';
import { Totals } from '../sim/run/totals.ts';

/** Units: ms of the machine's time for fresh seeds; SIM_SEED begins with a given one instead. */
const FRESH_MS = Number(process.env.SIM_MS ?? 60_000);
const FIRST = Number(process.env.SIM_SEED ?? systemRandom().uint32());
/** Units: ms of simulated time with faults. */
const DURATION_MS = 30_000;

/** Seeds that once failed, with what they found. */
const FOUND: readonly (readonly [number, readonly StoreKind[], string])[] = [
  [35, ['embedded'], 'a second store under the name of a site takes its messages'],
  [55, ['file'], 'a register lost with power in a key that is always young'],
  [2517882993, ['embedded'], 'a comparison wanted before the clock jumped back was repeated until then'],
  [140, ['embedded'], 'freed just before the expiry was taken away'],
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
  it('keep every guarantee with fresh seeds', { timeout: FRESH_MS + 60_000 }, async () => {
    const totals = new Totals();
    const kinds: readonly (readonly StoreKind[])[] = [['embedded'], ['file'], ['file', 'embedded']];
    const since = performance.now();
    for (let seed = FIRST; performance.now() - since < FRESH_MS; seed++) {
      const stores = kinds[seed % kinds.length] ?? ['embedded'];
      expect(await run(seed, stores, totals), `seed ${seed}, --store ${stores.join()}`).toBeUndefined();
    }
    console.log(`from seed ${FIRST}: ${totals.toString()}`);
    expect(totals.seeds).toBeGreaterThan(20);
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
