// A master, its replicas and the sentinels that watch them, on loopback: killed, frozen, failed over.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, freePorts } from './ports.ts';
import { type Broker, startBroker } from './process.ts';
import { flagsOf } from './redis-flags.ts';
import { openControl, type RedisControl } from './redis-control.ts';

export interface SentinelOptions {
  /** Default `main`. */
  readonly name?: string;
  /** Replicas of the master. Default 1. */
  readonly replicas?: number;
  /** Default 3; the quorum is 2, or 1 of one. */
  readonly sentinels?: number;
  /** Of the servers; also how sentinels log in there. */
  readonly password?: string;
  /** Of the sentinels themselves. */
  readonly sentinelPassword?: string;
  /** More arguments for every server. */
  readonly flags?: readonly string[];
}

/** One server or sentinel and a connection to steer it by, opened anew at each call. */
export interface Watched {
  readonly port: number;
  readonly broker: Broker;
  call(...args: readonly (string | number)[]): Promise<unknown>;
}

/** Servers and sentinels that run. */
export interface SentinelSet extends AsyncDisposable {
  readonly name: string;
  /** Order: the first master, then its replicas. */
  readonly servers: readonly Watched[];
  readonly sentinels: readonly Watched[];
  /** Shape: `redis+sentinel://127.0.0.1:p,…/NAME`, without passwords. */
  readonly url: string;
  /** The server that the first sentinel alive calls the master now. */
  master(): Promise<Watched>;
  /** Waits until every replica that lives has all writes of the master. */
  synced(): Promise<void>;
  stop(): Promise<void>;
}

/** Down after 500 ms: a killed master is replaced within one to three seconds. */
export async function startSentinel(options: SentinelOptions = {}): Promise<SentinelSet> {
  const { name = 'main', replicas = 1, sentinels = 3 } = options;
  const master = await startServer(options, undefined);
  const servers = [master];
  const watching: Watched[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all([...servers, ...watching].map(({ broker }) => broker.stop()));
  };
  try {
    for (let i = 0; i < replicas; i++) servers.push(await startServer(options, master.port));
    await eventually('the replicas follow', async () => (await online(master)) === replicas);
    for (let i = 0; i < sentinels; i++) watching.push(await startOne(options, master.port));
    await eventually('the sentinels know each other and the replicas', async () =>
      (await Promise.all(watching.map((one) => isComplete(one, options)))).every(Boolean),
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    name,
    servers,
    sentinels: watching,
    url: `redis+sentinel://${watching.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${name}`,
    master: () => masterOf(name, servers, watching),
    synced: () => synced(servers),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function startServer(options: SentinelOptions, masterPort: number | undefined): Promise<Watched> {
  const [port] = await freePorts(1);
  const { password, flags = [] } = options;
  const settings = {
    port,
    bind: '127.0.0.1',
    save: '',
    loglevel: 'notice',
    'repl-diskless-sync-delay': 0,
    'repl-ping-replica-period': 1,
    ...(password === undefined ? {} : { requirepass: password, masterauth: password }),
    ...(masterPort === undefined ? {} : { replicaof: `127.0.0.1 ${masterPort}` }),
  };
  const broker = await startBroker({
    command: 'redis-server',
    ports: [port],
    args: (dir) => [...flagsOf({ ...settings, dir }), ...flags],
  });
  return watched(port, broker, password);
}

/** A sentinel writes its state into its configuration: it gets a file. */
async function startOne(options: SentinelOptions, masterPort: number): Promise<Watched> {
  const [port] = await freePorts(1);
  const { name = 'main', sentinels = 3, password, sentinelPassword } = options;
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `sentinel monitor ${name} 127.0.0.1 ${masterPort} ${Math.min(2, sentinels)}`,
    `sentinel down-after-milliseconds ${name} 500`,
    `sentinel failover-timeout ${name} 3000`,
    ...(password === undefined ? [] : [`sentinel auth-pass ${name} ${password}`]),
    ...(sentinelPassword === undefined
      ? []
      : [`requirepass ${sentinelPassword}`, `sentinel sentinel-pass ${sentinelPassword}`]),
  ];
  let isWritten = false;
  const broker = await startBroker({
    command: 'redis-sentinel',
    ports: [port],
    args: (dir) => {
      const file = join(dir, 'sentinel.conf');
      if (!isWritten) writeFileSync(file, `dir ${dir}\n${lines.join('\n')}\n`);
      isWritten = true;
      return [file];
    },
  });
  return watched(port, broker, sentinelPassword);
}

function watched(port: number, broker: Broker, password: string | undefined): Watched {
  const call = async (...args: readonly (string | number)[]): Promise<unknown> => {
    const control: RedisControl = openControl(port);
    try {
      if (password !== undefined) await control.call('AUTH', password);
      return await control.call(...args);
    } finally {
      control.close();
    }
  };
  return { port, broker, call };
}

async function online(master: Watched): Promise<number> {
  const text = String(await master.call('INFO', 'replication'));
  return text.match(/state=online/g)?.length ?? 0;
}

async function isComplete(sentinel: Watched, options: SentinelOptions): Promise<boolean> {
  const { name = 'main', replicas = 1, sentinels = 3 } = options;
  const fields = flat(await sentinel.call('SENTINEL', 'MASTER', name));
  return (
    fields.get('num-slaves') === String(replicas) &&
    fields.get('num-other-sentinels') === String(sentinels - 1) &&
    fields.get('flags') === 'master' &&
    (await repliesOf(sentinel, name)).every((flags) => flags === 'slave')
  );
}

async function repliesOf(sentinel: Watched, name: string): Promise<(string | undefined)[]> {
  const list = (await sentinel.call('SENTINEL', 'REPLICAS', name)) as unknown[];
  return list.map((entry) => flat(entry).get('flags'));
}

function flat(reply: unknown): ReadonlyMap<string, string> {
  const items = Array.isArray(reply) ? reply.map(String) : [];
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < items.length; i += 2) fields.set(items[i], items[i + 1]);
  return fields;
}

async function masterOf(
  name: string,
  servers: readonly Watched[],
  sentinels: readonly Watched[],
): Promise<Watched> {
  for (const sentinel of sentinels) {
    if (sentinel.broker.pid === undefined) continue;
    const [, port] = (await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)) as string[];
    const found = servers.find((server) => String(server.port) === port);
    if (found !== undefined) return found;
  }
  throw new Error('no sentinel alive knows the master');
}

async function synced(servers: readonly Watched[]): Promise<void> {
  const living = servers.filter(({ broker }) => broker.pid !== undefined);
  await eventually('the replicas have all writes', async () => {
    const texts = await Promise.all(living.map((server) => server.call('INFO', 'replication')));
    const offsets = texts.map((text) => /^(?:slave_repl|master_repl)_offset:(\d+)/m.exec(String(text))?.[1]);
    return new Set(offsets).size === 1;
  });
}
