// `npm run e2e:three-sites -- [--writes N] [--seed N] [--no-kills]`: the convergence run as a program.
import { runThreeSites } from './three-sites.ts';

const numberAfter = (flag: string, otherwise: number): number => {
  const at = process.argv.indexOf(flag);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const seed = numberAfter('--seed', Date.now() % 1_000_000);
const kills = !process.argv.includes('--no-kills');
console.log(`seed ${seed}`);
console.log(JSON.stringify(await runThreeSites({ writes: numberAfter('--writes', 100_000), seed, kills })));
