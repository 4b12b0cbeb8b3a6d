// `npm run e2e:join -- [--keys 1000000] [--rate 5000] [--around 15]`: an empty site joins three under load, in full size.
import { runJoin } from './join.ts';

const numberAfter = (flag: string, otherwise: number): number => {
  const at = process.argv.indexOf(flag);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const report = await runJoin({
  keys: numberAfter('--keys', 1_000_000),
  writesPerSecond: numberAfter('--rate', 5_000),
  aroundMs: numberAfter('--around', 15) * 1_000,
});
console.log(JSON.stringify(report, undefined, 2));
console.log(
  `p99 during the join: ${(report.during.p99Ms / report.before.p99Ms).toFixed(2)} times that of before`,
);
