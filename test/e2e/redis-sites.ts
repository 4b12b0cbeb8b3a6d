// Three sites over real NSQ, each with another store: embedded, a Redis pair under Sentinel, a Redis Cluster of three masters; the
// Redis sites have two gateways each. Mixed writes everywhere at once; with `faults` the master is killed, slots move and a
// gateway is killed meanwhile. Then all sites must answer alike, and every acknowledged INCR must be counted everywhere.
import {
  eventually,
  type NsqdBroker,
  type RedisCluster,
  type SentinelSet,
  startNsqd,
  startNsqlookupd,
  startRedisCluster,
  startSentinel,
} from '../brokers/index.ts';
import { type MqkvProcess, startMqkv } from './mqkv.ts';
import { eachCounted, eachSubscribed } from './three-sites.ts';
import { clientOf, runWorkload, untilEqual, type Written } from './workload.ts';

/** What to do. */
export interface RedisSites {
  readonly writes: number;
  readonly seed: number;
  readonly faults: boolean;
  /** More flags for the gateways of the Redis sites. */
  readonly flags?: readonly string[];
}

/** What happened. */
export interface RedisSitesReport {
  readonly writes: number;
  readonly keys: number;
  readonly counters: number;
  /** INCRs whose fate the client was not told, and writes refused while no master was known. */
  readonly uncertain: number;
  readonly refused: number;
  readonly slotsMoved: number;
  /** Units: ms from the kill of the master until a write was accepted again; 0 without faults. */
  readonly failoverMs: number;
  /** Units: ms from the last write until all sites answered alike. */
  readonly convergedMs: number;
}

/** The processes of a run. Order of `sites`: embedded, Sentinel, cluster; of `second`: Sentinel, cluster. */
export interface RedisSitesSetup extends AsyncDisposable {
  readonly sites: readonly MqkvProcess[];
  readonly second: readonly MqkvProcess[];
  readonly pair: SentinelSet;
  readonly cluster: RedisCluster;
}

/** Starts brokers, Redis and gateways; resolves once every gateway reads from every nsqd. */
export async function startRedisSites(flags: readonly string[] = []): Promise<RedisSitesSetup> {
  const closers: (() => Promise<unknown>)[] = [];
  const closed = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  const keep = <T extends { stop(): Promise<unknown> }>(started: T): T => {
    closers.push(() => started.stop());
    return started;
  };
  try {
    const lookupd = keep(await startNsqlookupd());
    const nsqds: NsqdBroker[] = [];
    for (let i = 0; i < 3; i++) nsqds.push(keep(await startNsqd({ lookupdTcpPorts: [lookupd.port] })));
    const [pair, cluster] = [keep(await startSentinel()), keep(await startRedisCluster({ masters: 3 }))];
    const gateway = async (site: string, nsqd: number, store: readonly string[]): Promise<MqkvProcess> => {
      const queue = `nsq://127.0.0.1:${nsqds[nsqd]?.port}?lookupd=http://127.0.0.1:${lookupd.httpPort}`;
      return keep(await startMqkv(['--site', site, '--queue', queue, '--serve-while-loading', ...store]));
    };
    const [sentinel, redisCluster] = [pair.url, cluster.url].map((url) => ['--store', url, ...flags]);
    const sites = [
      await gateway('embedded', 0, []),
      await gateway('sentinel', 1, sentinel ?? []),
      await gateway('cluster', 2, redisCluster ?? []),
    ];
    const second = [
      await gateway('sentinel', 1, sentinel ?? []),
      await gateway('cluster', 2, redisCluster ?? []),
    ];
    await eachSubscribed(sites.slice(0, 1), 3, 1);
    await eachSubscribed(sites.slice(1), 3, 2);
    return { sites, second, pair, cluster, [Symbol.asyncDispose]: closed };
  } catch (error) {
    await closed();
    throw error;
  }
}

/** Runs it. Errors: Error with what differs. */
export async function runRedisSites(options: RedisSites): Promise<RedisSitesReport> {
  await using setup = await startRedisSites(options.flags);
  const { sites, second } = setup;
  const faults = new Faults(setup, options.writes);
  const written = await runWorkload({
    ports: [...sites, ...second].map(({ port }) => port),
    writes: options.writes,
    seed: options.seed,
    pipeline: 50,
    endures: options.faults,
    ...(options.faults ? { progress: (count: number) => faults.progress(count) } : {}),
  });
  const since = Date.now();
  await faults.done();
  if (written.errors.length > 0) throw new Error(`writes failed: ${written.errors.slice(0, 5).join('; ')}`);
  const living = [...sites, ...second].filter((one) => one !== faults.killed).map(({ port }) => port);
  const [first] = await untilEqual(living, 180_000, { expirySlackMs: options.faults ? 20 : 0 });
  const convergedMs = Date.now() - since;
  await eachCounted(living, written);
  return {
    writes: written.writes,
    keys: first?.size ?? 0,
    counters: written.counters.size,
    uncertain: sumOf(written.uncertain),
    refused: written.refused,
    slotsMoved: faults.slotsMoved,
    failoverMs: faults.failoverMs,
    convergedMs,
  };
}

function sumOf(counts: Written['uncertain']): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

/** Slots moved from one master to the next. */
const SLOTS_MOVED = 200;

/** What goes wrong during a run, at quarters of the writes. */
class Faults {
  killed: MqkvProcess | undefined;
  slotsMoved = 0;
  failoverMs = 0;
  readonly #setup: RedisSitesSetup;
  readonly #writes: number;
  readonly #underWay: Promise<void>[] = [];
  #begun = 0;
  #pause: Promise<void> | undefined;

  constructor(setup: RedisSitesSetup, writes: number) {
    this.#setup = setup;
    this.#writes = writes;
  }

  /** Called between pipelines of every site. */
  async progress(written: number): Promise<void> {
    const steps = [() => this.#moveSlots(), () => this.#killGateway(), () => this.#failOver()];
    const step = steps[this.#begun];
    if (step !== undefined && written >= ((this.#begun + 1) * this.#writes) / 4) {
      this.#begun++;
      this.#underWay.push(step());
    }
    await this.#pause;
  }

  async done(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #moveSlots(): Promise<void> {
    const { cluster } = this.#setup;
    const [from, to] = [await cluster.masterOf(0), await cluster.masterOf(16_383)];
    const slots = Array.from({ length: SLOTS_MOVED }, (_, slot) => slot);
    await cluster.moveSlots(from, to, slots);
    this.slotsMoved = SLOTS_MOVED;
  }

  /** The second gateway of the cluster's site. */
  async #killGateway(): Promise<void> {
    this.killed = this.#setup.second[1];
    await this.killed?.kill();
  }

  /** Writes rest until the replica has all; then the master dies, and writes go on at once. */
  async #failOver(): Promise<void> {
    const { pair, sites } = this.#setup;
    let goOn: () => void = () => {};
    this.#pause = new Promise((resolve) => {
      goOn = resolve;
    });
    await outboxesEmpty(sites);
    await pair.synced();
    await (await pair.master()).broker.kill();
    const since = Date.now();
    this.#pause = undefined;
    goOn();
    await firstIncrement(sites[1]?.port ?? 0);
    this.failoverMs = Date.now() - since;
  }
}

/** Nothing waits to be sent, so nothing is about to be merged either, but for what is in the queue: `synced` sees to that. */
async function outboxesEmpty(sites: readonly MqkvProcess[]): Promise<void> {
  for (const { port } of sites) {
    const client = clientOf(port);
    await client.connect();
    await eventually(
      'outboxes are empty',
      async () => (await client.info('mqkv')).includes('outbox_empty:1'),
      60_000,
    );
    client.disconnect();
  }
}

async function firstIncrement(port: number): Promise<void> {
  const client = clientOf(port);
  await client.connect();
  const isApplied = (): Promise<boolean> =>
    client.incr('first after the failover').then(
      () => true,
      () => false,
    );
  await eventually('a write after the failover', isApplied, 60_000);
  client.disconnect();
}
