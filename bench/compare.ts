// Two servers under the same load in turn, and waiting for consumers.
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, benchmark, type Load, median, type Server } from './processes.ts';

/** Drives both servers in turn and prints the ratio of the second to the first: median, least and most of `runs`. Result: the median. */
export function compare(
  [redis, mqkv]: readonly [Server, Server],
  load: Load & { readonly label: string },
  runs: number,
): number {
  const rates: { redis: number; mqkv: number }[] = [];
  for (let run = 0; run < runs; run++)
    rates.push({ redis: benchmark(redis.port, load), mqkv: benchmark(mqkv.port, load) });
  const ratios = rates.map((rate) => rate.mqkv / rate.redis);
  const [ratio, least, most] = [median(ratios), Math.min(...ratios), Math.max(...ratios)].map((x) =>
    x.toFixed(2),
  );
  const [ours, theirs] = [
    median(rates.map((rate) => rate.mqkv)),
    median(rates.map((rate) => rate.redis)),
  ].map(thousands);
  console.log(
    `${load.command.toUpperCase().padEnd(4)} ${load.label.padEnd(24)} ${ratio} (${least} .. ${most})   mqkv ${ours}/s   redis-server ${theirs}/s`,
  );
  return median(ratios);
}

function thousands(rate: number): string {
  return `${Math.round(rate / 1000)}k`;
}

/** Waits until a site has a peer link. */
export async function linked(mqkv: Server): Promise<void> {
  await until('the peer link', 10, () => ask(mqkv.port, 'info', 'mqkv').includes('peers_linked:1'));
}

/** A consumer may lag while there is load, and is equal within `seconds` after it. */
export async function caughtUp(mqkv: Server, consumer: Server, seconds = 30): Promise<void> {
  const since = Date.now();
  await until('the consumer to be equal', seconds, () => {
    if (!ask(mqkv.port, 'info', 'mqkv').includes('outbox_empty:1')) return false;
    const [ours, theirs] = [mqkv, consumer].map(({ port }) => ask(port, 'dbsize'));
    return ours === theirs;
  });
  const waitedMs = Date.now() - since;
  if (waitedMs > 1_000) console.log(`     (the consumer was equal after ${waitedMs} ms)`);
}

/** Waits for a condition. Errors: Error naming `what` after `seconds`. */
export async function until(what: string, seconds: number, condition: () => boolean): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !condition(); await sleep(100)) {
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
  }
}
