// `npm run --silent cases -- FILE [--store URL]`: runs a file of golden cases; exit status 1 if any failed, 2 if it cannot be run.
// URL: a Redis to run the sites on (redis-site.ts says which; what it holds is flushed). Default: in memory.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/base/index.ts';
import { parseStoreUrl } from '../../src/site/urls.ts';
import { openRedisCases } from './redis-site.ts';
import { type Outcome, runCases } from './run.ts';

async function run(file: string, url: string): Promise<Outcome> {
  const text = readFileSync(file, 'utf8');
  const print = (line: string): void => console.log(line);
  const store = parseStoreUrl(url);
  if (store.kind !== 'redis') return runCases(text, print);
  await using redis = openRedisCases(store);
  return await runCases(text, print, redis.open);
}

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { store: { type: 'string', default: 'memory:' } },
  });
  const [file] = positionals;
  if (file === undefined) throw new Error('usage: npm run --silent cases -- FILE [--store URL]');
  const { passed, failed } = await run(file, values.store);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 2;
}
