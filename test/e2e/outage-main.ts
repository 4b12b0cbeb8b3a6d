// `npm run e2e:outage -- [--keys 1000000] [--share 0.01]`: a site that was away is repaired, in full size.
import { runOutage } from './outage.ts';

const numberAfter = (flag: string, otherwise: number): number => {
  const at = process.argv.indexOf(flag);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const report = await runOutage({
  keys: numberAfter('--keys', 1_000_000),
  changedShare: numberAfter('--share', 0.01),
});
console.log(JSON.stringify(report, undefined, 2));
console.log(`repair transferred ${(report.repairShare * 100).toFixed(2)} % of a full copy`);
