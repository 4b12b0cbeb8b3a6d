// Golden and random cases on the simulated Redis: shipped scripts, executor, links and topology give what they give on a real one.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openRedisCases } from '../sim/cases/redis-site.ts';
import { runCases } from '../sim/cases/run.ts';
import { RedisNode } from '../sim/redis/node.ts';
import { SIM_URL } from '../sim/redis/url.ts';
import { seededRandom, systemClock } from '../src/base/index.ts';
import { emptyCaseTotals, randomRedisCase } from './model/random-cases.ts';

const RANDOM_CASES = 25;

function openCases() {
  const ground = {
    get nowMs() {
      return systemClock.now();
    },
    after(_delayMs: number, task: () => void) {
      const handle = setImmediate(task);
      return { cancel: () => clearImmediate(handle) };
    },
  };
  const node = new RedisNode({ clock: systemClock, ground, random: seededRandom(1), isAtOnce: true });
  return openRedisCases(SIM_URL, undefined, undefined, node.groundFor({ isAlive: true, stalledMs: 0 }));
}

describe('the simulated Redis', () => {
  test.each(['merge-cases.txt', 'golden-found.txt'])('%s', async (name) => {
    await using redis = openCases();
    const lines: string[] = [];
    const text = readFileSync(new URL(name, import.meta.url), 'utf8');
    const { passed, failed } = await runCases(text, (line) => lines.push(line), redis.open);
    expect({ failed, lines }).toEqual({ failed: 0, lines: [] });
    expect(passed).toBeGreaterThanOrEqual(10);
  });

  test('random cases', async () => {
    await using redis = openCases();
    const totals = emptyCaseTotals();
    const failures: string[] = [];
    for (let seed = 1; seed <= RANDOM_CASES; seed++) {
      const line = randomRedisCase(seed, totals);
      if (line === undefined) continue;
      await runCases(line, (complaint) => failures.push(`seed ${seed}: ${line}\n${complaint}`), redis.open);
    }
    expect(failures).toEqual([]);
    expect(totals.cases).toBeGreaterThan(RANDOM_CASES / 4);
  });
});
