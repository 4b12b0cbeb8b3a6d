// `npm run --silent sim -- --seed N --minutes M [--seeds COUNT] [--store embedded|file|redis|mixed]
// [--faults KIND,KIND]`: simulated worlds; the same
// seed prints the same bytes. Exit status 1 if a guarantee did not hold, 2 if it cannot be run.
import { parseArgs } from 'node:util';
import { messageOf } from '../src/base/index.ts';
import { storesOf } from './run/stores.ts';
import { simulate } from './run/simulation.ts';
import { Totals } from './run/totals.ts';

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      minutes: { type: 'string', default: '0.5' },
      seeds: { type: 'string', default: '1' },
      store: { type: 'string', default: 'embedded' },
      trace: { type: 'boolean', default: false },
      faults: { type: 'string' },
    },
  });
  const [first, count, minutes] = [values.seed, values.seeds, values.minutes].map(Number);
  if (first === undefined || !Number.isSafeInteger(first) || !count || !minutes)
    throw new Error('a number is expected');
  const stores = storesOf(values.store);
  const only = values.faults?.split(',');
  const totals = new Totals();
  const isOne = count === 1;
  for (let seed = first; seed < first + count; seed++) {
    const trace = isOne || values.trace ? (line: string): void => console.log(line) : undefined;
    const violation = await simulate({
      seed,
      durationMs: minutes * 60_000,
      stores,
      totals,
      change: (plan) =>
        only === undefined ? plan : { ...plan, faults: plan.faults.filter((kind) => only.includes(kind)) },
      ...(trace === undefined ? {} : { trace }),
    });
    if (violation !== undefined)
      console.log(`seed ${seed}: ${isOne ? violation : violation.replaceAll('\n', ' | ').slice(0, 600)}`);
  }
  console.log(totals.toString());
  return totals.violations === 0;
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 2;
}
