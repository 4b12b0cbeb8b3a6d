// Three sites over real NSQ: mixed writes everywhere at once, every nsqd killed in between, then all sites must answer alike.
// As a program: node dist/test/e2e/three-sites.js [--writes 100000] [--no-kills] [--seed N]
import { type NsqdBroker, startNsqd, startNsqlookupd } from '../brokers/index.ts';
import { type MqkvProcess, startMqkv } from './mqkv.ts';
import { clientOf, runWorkload, untilEqual, type Written } from './workload.ts';

/** What to do. */
export interface ThreeSites {
  readonly writes: number;
  readonly seed: number;
  /** Kill -9 and restart each nsqd once while there are writes. */
  readonly kills: boolean;
}

/** What happened. */
export interface ThreeSitesReport {
  readonly writes: number;
  readonly keys: number;
  readonly counters: number;
  readonly kills: number;
  /** Units: ms from the last acknowledged write until all sites answered alike. */
  readonly convergedMs: number;
}

/** Runs it. Errors: Error with what differs. */
export async function runThreeSites(options: ThreeSites): Promise<ThreeSitesReport> {
  await using lookupd = await startNsqlookupd();
  const nsqds: NsqdBroker[] = [];
  const sites: MqkvProcess[] = [];
  try {
    for (let i = 0; i < 3; i++) nsqds.push(await startNsqd(nsqdOptions(i, lookupd.port)));
    for (const [i, nsqd] of nsqds.entries()) {
      const queue = `nsq://127.0.0.1:${nsqd.port}?lookupd=http://127.0.0.1:${lookupd.httpPort}`;
      sites.push(
        await startMqkv([
          '--site',
          `site${i}`,
          '--queue',
          queue,
          '--serve-while-loading',
          '--log-level',
          'info',
        ]),
      );
    }
    await eachSubscribed(sites, 3);
    return await writeAndCompare(options, nsqds, sites);
  } finally {
    for (const site of sites) await site.stop();
    for (const nsqd of nsqds) await nsqd.stop();
  }
}

/** One of them announces a name that does not resolve. */
function nsqdOptions(index: number, lookupdPort: number): Parameters<typeof startNsqd>[0] {
  const broadcast = index === 1 ? 'no-such-host.invalid' : '127.0.0.1';
  return { lookupdTcpPorts: [lookupdPort], broadcast };
}

/** A channel that does not exist yet misses what is published: wait until every site reads from every nsqd, with all its gateways. */
export async function eachSubscribed(
  sites: readonly MqkvProcess[],
  brokers: number,
  gateways = 1,
): Promise<void> {
  const subscribed = async ({ admin }: MqkvProcess): Promise<boolean> => {
    const stats: unknown = await (await fetch(`${admin}/api/v1/consumer_stats`)).json();
    const rows =
      typeof stats === 'object' && stats !== null && 'nsqd' in stats && Array.isArray(stats.nsqd)
        ? stats.nsqd
        : [];
    return rows.filter((row: { connections?: unknown }) => row.connections === gateways).length === brokers;
  };
  const end = Date.now() + 30_000;
  for (const site of sites) {
    while (!(await subscribed(site))) {
      if (Date.now() > end)
        throw new Error(`${site.admin} does not read from ${brokers} nsqd:\n${site.log().slice(-2_000)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function writeAndCompare(
  options: ThreeSites,
  nsqds: readonly NsqdBroker[],
  sites: readonly MqkvProcess[],
): Promise<ThreeSitesReport> {
  const ports = sites.map(({ port }) => port);
  let kills = 0;
  const killAt = (index: number): number => ((index + 1) * options.writes) / 4;
  const restarts: Promise<void>[] = [];
  const progress = (written: number): void => {
    const nsqd = nsqds[kills];
    if (!options.kills || nsqd === undefined || written < killAt(kills)) return;
    kills++;
    restarts.push(nsqd.kill().then(() => nsqd.restart()));
  };
  const written = await runWorkload({
    ports,
    writes: options.writes,
    seed: options.seed,
    pipeline: 50,
    progress,
  });
  const since = Date.now();
  await Promise.all(restarts);
  if (written.errors.length > 0) throw new Error(`writes failed: ${written.errors.slice(0, 5).join('; ')}`);
  const [first] = await untilEqual(ports, 120_000);
  const convergedMs = Date.now() - since;
  await eachCounted(ports, written);
  return {
    writes: written.writes,
    keys: first?.size ?? 0,
    counters: written.counters.size,
    kills,
    convergedMs,
  };
}

/** Every acknowledged INCR is in every site's counter, and nothing else but those that may have been made. */
export async function eachCounted(ports: readonly number[], { counters, uncertain }: Written): Promise<void> {
  for (const port of ports) {
    const client = clientOf(port);
    await client.connect();
    for (const [key, least] of counters) {
      const shown = await client.get(key);
      const most = least + (uncertain.get(key) ?? 0);
      if (shown === null || Number(shown) < least || Number(shown) > most)
        throw new Error(`${key} is ${shown} at port ${port}; ${least} to ${most} INCRs were made`);
    }
    client.disconnect();
  }
}
