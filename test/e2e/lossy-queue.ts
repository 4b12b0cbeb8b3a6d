// Sites over an nsqd that loses and doubles messages; and gateways that share a channel which loses nothing.
import { seededRandom } from '../../src/base/index.ts';
import { startNsqd, startRedis } from '../brokers/index.ts';
import { type Losses, type LossCounts, startLossyNsqd } from './lossy-nsqd.ts';
import { type MqkvProcess, startMqkv } from './mqkv.ts';
import { eachCounted, eachSubscribed } from './three-sites.ts';
import { runWorkload, untilEqual } from './workload.ts';

export interface LossyQueue {
  readonly writes: number;
  readonly seed: number;
  readonly losses: Losses;
}

export interface LossyQueueReport {
  readonly writes: number;
  readonly keys: number;
  readonly counts: Readonly<LossCounts>;
  /** Units: ms from the last acknowledged write until all sites answered alike. */
  readonly convergedMs: number;
  /** What the sites' metrics say of gaps, summed. */
  readonly gaps: number;
}

/** Three sites (two embedded, one on Redis with two gateways) over one nsqd. Errors: Error with what differs. */
export async function runLossyQueue({ writes, seed, losses }: LossyQueue): Promise<LossyQueueReport> {
  await using nsqd = await startNsqd();
  await using redis = await startRedis();
  await using lossy = await startLossyNsqd(nsqd.port, losses, seededRandom(seed));
  const sites: MqkvProcess[] = [];
  try {
    const queue = `nsq://127.0.0.1:${lossy.port}?http=127.0.0.1:${nsqd.httpPort}`;
    const start = async (site: string, store: string): Promise<void> => {
      sites.push(
        await startMqkv(['--site', site, '--queue', queue, '--store', store, '--serve-while-loading']),
      );
    };
    for (const site of ['one', 'two']) await start(site, 'memory:');
    for (let gateway = 0; gateway < 2; gateway++) await start('three', `redis://127.0.0.1:${redis.port}`);
    await eachSubscribed(sites.slice(0, 2), 1);
    await eachSubscribed(sites.slice(2), 1, 2);
    const ports = sites.map(({ port }) => port);
    const written = await runWorkload({ ports, writes, seed, pipeline: 50 });
    const since = Date.now();
    if (written.errors.length > 0) throw new Error(written.errors.slice(0, 5).join('; '));
    const [first] = await untilEqual(ports, 120_000);
    const convergedMs = Date.now() - since;
    await eachCounted(ports, written);
    const gaps = await gapsOf(sites);
    return { writes: written.writes, keys: first?.size ?? 0, counts: { ...lossy.counts }, convergedMs, gaps };
  } finally {
    for (const site of sites) await site.stop();
  }
}

/** Gaps that the sites have seen. */
async function gapsOf(sites: readonly MqkvProcess[]): Promise<number> {
  let sum = 0;
  for (const { admin } of sites) {
    const text = await (await fetch(`${admin}/metrics`)).text();
    const value = /^mqkv_gaps_total(?:\{[^}]*\})? (\d+)$/m.exec(text)?.[1];
    if (value === undefined) throw new Error('no metric of gaps');
    sum += Number(value);
  }
  return sum;
}
