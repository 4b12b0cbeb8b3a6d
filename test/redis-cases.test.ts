// Golden cases on the site's own Redis: each site a database of one Redis, and mixed with embedded ones on a cluster.
import { readFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { openRedisCases } from '../sim/cases/redis-site.ts';
import { runCases } from '../sim/cases/run.ts';
import { parseStoreUrl } from '../src/site/urls.ts';
import { requireBroker, startRedis, startRedisCluster } from './brokers/index.ts';
import type { Script } from '../src/store/redis/scripts.ts';
import { checkedCases } from './redis-checked-cases.ts';
import { emptyCaseTotals, randomRedisCase } from './model/random-cases.ts';

vi.setConfig({ testTimeout: 120_000 });
const { skip } = requireBroker('redis-server');
const FILES = ['merge-cases.txt', 'golden-found.txt'];

async function outcome(name: string, url: string) {
  const store = parseStoreUrl(url);
  if (store.kind !== 'redis') throw new Error('a Redis is wanted');
  await using redis = openRedisCases(store);
  const lines: string[] = [];
  const text = readFileSync(new URL(name, import.meta.url), 'utf8');
  const counts = await runCases(text, (line) => lines.push(line), redis.open);
  return { failed: counts.failed, lines, passed: counts.passed };
}

describe.skipIf(skip)(`golden cases on Redis${skip ? ` (${skip})` : ''}`, () => {
  test.each(FILES)('%s, every site a database of a standalone Redis', async (name) => {
    await using redis = await startRedis();
    const found = await outcome(name, `redis://127.0.0.1:${redis.port}`);
    expect(found).toMatchObject({ failed: 0, lines: [] });
    expect(found.passed).toBeGreaterThanOrEqual(10);
  });

  test.each(FILES)('%s, one site on a cluster, the others embedded', async (name) => {
    await using cluster = await startRedisCluster({ masters: 3 });
    const found = await outcome(name, cluster.url);
    expect(found).toMatchObject({ failed: 0, lines: [] });
    expect(found.passed).toBeGreaterThanOrEqual(10);
  });
});

/** `CASES_SEED` and `CASES_SECONDS` go on from other seeds, for another time. */
const FIRST_SEED = Number(process.env.CASES_SEED ?? 1);
const SECONDS = Number(process.env.CASES_SECONDS ?? 6);
/** Enough on a slow machine too, in cases. */
const CASES_MIN = 20;

describe.skipIf(skip)(`random cases on Redis${skip ? ` (${skip})` : ''}`, () => {
  interface How {
    readonly change?: (script: Script) => Script;
    readonly triesOutside?: number;
    /** What lies in Redis is looked at after every step. */
    readonly isChecked?: boolean;
  }

  async function failuresOn(url: string, how: How = {}): Promise<{ failures: string[]; cases: number }> {
    const store = parseStoreUrl(url);
    if (store.kind !== 'redis') throw new Error('a Redis is wanted');
    await using redis = openRedisCases(store, how.change, how.triesOutside);
    const open = how.isChecked === true ? checkedCases(redis) : redis.open;
    const totals = emptyCaseTotals();
    const started = performance.now();
    const failures: string[] = [];
    for (let seed = FIRST_SEED; failures.length < 3; seed++) {
      const isTimeUp = performance.now() - started > SECONDS * 1000;
      if (isTimeUp && totals.cases >= CASES_MIN) break;
      const line = randomRedisCase(seed, totals);
      if (line === undefined) continue;
      const printed: string[] = [];
      await runCases(line, (complaint) => printed.push(complaint), open);
      if (printed.length > 0) failures.push(`seed ${seed}: ${line}\n${printed.join('\n')}`);
    }
    return { failures, cases: totals.cases };
  }

  test('sites on a standalone Redis show what the definition says', { timeout: 900_000 }, async () => {
    await using redis = await startRedis();
    const { failures, cases } = await failuresOn(`redis://127.0.0.1:${redis.port}`, {
      isChecked: true,
      // Of no key are all registers read along: large keys are decided like that.
      change: (script) => ({ ...script, text: script.text.replace('length <= tonumber(ARGV[1])', 'false') }),
    });
    expect(failures).toEqual([]);
    expect(cases).toBeGreaterThanOrEqual(CASES_MIN);
  });

  test('so they do where Redis merges by itself, as it does for hot keys', { timeout: 900_000 }, async () => {
    await using redis = await startRedis();
    const how = { isChecked: true, triesOutside: 0 };
    const { failures, cases } = await failuresOn(`redis://127.0.0.1:${redis.port}`, how);
    expect(failures).toEqual([]);
    expect(cases).toBeGreaterThanOrEqual(CASES_MIN);
  });

  test('so do one on a cluster and the others embedded', { timeout: 900_000 }, async () => {
    await using cluster = await startRedisCluster({ masters: 3 });
    const { failures, cases } = await failuresOn(cluster.url);
    expect(failures).toEqual([]);
    expect(cases).toBeGreaterThanOrEqual(CASES_MIN);
  });
});
