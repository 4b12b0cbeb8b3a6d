// `npm run e2e:redis-sites -- [--writes N] [--seed N] [--no-faults] [--cache]`: embedded, Sentinel and cluster sites as a program.
import { runRedisSites } from './redis-sites.ts';

const numberAfter = (flag: string, otherwise: number): number => {
  const at = process.argv.indexOf(flag);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const seed = numberAfter('--seed', Date.now() % 1_000_000);
const faults = !process.argv.includes('--no-faults');
const flags = process.argv.includes('--cache') ? ['--cache', '64mb'] : [];
console.log(`seed ${seed}`);
const report = await runRedisSites({ writes: numberAfter('--writes', 20_000), seed, faults, flags });
console.log(JSON.stringify(report));
