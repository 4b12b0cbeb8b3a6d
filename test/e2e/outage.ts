// One site is away while keys change, what the queue kept for it is thrown away, and the others are started anew, so that nobody
// can send it again: comparisons must bring it what it lacks, and cost little beside a full copy.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import type { Redis } from 'ioredis';
import { eventually, type NsqdBroker, type Proxy, startNsqd, startProxy } from '../brokers/index.ts';
import { type MqkvProcess, startMqkv } from './mqkv.ts';
import { eachSubscribed } from './three-sites.ts';
import { clientOf } from './workload.ts';

export interface Outage {
  /** Keys of 16 bytes with values of 64. */
  readonly keys: number;
  /** Of all keys, changed while the site is away. */
  readonly changedShare: number;
}

export interface OutageReport {
  readonly keys: number;
  readonly changed: number;
  /** Units: bytes on all connections between sites, each counted once, from the return until all was equal and quiet. */
  readonly repairBytes: number;
  /** The same, from the start of an empty site until it was complete. */
  readonly copyBytes: number;
  readonly repairShare: number;
  readonly keysPulled: number;
  readonly keysPushed: number;
  /** Units: bytes that the sites gave to the queue meanwhile, heartbeats included: not part of the above. */
  readonly queueBytes: number;
  /** Units: ms from the return until all sites were equal; from the start of the empty site until it was ready. */
  readonly repairedMs: number;
  readonly copiedMs: number;
}

const BATCH = 1_000;
const TOPIC = 'mqkv_topic';
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const keyOf = (index: number): string => `key:${String(index).padStart(12, '0')}`;

interface World {
  readonly folder: string;
  readonly nsqd: NsqdBroker;
  readonly proxy: Proxy;
  readonly sites: MqkvProcess[];
  readonly clients: Redis[];
}

/** Runs it. Errors: Error with what differs. */
export async function runOutage(options: Outage): Promise<OutageReport> {
  await using nsqd = await startNsqd();
  await using proxy = await startProxy(nsqd.port);
  const folder = await mkdtemp(joinPath(tmpdir(), 'mqkv-outage-'));
  const world: World = { folder, nsqd, proxy, sites: [], clients: [] };
  try {
    // The third one reaches the broker through the proxy.
    for (const [i, port] of [nsqd.port, nsqd.port, proxy.port].entries()) await start(world, i, port);
    await eachSubscribed(world.sites.slice(0, 2), 1);
    await eventually('three channels', async () => (await channels(nsqd)).length === 3);
    return await outage(world, options);
  } catch (error) {
    throw new Error(`${String(error)}\n${world.sites.map((site) => site.log().slice(-2_000)).join('\n')}`, {
      cause: error,
    });
  } finally {
    for (const client of world.clients) client.disconnect();
    for (const site of world.sites) await site.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Result: ms until it was ready. */
async function start({ folder, nsqd, sites, clients }: World, index: number, port: number): Promise<number> {
  const since = Date.now();
  const queue = `nsq://127.0.0.1:${port}?topic=${TOPIC}&http=127.0.0.1:${nsqd.httpPort}`;
  const store = `file:${joinPath(folder, String(index))}`;
  sites[index] = await startMqkv(['--site', `site${index}`, '--queue', queue, '--store', store]);
  clients[index]?.disconnect();
  clients[index] = clientOf(sites[index].port);
  return Date.now() - since;
}

/** Ends it in order and starts it anew: what it remembered of its messages is gone. */
async function startAnew(world: World, index: number): Promise<void> {
  await world.sites[index]?.stop();
  await start(world, index, world.nsqd.port);
}

async function outage(world: World, options: Outage): Promise<OutageReport> {
  const { nsqd, proxy, sites, clients } = world;
  const changed = Math.floor(options.keys * options.changedShare);
  const [first, second] = clients as [Redis, Redis];
  await write(first, { from: 0, to: options.keys, step: 1, value: 'a' });
  for (const client of clients)
    await eventually('all keys', async () => (await client.dbsize()) === options.keys, 300_000);
  await quiet(sites, 2_000);

  proxy.cut();
  const step = Math.floor(options.keys / changed);
  await write(first, { from: 0, to: (changed / 2) * step, step, value: 'b' });
  await write(second, { from: (changed / 2) * step, to: changed * step, step, value: 'c' });
  await eventually('all is sent', async () => (await outboxes(sites.slice(0, 2))) === 0, 60_000);
  for (const index of [0, 1]) await startAnew(world, index);
  await emptied(nsqd, 'site2');
  // Longer than a site may be silent without being compared.
  await quiet(sites, 10_500);
  const before = await peerBytes(sites);
  const queueBefore = await queueBytesOf(sites);
  const keysBefore = await keysOf(sites);
  const since = Date.now();
  proxy.mend();
  await untilSame(clients, options.keys);
  const repairedMs = Date.now() - since;
  await quiet(sites, 7_500);
  const repairBytes = (await peerBytes(sites)) - before;
  const keysAfter = await keysOf(sites);

  const beforeCopy = await peerBytes(sites);
  const queueBytes = (await queueBytesOf(sites)) - queueBefore;
  const copiedMs = await start(world, 3, nsqd.port);
  const copyBytes = (await peerBytes(sites)) - beforeCopy;
  await untilSame(clients, options.keys);
  return {
    keys: options.keys,
    changed,
    repairBytes,
    copyBytes,
    repairedMs,
    copiedMs,
    repairShare: repairBytes / copyBytes,
    keysPulled: keysAfter.pulled - keysBefore.pulled,
    keysPushed: keysAfter.pushed - keysBefore.pushed,
    queueBytes,
  };
}

async function write(
  client: Redis,
  range: { readonly from: number; readonly to: number; readonly step: number; readonly value: string },
): Promise<void> {
  const keys: string[] = [];
  for (let i = range.from; i < range.to; i += range.step) keys.push(keyOf(i));
  for (let at = 0; at < keys.length; at += BATCH) {
    const commands = keys.slice(at, at + BATCH).map((key) => ['set', key, range.value.repeat(64)]);
    const replies = await client.pipeline(commands).exec();
    const error = replies?.find(([failure]) => failure !== null)?.[0];
    if (error !== undefined && error !== null) throw error;
  }
}

/** Waits until no site has compared anything for so long. Units: ms. */
async function quiet(sites: readonly MqkvProcess[], ms: number): Promise<void> {
  for (let last = -1, since = Date.now(); Date.now() - since < ms; await pause(250)) {
    const now = await peerBytes(sites);
    // Pings of open connections are a few hundred bytes a second.
    if (Math.abs(now - last) > 5_000) since = Date.now();
    last = now;
  }
}

async function channels({ httpPort }: NsqdBroker): Promise<readonly unknown[]> {
  const stats = (await (
    await fetch(`http://127.0.0.1:${httpPort}/stats?format=json&topic=${TOPIC}`)
  ).json()) as {
    topics?: { channels?: unknown[] }[];
  };
  return stats.topics?.[0]?.channels ?? [];
}

/** Throws away what the broker keeps for a site. */
async function emptied({ httpPort }: NsqdBroker, channel: string): Promise<void> {
  const url = `http://127.0.0.1:${httpPort}/channel/empty?topic=${TOPIC}&channel=${channel}`;
  const { ok } = await fetch(url, { method: 'POST' });
  if (!ok) throw new Error(`nsqd did not empty ${channel}`);
}

async function metric({ admin }: MqkvProcess, name: string): Promise<number> {
  const text = await (await fetch(`${admin}/metrics`)).text();
  const value = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1];
  if (value === undefined) throw new Error(`no metric ${name}`);
  return Number(value);
}

async function total(sites: readonly MqkvProcess[], name: string): Promise<number> {
  let sum = 0;
  for (const site of sites) sum += await metric(site, name);
  return sum;
}

const peerBytes = (sites: readonly MqkvProcess[]): Promise<number> =>
  total(sites, 'mqkv_peer_bytes_sent_total');
const queueBytesOf = (sites: readonly MqkvProcess[]): Promise<number> =>
  total(sites, 'mqkv_sent_bytes_total');
const outboxes = (sites: readonly MqkvProcess[]): Promise<number> => total(sites, 'mqkv_outbox_pending');

async function keysOf(
  sites: readonly MqkvProcess[],
): Promise<{ readonly pulled: number; readonly pushed: number }> {
  return {
    pulled: await total(sites, 'mqkv_repair_keys_pulled_total'),
    pushed: await total(sites, 'mqkv_repair_keys_pushed_total'),
  };
}

/** Waits until every site shows the same of every key. */
async function untilSame(clients: readonly Redis[], keys: number): Promise<void> {
  const [first, ...others] = clients as [Redis, ...Redis[]];
  for (let at = 0; at < keys; at += BATCH) {
    const names = Array.from({ length: Math.min(BATCH, keys - at) }, (_, i) => keyOf(at + i));
    const wanted = (await first.mget(names)).join();
    for (const [i, client] of others.entries())
      await eventually(
        `key ${at} at site${i + 1}`,
        async () => (await client.mget(names)).join() === wanted,
        120_000,
      );
  }
  for (const client of clients)
    if ((await client.dbsize()) !== keys) throw new Error('another number of keys');
}
