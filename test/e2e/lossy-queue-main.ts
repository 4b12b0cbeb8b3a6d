// `npm run e2e:lossy -- [--writes N] [--seed N]`: 5 % lost and 5 % doubled, then the same with nothing lost.
import { runLossyQueue } from './lossy-queue.ts';

const numberAfter = (flag: string, otherwise: number): number => {
  const at = process.argv.indexOf(flag);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const seed = numberAfter('--seed', Date.now() % 1_000_000);
const writes = numberAfter('--writes', 100_000);
console.log(`seed ${seed}`);
for (const losses of [
  { published: 50, delivered: 0, doubled: 50 },
  { published: 0, delivered: 50, doubled: 50 },
  { published: 0, delivered: 0, doubled: 0 },
])
  console.log(JSON.stringify({ losses, ...(await runLossyQueue({ writes, seed, losses })) }));
