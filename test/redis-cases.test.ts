// Golden cases on the site's own Redis: each site a database of one Redis, and mixed with embedded ones on a cluster.
import { readFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { openRedisCases } from '../sim/cases/redis-site.ts';
import { runCases } from '../sim/cases/run.ts';
import { parseStoreUrl } from '../src/site/urls.ts';
import { requireBroker, startRedis, startRedisCluster } from './brokers/index.ts';

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
