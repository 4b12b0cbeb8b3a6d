// A new, empty site joins three that are being written to: it must end complete and equal, and the others must go on as before.
import type { Redis } from 'ioredis';
import { eventually, type NsqdBroker, startNsqd, startNsqlookupd } from '../brokers/index.ts';
import { type MqkvProcess, startMqkv } from './mqkv.ts';
import { eachSubscribed } from './three-sites.ts';
import { clientOf } from './workload.ts';

export interface Join {
  /** Keys of 16 bytes with values of 64. */
  readonly keys: number;
  /** Of all three sites together. */
  readonly writesPerSecond: number;
  /** Units: ms of load before the new site starts, and after it has joined. */
  readonly aroundMs: number;
}

/** Units: ms; what clients of the three sites saw. */
export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  readonly samples: number;
}

export interface JoinReport {
  readonly keys: number;
  readonly writes: number;
  /** Units: ms from the start of the new process until it was ready. */
  readonly joinedMs: number;
  readonly before: Latency;
  readonly during: Latency;
  readonly after: Latency;
  /** Units: ms from the last write until all four sites showed all of it. */
  readonly convergedMs: number;
}

const BATCH = 1_000;
const TICK_MS = 10;
const COUNTERS = 100;

/** Runs it. Errors: Error with what is missing where. */
export async function runJoin(options: Join): Promise<JoinReport> {
  await using lookupd = await startNsqlookupd();
  const nsqds: NsqdBroker[] = [];
  const sites: MqkvProcess[] = [];
  const start = async (): Promise<MqkvProcess> => {
    const nsqd = nsqds[sites.length % 3];
    const queue = `nsq://127.0.0.1:${nsqd?.port}?lookupd=http://127.0.0.1:${lookupd.httpPort}`;
    const site = await startMqkv(['--site', `site${sites.length}`, '--queue', queue]);
    sites.push(site);
    return site;
  };
  const clients: Redis[] = [];
  try {
    for (let i = 0; i < 3; i++) nsqds.push(await startNsqd({ lookupdTcpPorts: [lookupd.port] }));
    for (let i = 0; i < 3; i++) await start();
    await eachSubscribed(sites, 3);
    for (const { port } of sites) clients.push(clientOf(port));
    const load = new Load(clients, options);
    await load.fill();
    return await joinUnderLoad(load, options, async () => {
      clients.push(clientOf((await start()).port));
    });
  } catch (error) {
    throw new Error(`${String(error)}\n${sites.at(-1)?.log().slice(-3_000)}`, { cause: error });
  } finally {
    for (const client of clients) client.disconnect();
    for (const site of sites) await site.stop();
    for (const nsqd of nsqds) await nsqd.stop();
  }
}

async function joinUnderLoad(load: Load, options: Join, join: () => Promise<void>): Promise<JoinReport> {
  const running = load.run();
  await pause(options.aroundMs);
  const before = load.latency();
  const since = Date.now();
  await join();
  const joinedMs = Date.now() - since;
  const during = load.latency();
  await pause(options.aroundMs);
  load.stop();
  await running;
  const after = load.latency();
  const convergedMs = await load.untilEverywhere();
  return { keys: options.keys, writes: load.writes, joinedMs, before, during, after, convergedMs };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const keyOf = (index: number): string => `key:${String(index).padStart(12, '0')}`;
const valueOf = (serial: number): string => String(serial).padStart(64, 'v');

/** Writes at a steady rate, and what must be there afterwards. Each key is written by one site, in order. */
class Load {
  writes = 0;
  readonly #clients: readonly Redis[];
  readonly #sites: number;
  readonly #options: Join;
  /** Serial of the last acknowledged value of each key. */
  readonly #serials: Uint32Array;
  readonly #counted = new Array<number>(COUNTERS).fill(0);
  #samples: number[] = [];
  #isStopped = false;

  /** `clients` may grow; those there now write. */
  constructor(clients: readonly Redis[], options: Join) {
    this.#clients = clients;
    this.#sites = clients.length;
    this.#options = options;
    this.#serials = new Uint32Array(options.keys);
  }

  /** Every key once, at the first site; resolves when the others have as many. */
  async fill(): Promise<void> {
    const { keys } = this.#options;
    for (let from = 0; from < keys; from += BATCH) {
      const count = Math.min(BATCH, keys - from);
      const commands = Array.from({ length: count }, (_, i) => ['set', keyOf(from + i), valueOf(0)]);
      noErrors(await this.#clients[0]?.pipeline(commands).exec());
    }
    for (const client of this.#clients)
      await eventually('all keys', async () => (await client.dbsize()) === keys, 300_000);
  }

  async run(): Promise<void> {
    const loops = this.#clients.slice(0, this.#sites).map((client, site) => this.#write(client, site));
    const probes = this.#clients.slice(0, this.#sites).map(({ options }) => this.#probe(options.port ?? 0));
    await Promise.all([...loops, ...probes]);
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Of the samples since it was last asked. */
  latency(): Latency {
    const sorted = this.#samples.sort((one, other) => one - other);
    this.#samples = [];
    const at = (share: number): number =>
      Math.round((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) * 100) / 100;
    return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1), samples: sorted.length };
  }

  async #write(client: Redis, site: number): Promise<void> {
    const { keys, writesPerSecond } = this.#options;
    const own = Math.floor(keys / this.#sites);
    const startedMs = Date.now();
    for (let done = 0, serial = 1; !this.#isStopped; ) {
      const due = Math.floor(((Date.now() - startedMs) * writesPerSecond) / this.#sites / 1_000);
      const commands: string[][] = [];
      const noted: (() => void)[] = [];
      for (; done < due && commands.length < BATCH; done++, serial++) {
        const key = ((serial * 7_919) % own) * this.#sites + site;
        const [counter, value] = [serial % COUNTERS, serial];
        if (serial % 10 === 0) {
          commands.push(['incr', `count:${counter}`]);
          noted.push(() => this.#counted[counter]++);
        } else {
          commands.push(['set', keyOf(key), valueOf(value)]);
          noted.push(() => void (this.#serials[key] = value));
        }
      }
      if (commands.length > 0) noErrors(await client.pipeline(commands).exec());
      for (const note of noted) note();
      this.writes += commands.length;
      await pause(TICK_MS);
    }
  }

  /** A client of its own that waits for each answer. */
  async #probe(port: number): Promise<void> {
    const client = clientOf(port);
    for (let serial = 0; !this.#isStopped; serial++) {
      const since = performance.now();
      if (serial % 2 === 0) await client.set('probe', String(serial));
      else await client.get('probe');
      this.#samples.push(performance.now() - since);
      await pause(TICK_MS / 2);
    }
    client.disconnect();
  }

  /** Units: ms that it took. Errors: Error with what is missing after two minutes. */
  async untilEverywhere(): Promise<number> {
    const since = Date.now();
    for (;;) {
      const missing: string[] = [];
      for (const [site, client] of this.#clients.entries()) {
        const found = await this.#missingAt(client);
        if (found !== undefined) missing.push(`site${site}: ${found}`);
      }
      if (missing.length === 0) return Date.now() - since;
      if (Date.now() - since > 120_000) throw new Error(`after two minutes: ${missing.join('; ')}`);
      await pause(200);
    }
  }

  /** The first thing that a site does not show. */
  async #missingAt(client: Redis): Promise<string | undefined> {
    const { keys } = this.#options;
    for (let from = 0; from < keys; from += BATCH) {
      const names = Array.from({ length: Math.min(BATCH, keys - from) }, (_, i) => keyOf(from + i));
      const values = await client.mget(names);
      for (const [i, value] of values.entries()) {
        const serial = this.#serials[from + i] ?? 0;
        if (value !== valueOf(serial))
          return `${names[i]} is ${String(value).replace(/^v+/, '')}, not ${serial}, of ${await client.dbsize()} keys`;
      }
    }
    const counts = await client.mget(this.#counted.map((_, counter) => `count:${counter}`));
    const wrong = counts.findIndex((count, counter) => Number(count ?? 0) !== this.#counted[counter]);
    if (wrong >= 0) return `count:${wrong} is ${counts[wrong]}, not ${this.#counted[wrong]}`;
    const shown = await client.dbsize();
    const wanted = keys + counts.filter((count) => count !== null).length + 1;
    return shown === wanted ? undefined : `${shown} keys, not ${wanted}`;
  }
}

function noErrors(replies: [Error | null, unknown][] | null | undefined): void {
  const error = replies?.find(([failure]) => failure !== null)?.[0];
  if (error !== undefined && error !== null) throw error;
}
