// `npm run e2e:crash -- [--rounds 50] [--seed N]`: kill -9 of every process in turn under load, over NSQ.
import { reportText } from '../chaos/report.ts';
import { runChaos } from '../chaos/run.ts';

const numberAfter = (flag: string, otherwise: number): number => {
  const at = process.argv.indexOf(flag);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const seed = numberAfter('--seed', Date.now() % 1_000_000);
console.log(`seed ${seed}`);
const report = await runChaos({
  seed,
  plan: { kind: 'kills', rounds: numberAfter('--rounds', 50) },
  stores: ['memory', 'file', 'redis'],
  queue: 'nsq',
});
console.log(reportText(report));
process.exit(report.history.anomalies.length === 0 ? 0 : 1);
