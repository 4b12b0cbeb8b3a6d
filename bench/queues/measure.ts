// The measurements: throughput with its cost, lag on an idle queue, and what becomes of it when the broker is killed.
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { clientOf, untilEqual } from '../../test/e2e/workload.ts';
import { cpuMs, socketBytes } from './process-use.ts';
import { metricsOf, type Sites } from './world.ts';

const run = promisify(execFile);

/** One run of writes as fast as one site takes them. */
export interface Throughput {
  /** SETs a second until both other sites had all of them. */
  readonly writesPerSecond: number;
  /** Bytes that a receiving site read and wrote per write. */
  readonly receivedBytesPerWrite: number;
  /** Bytes published per write. */
  readonly sentBytesPerWrite: number;
  /** Units: CPU seconds per 100,000 writes: the writing site, one receiving site, the broker. */
  readonly cpu: { readonly writer: number; readonly reader: number; readonly broker: number };
}

export interface Lag {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly n: number;
}

export interface FaultReport {
  readonly writes: number;
  /** Messages that the queue lost, or had not brought 5 s after a later one: gaps. */
  readonly missed: number;
  /** Messages that their senders sent again for that. */
  readonly sentAgain: number;
  /** Keys that comparisons of two sites brought to one of them. */
  readonly comparedKeys: number;
  readonly doubled: number;
  /** Units: ms from the last write until all sites were equal. */
  readonly convergedMs: number;
}

const VALUE_BYTES = 64;
/** So many that two writes hardly ever meet. */
const KEY_SPACE = 1_000_000_000;

/** Writes distinct keys at the first site by redis-benchmark, and waits until the others hold as many. */
export async function throughput({ sites, carrier }: Sites, writes: number): Promise<Throughput> {
  const [writer, reader] = sites;
  if (writer === undefined || reader === undefined) throw new Error('three sites are needed');
  const brokerPid = carrier.broker?.pid;
  const before = await usedNow();
  const since = performance.now();
  await run('redis-benchmark', [
    '-p',
    String(writer.port),
    '-t',
    'set',
    '-n',
    String(writes),
    '-r',
    String(KEY_SPACE),
    '-d',
    String(VALUE_BYTES),
    '-P',
    '128',
    '-c',
    '16',
    '-q',
  ]);
  const clients = sites.map(({ port }) => clientOf(port));
  const [count = 0] = await Promise.all(clients.slice(0, 1).map((client) => client.dbsize()));
  for (const client of clients.slice(1)) while ((await client.dbsize()) < count) await sleep(5);
  const seconds = (performance.now() - since) / 1_000;
  const after = await usedNow();
  for (const client of clients) client.disconnect();
  const per = (of: keyof typeof before): number => after[of] - before[of];
  const cpuOf = (of: 'writer' | 'reader' | 'broker'): number => ((per(of) / writes) * 100_000) / 1_000;
  return {
    writesPerSecond: writes / seconds,
    receivedBytesPerWrite: per('socket') / writes,
    sentBytesPerWrite: per('sent') / writes,
    cpu: { writer: cpuOf('writer'), reader: cpuOf('reader'), broker: cpuOf('broker') },
  };

  async function usedNow(): Promise<Record<'writer' | 'reader' | 'broker' | 'socket' | 'sent', number>> {
    return {
      writer: cpuMs(writer?.pid ?? 0),
      reader: cpuMs(reader?.pid ?? 0),
      broker: brokerPid === undefined ? 0 : cpuMs(brokerPid),
      socket: socketBytes(reader?.pid ?? 0),
      sent: writer === undefined ? 0 : ((await metricsOf(writer)).get('mqkv_sent_bytes_total') ?? 0),
    };
  }
}

/** From the acknowledgement of a write at one site until a client at another reads it, on a queue that carries little else. */
export async function lag({ sites }: Sites, n: number): Promise<Lag> {
  const [a, b] = sites.map(({ port }) => clientOf(port));
  if (a === undefined || b === undefined) throw new Error('two sites are needed');
  const times: number[] = [];
  for (let at = 0; at < n + WARM_UP; at++) {
    const key = `lag:${at}`;
    await a.set(key, 'x'.repeat(VALUE_BYTES));
    const since = performance.now();
    while ((await b.exists(key)) === 0)
      if (performance.now() - since > 10_000) throw new Error(`${key} does not arrive`);
    if (at >= WARM_UP) times.push(performance.now() - since);
    await sleep(PAUSE_MS);
  }
  a.disconnect();
  b.disconnect();
  times.sort((one, other) => one - other);
  const at = (share: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99), n: times.length };
}

const WARM_UP = 20;
/** Units: ms between two writes of the lag. */
const PAUSE_MS = 20;

/**
 * Steady writes at all sites while one of them stands still (SIGSTOP) for three seconds, so that the broker holds a backlog for it; in the
 * middle the broker is killed -9 with that, and comes back a second later.
 */
export async function faults({ sites, carrier }: Sites, seconds: number): Promise<FaultReport> {
  const still = sites.at(-1);
  if (still === undefined) throw new Error('a site is needed');
  const clients = sites.map(({ port }) => clientOf(port));
  let writes = 0;
  const until = Date.now() + seconds * 1_000;
  const writing = Promise.all(
    clients.map(async (client, site) => {
      while (Date.now() < until) {
        const batch = client.pipeline();
        for (let at = 0; at < BATCH; at++) batch.set(`fault:${site}:${writes + at}`, 'x'.repeat(VALUE_BYTES));
        writes += BATCH;
        await batch.exec();
        await sleep(BATCH_MS);
      }
    }),
  );
  await sleep((seconds * 1_000) / 3);
  process.kill(still.pid, 'SIGSTOP');
  try {
    await sleep(BACKLOG_MS);
    await carrier.broker?.kill();
    await sleep(AWAY_MS);
    await carrier.broker?.restart();
  } finally {
    process.kill(still.pid, 'SIGCONT');
  }
  await writing;
  const since = Date.now();
  // Every key is written once: as many keys at all sites are all keys.
  while (new Set(await Promise.all(clients.map((client) => client.dbsize()))).size > 1) await sleep(20);
  const convergedMs = Date.now() - since;
  await untilEqual(
    sites.map(({ port }) => port),
    180_000,
  );
  for (const client of clients) client.disconnect();
  const all = await Promise.all(sites.map(metricsOf));
  const sum = (...names: readonly string[]): number =>
    all.reduce((total, one) => total + names.reduce((part, name) => part + (one.get(name) ?? 0), 0), 0);
  return {
    writes,
    missed: sum('mqkv_gaps_total'),
    sentAgain: sum('mqkv_resent_total'),
    comparedKeys: sum('mqkv_repair_keys_pulled_total', 'mqkv_repair_keys_pushed_total'),
    doubled: sum('mqkv_envelopes_doubled_total'),
    convergedMs,
  };
}

/** Units: ms of the backlog before the broker is killed, and that it is away. */
const BACKLOG_MS = 2_000;
const AWAY_MS = 1_000;
const BATCH = 50;
/** Units: ms between two batches of a site: about 5,000 writes a second at three sites. */
const BATCH_MS = 30;
