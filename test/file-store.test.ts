// The log store against what every store must do, and golden and random cases on sites whose process dies between two lines.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { bytesOf, silentLogger, systemClock, systemRandom } from '../src/base/index.ts';
import { executeArgs } from '../src/commands/index.ts';
import { type FileStore, openDisk, openFileStore } from '../src/store/file/index.ts';
import { runCases } from '../sim/cases/run.ts';
import { fileCases } from './file-cases.ts';
import { emptyCaseTotals, randomCase } from './model/random-cases.ts';
import { storeConformance, type StoreWorld } from './store-conformance.ts';

vi.setConfig({ testTimeout: 120_000 });

/** A folder of its own for each test. */
async function openWorld(): Promise<StoreWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'mqkv-file-'));
  const stores: FileStore[] = [];
  return {
    async open() {
      const around = { clock: systemClock, random: systemRandom(), logger: silentLogger };
      const store = await openFileStore({ ...around, disk: await openDisk(folder), site: 'test' });
      stores.push(store);
      return {
        store,
        run: async (commands) => {
          const args = commands.map((command) => command.map(bytesOf));
          const replies = executeArgs(store.keyspace, args, { now: Date.now() });
          if (replies.toString('latin1').startsWith('-')) throw new Error(replies.toString('latin1'));
        },
        stateOf: async (key) => store.embedded.stateOf(key),
        allKeys: async () => store.embedded.allKeys(),
        walk: async () => void (await store.embedded.forget()),
      };
    },
    [Symbol.asyncDispose]: async () => {
      for (const store of stores) await store.close();
      rmSync(folder, { recursive: true });
    },
  };
}

describe('file conforms to Store', () => {
  const capabilities = { outlives: true, shared: false, choosesOrigin: true };
  for (const { name, skip, run } of storeConformance({
    name: 'file',
    open: openWorld,
    capabilities,
    skip: [],
  }))
    it.skipIf(skip)(`${name}${skip === undefined ? '' : ` (${skip})`}`, run);
});

describe('cases on sites whose machine crashes between the lines', () => {
  it.each(['merge-cases.txt', 'golden-found.txt'])('%s', async (name) => {
    const text = readFileSync(new URL(name, import.meta.url), 'utf8');
    const totals = { restarts: 0 };
    const lines: string[] = [];
    const { failed, passed } = await runCases(text, (line) => lines.push(line), fileCases(totals, 2));
    expect({ failed, lines }).toEqual({ failed: 0, lines: [] });
    expect(passed).toBeGreaterThanOrEqual(10);
    expect(totals.restarts).toBeGreaterThan(passed);
  });

  it('random cases', async () => {
    const totals = { restarts: 0 };
    const cases = emptyCaseTotals();
    const failures: string[] = [];
    for (let seed = 1; seed <= 150 && failures.length < 3; seed++) {
      const line = randomCase(seed, cases);
      const printed: string[] = [];
      await runCases(line, (complaint) => printed.push(complaint), fileCases(totals, 6));
      if (printed.length > 0) failures.push(`seed ${seed}: ${line}\n${printed.join('\n')}`);
    }
    expect(failures).toEqual([]);
    expect(totals.restarts).toBeGreaterThan(100);
  });
});
