// Simulated worlds: seeds that once passed and must go on to, fresh ones for a fixed time, and those that once failed.
import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/base/index.ts';
import type { StoreKind } from '../sim/run/plan.ts';
import { simulate } from '../sim/run/simulation.ts';
import { Totals } from '../sim/run/totals.ts';

/** SIM_SEED begins with a given seed, SIM_SEEDS is how many; SIM_FRESH_SECONDS for how long fresh ones run. */
const { SIM_SEED = '1001', SIM_SEEDS = '60', SIM_FRESH_SECONDS = '30' } = process.env;
const FIRST = Number(SIM_SEED);
const SEEDS = Number(SIM_SEEDS);
const FRESH_MS = Number(SIM_FRESH_SECONDS) * 1_000;
/** Which stores the worlds of a seed have. */
const KINDS: readonly (readonly StoreKind[])[] = [['embedded'], ['file'], ['file', 'embedded']];
/** Units: ms of simulated time with faults. */
const DURATION_MS = 30_000;

/** Seeds that once failed, with what they found. */
const FOUND: readonly (readonly [number, readonly StoreKind[], string])[] = [
  [35, ['embedded'], 'a second store under the name of a site takes its messages'],
  [55, ['file'], 'a register lost with power in a key that is always young'],
  [2517882993, ['embedded'], 'a comparison wanted before the clock jumped back was repeated until then'],
  [5001927, ['embedded'], 'an old message of the very site that the first copy came from'],
  [140, ['embedded'], 'freed just before the expiry was taken away'],
  [6100037, ['file'], 'a killed site discards what its notes do not tell that it sent'],
  [8005050, ['file'], 'a site discards what only it has still of a peer that was set back'],
  [8000610, ['file'], 'the same of a counter'],
  [8003474, ['embedded'], 'a new site asks for an old message whose deletion is forgotten'],
  [8003545, ['embedded'], 'a tombstone forgotten at one site just before an increment came'],
  [8000353, ['file'], 'fingerprints of what a short horizon forgets'],
  [8000170, ['file'], 'what a store learned just before power was lost'],
  [6100201, ['file'], 'a disk that is full again before the log was tried again'],
  [8020399, ['file'], 'a horizon of two minutes, over before anything was compared'],
  [8010359, ['file'], 'several absences in a row, together longer than the horizon'],
  [8010490, ['embedded'], 'an increment on what came back after the horizon'],
  [51000535, ['file'], 'a tombstone that has seen increments, forgotten at one site'],
  [80000426, ['embedded'], 'an expiry lost with its site, of a value that came later'],
  [91000245, ['file'], 'stopped right after a full disk'],
  [91000676, ['file'], 'an integer added to a float beyond 64 bits'],
  [140000014, ['redis'], 'a copy discarded with a mark of which only its Redis knew'],
  [130000134, ['redis', 'file', 'embedded'], 'a deletion of nothing whose reply was lost'],
  [150000060, ['redis', 'file', 'embedded'], 'a Redis that had gone back a moment before promised to stay'],
  [160000004, ['redis'], 'a clock that went back held the outbox up'],
  [220002433, ['file'], 'what a store set back may have forgotten counted as kept'],
  [220004110, ['file'], 'overwritten by what had expired before one site heard of it'],
  [210004776, ['embedded'], 'fingerprints of what values had seen, with a short horizon'],
  [82000021, ['redis', 'file', 'embedded'], 'expired while fingerprints were taken'],
  [111, ['redis'], 'freed by a Redis whose clock was ahead and went back'],
  [310000259, ['embedded'], 'a copy discarded that alone held what a store sent before it went'],
  [570000088, ['file'], 'a process that stands still while its disk has space again'],
  [540000195, ['redis'], 'a Redis that goes back, apart for longer than the horizon before'],
  [
    430000056,
    ['redis', 'file', 'embedded'],
    'a value that its Redis let go at its expiry, before the clock stepped back',
  ],
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
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const stores = KINDS[seed % KINDS.length] ?? ['embedded'];
      expect(await run(seed, stores, totals), `seed ${seed}, --store ${stores.join()}`).toBeUndefined();
    }
    console.log(`from seed ${FIRST}: ${totals.toString()}`);
    expect(totals.seeds).toBe(SEEDS);
    expect(totals.operations.sum).toBeGreaterThan(50 * totals.seeds);
    expect(totals.faults.sum).toBeGreaterThan(5 * totals.seeds);
    expect(totals.checks.of('unit by the definition')).toBeGreaterThan(20 * totals.seeds);
  });

  it('keep every guarantee from fresh seeds', { timeout: FRESH_MS + 60_000 }, async () => {
    const totals = new Totals();
    const startMs = systemClock.now();
    const first = startMs % 4_000_000_000;
    const failed: string[] = [];
    for (let seed = first; systemClock.now() - startMs < FRESH_MS; seed++) {
      const store = seed % 2 === 0 ? 'embedded' : 'file';
      const violation = await run(seed, [store], totals);
      if (violation !== undefined)
        failed.push(`npm run --silent sim -- --seed ${seed} --minutes 0.5 --store ${store}\n${violation}`);
    }
    console.log(`fresh seeds from ${first}: ${totals.toString()}`);
    expect(failed.join('\n')).toBe('');
    expect(FRESH_MS === 0 || totals.seeds > 0).toBe(true);
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
