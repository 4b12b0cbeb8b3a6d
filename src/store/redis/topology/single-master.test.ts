// One master, alone or under sentinels: found, checked, followed through restarts and failovers.
import { afterEach, describe, expect, it } from 'vitest';
import {
  type Broker,
  eventually,
  freePorts,
  requireBroker,
  startRedis,
  startRedisKind,
  startSentinel,
} from '../../../../test/brokers/index.ts';
import { type MqkvError, seededRandom, silentLogger, systemClock } from '../../../base/index.ts';
import { plainReply, type Reply } from '../../../resp/index.ts';
import { testCertificate } from '../../../server/test-certificate.ts';
import type { RedisUrl } from '../url-type.ts';
import { type Around, openTopology, type Topology, type TopologyChange } from './index.ts';

const { skip } = requireBroker('redis-server', 'redis-sentinel');
const open: Topology[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((topology) => topology.close()));
});

interface Watched {
  readonly topology: Topology;
  readonly changes: { kind: string; origin: number }[];
}

async function follow(url: Partial<RedisUrl>, around: Partial<Around> = {}): Promise<Watched> {
  const topology = await openTopology(
    { kind: 'redis', mode: 'standalone', addresses: [], db: 0, tls: false, readReplica: false, ...url },
    { clock: systemClock, random: seededRandom(1), logger: silentLogger, ...around },
  );
  open.push(topology);
  const changes: { kind: string; origin: number }[] = [];
  topology.onChange = ({ kind, node }: TopologyChange) => changes.push({ kind, origin: node.origin });
  return { topology, changes };
}

const at = (port: number): { addresses: { host: string; port: number }[] } => ({
  addresses: [{ host: '127.0.0.1', port }],
});
const failure = (promise: Promise<unknown>): Promise<MqkvError> =>
  promise.then(
    (value) => {
      throw new Error(`resolved: ${String(value)}`);
    },
    (error: MqkvError) => error,
  );
const plain = async (reply: Promise<Reply>): Promise<unknown> => plainReply(await reply);
const call = (topology: Topology, ...args: string[]): Promise<unknown> =>
  topology.ready(0).then((node) => plain(node.link(2).call(args)));

async function originOf(topology: Topology): Promise<number> {
  const text = String(await call(topology, 'INFO', 'replication'));
  return Number.parseInt(/master_replid:(.{8})/.exec(text)?.[1] ?? '', 16);
}

describe.skipIf(skip)(`standalone${skip ? ` (${skip})` : ''}`, () => {
  it('takes the origin of the server, and a new one after a restart, before anything is written', async () => {
    await using redis = await startRedis();
    const setups: number[] = [];
    const { topology, changes } = await follow(at(redis.port), {
      onReady: async (_setup, node) => void setups.push(node.origin),
    });
    const node = await topology.ready(0);
    expect(node.name).toBe(`127.0.0.1:${redis.port}`);
    expect(node.origin).toBe(await originOf(topology));
    const first = node.origin;
    expect(await call(topology, 'SET', 'k', 'v')).toBe('OK');
    await redis.kill();
    await eventually('the node is not ready', () => topology.nodeOf(0) === undefined);
    const link = node.link(2);
    await eventually('the data link is down', () => link.state !== 'ready');
    const stale = failure(link.call(['SET', 'stale', String(first)]));
    const restarted = redis.restart();
    expect((await stale).code).toBe('ORIGIN_CHANGED');
    await restarted;
    await topology.ready(0);
    expect(node.origin).not.toBe(first);
    expect(node.origin).toBe(await originOf(topology));
    expect(await call(topology, 'GET', 'stale')).toBe(null);
    expect(changes.filter(({ kind }) => kind === 'origin').at(-1)).toEqual({
      kind: 'origin',
      origin: node.origin,
    });
    expect(setups).toContain(first);
    expect(setups.at(-1)).toBe(node.origin);
  });

  it('a new history in a living server is seen within the second', async () => {
    await using redis = await startRedis();
    const { topology, changes } = await follow(at(redis.port));
    const before = (await topology.ready(0)).origin;
    expect(await call(topology, 'DEBUG', 'CHANGE-REPL-ID')).toMatch(/OK|not allowed/);
    if ((await originOf(topology)) === before) await call(topology, 'REPLICAOF', '127.0.0.1', '1');
    if ((await originOf(topology)) === before) await call(topology, 'REPLICAOF', 'NO', 'ONE');
    await eventually('another origin', () => changes.some(({ origin }) => origin !== before), 5_000);
    await topology.ready(0);
    expect(topology.nodes[0].origin).toBe(await originOf(topology));
  });

  it('a server that became a replica is not used until it is a master again', async () => {
    await using master = await startRedis();
    await using redis = await startRedis();
    const { topology } = await follow(at(redis.port));
    const node = await topology.ready(0);
    await call(topology, 'REPLICAOF', '127.0.0.1', String(master.port));
    expect(await plain(node.link(2).call(['SET', 'k', 'v']))).toMatch(/^-READONLY|^-MASTERDOWN/);
    await eventually('not ready', () => topology.nodeOf(0) === undefined);
    expect((await failure(topology.ready(0))).code).toBe('UNAVAILABLE');
    await plain(node.link(2).call(['REPLICAOF', 'NO', 'ONE'])).catch(() => undefined);
    await eventually('ready again', () => topology.nodeOf(0) !== undefined);
  });

  it('refuses at the start what waiting does not mend', async () => {
    const users = [
      'user default on >sesame ~* &* +@all',
      'user app on >app ~* &* +@all -config',
      'user few on >few ~* &* +get',
    ];
    await using redis = await startRedisKind({ users, flags: ['--maxmemory-policy', 'allkeys-lru'] });
    const policy = await failure(follow({ ...at(redis.port), password: 'sesame' }));
    expect(policy.code).toBe('EVICTION_POLICY');
    expect(policy.message).toContain('allkeys-lru');
    const forbidden = await failure(follow({ ...at(redis.port), user: 'app', password: 'app' }));
    expect(forbidden.code).toBe('EVICTION_POLICY');
    expect((await failure(follow({ ...at(redis.port), user: 'few', password: 'few' }))).code).toBe(
      'REDIS_PERMISSION',
    );
    expect((await failure(follow({ ...at(redis.port), password: 'wrong' }))).code).toBe('REDIS_AUTH');
    expect((await failure(follow(at(redis.port)))).code).toBe('REDIS_AUTH');
    expect((await failure(follow({ ...at(redis.port), password: 'sesame', db: 99 }))).code).toBe('REDIS_DB');
  });

  it('works where CONFIG is forbidden, by TLS and by a Unix socket', async () => {
    const users = ['user default on >sesame ~* &* +@all -config'];
    await using redis = await startRedisKind({ tls: true, users });
    const address = { host: 'localhost', port: redis.port };
    const tls = await follow(
      { addresses: [address], tls: true, password: 'sesame' },
      { tls: { ca: testCertificate } },
    );
    expect(await call(tls.topology, 'PING')).toBe('PONG');
    const socket = await follow({ addresses: [{ path: redis.path }], password: 'sesame' });
    expect((await socket.topology.ready(0)).name).toBe(redis.path);
    expect(await call(socket.topology, 'PING')).toBe('PONG');
  });

  it('nothing there: UNAVAILABLE with the reason; a cluster node: its kind is told', async () => {
    const [port] = await freePorts(1);
    const nothing = await failure(follow(at(port), { openTimeoutMs: 200 }));
    expect(nothing.code).toBe('UNAVAILABLE');
    expect(nothing.message).toMatch(/ECONNREFUSED/);
    await using cluster = await startRedis(['--cluster-enabled', 'yes']);
    const error = await failure(follow(at(cluster.port)));
    expect(error.code).toBe('REDIS_MODE');
    expect(error.message).toContain('redis+cluster://');
  });

  it('reads from the nearest healthy replica', async () => {
    await using master = await startRedis(['--repl-diskless-sync-delay', '0']);
    await using replica = await startRedis(['--replicaof', `127.0.0.1 ${master.port}`]);
    const { topology } = await follow({ ...at(master.port), readReplica: true });
    const node = await topology.ready(0);
    const link = await eventually('a healthy replica', () => node.replica?.(2));
    expect(String(await plain(link.call(['INFO', 'server'])))).toContain(`tcp_port:${replica.port}`);
    await replica.kill();
    await eventually('none any more', () => node.replica?.(2) === undefined);
  });
});

describe.skipIf(skip)(`sentinel${skip ? ` (${skip})` : ''}`, () => {
  const urlOf = (sentinels: readonly { port: number }[], masterName = 'main'): Partial<RedisUrl> => ({
    mode: 'sentinel',
    masterName,
    addresses: sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
  });

  it('follows a failover within 2 s of the new master, with a new origin', async () => {
    await using set = await startSentinel();
    const { topology, changes } = await follow({ ...urlOf(set.sentinels), readReplica: true });
    const before = await topology.ready(0);
    expect(before.name).toBe(`127.0.0.1:${set.servers[0].port}`);
    const firstOrigin = before.origin;
    await eventually('the replica is read from', () => before.replica?.(3));
    expect(await call(topology, 'SET', 'k', 'v')).toBe('OK');
    await set.synced();
    await set.servers[0].broker.kill();
    // A promotion ends the connections of clients: ours too.
    await eventually('the replica is promoted', () =>
      set.servers[1].call('INFO', 'replication').then(
        (text) => String(text).includes('role:master'),
        () => false,
      ),
    );
    const promotedAt = Date.now();
    await eventually('the topology has it', () => topology.nodeOf(0) !== undefined);
    expect(Date.now() - promotedAt).toBeLessThan(2000);
    const after = await topology.ready(0);
    expect(after.name).toBe(`127.0.0.1:${set.servers[1].port}`);
    expect(after.origin).not.toBe(firstOrigin);
    expect(await call(topology, 'GET', 'k')).toBe('v');
    expect(await call(topology, 'SET', 'k', 'w')).toBe('OK');
    expect(changes.map(({ kind }) => kind)).toContain('nodes');
    expect(changes.at(-1)).toEqual({ kind: 'origin', origin: after.origin });
    expect((await failure(before.link(2).call(['PING']))).code).toBe('UNAVAILABLE');
    // The old master comes back and still calls itself one: nobody goes there.
    await set.servers[0].broker.restart();
    topology.refresh('test');
    expect(await call(topology, 'SET', 'k', 'x')).toBe('OK');
    expect(await set.servers[0].call('GET', 'k')).not.toBe('x');
    expect((await topology.ready(0)).name).toBe(after.name);
  });

  it('a frozen master: what is in flight there fails as uncertain, the next one takes over', async () => {
    await using set = await startSentinel();
    const { topology } = await follow(urlOf(set.sentinels));
    expect(await call(topology, 'SET', 'k', 'v')).toBe('OK');
    await set.synced();
    set.servers[0].broker.freeze();
    const inFlight = failure(call(topology, 'SET', 'k', 'w'));
    const name = `127.0.0.1:${set.servers[1].port}`;
    await eventually('the other server', () => topology.nodeOf(0)?.name === name);
    expect((await inFlight).code).toBe('UNCERTAIN');
    expect(await call(topology, 'GET', 'k')).toBe('v');
  });

  it('a failover by hand while the old master lives, with only one sentinel given and that one killed', async () => {
    await using set = await startSentinel();
    const { topology } = await follow(urlOf(set.sentinels.slice(0, 1)));
    await topology.ready(0);
    await connected(set.sentinels[1].call);
    await set.sentinels[0].broker.kill();
    expect(await set.sentinels[1].call('SENTINEL', 'FAILOVER', set.name)).toBe('OK');
    const name = `127.0.0.1:${set.servers[1].port}`;
    await eventually('the other server', () => topology.nodeOf(0)?.name === name);
    expect(await call(topology, 'SET', 'k', 'v')).toBe('OK');
  });

  it('logs in at sentinels and servers; says which of them refuses', async () => {
    await using set = await startSentinel({ password: 'sesame', sentinelPassword: 'poppy', sentinels: 1 });
    const url = urlOf(set.sentinels);
    const { topology } = await follow({ ...url, password: 'sesame', sentinelPassword: 'poppy' });
    expect(await call(topology, 'PING')).toBe('PONG');
    expect((await failure(follow({ ...url, password: 'wrong', sentinelPassword: 'poppy' }))).code).toBe(
      'REDIS_AUTH',
    );
    expect((await failure(follow({ ...url, password: 'sesame' }))).code).toBe('REDIS_AUTH');
    const stranger = await failure(
      follow({ ...url, masterName: 'other', sentinelPassword: 'poppy' }, { openTimeoutMs: 500 }),
    );
    expect(stranger.message).toContain('no sentinel knows the master "other"');
  });

  it('while no master is known, ready waits and then says UNAVAILABLE; it recovers by itself', async () => {
    await using set = await startSentinel({ replicas: 0, sentinels: 1 });
    const { topology } = await follow(urlOf(set.sentinels));
    const master: Broker = set.servers[0].broker;
    await master.kill();
    await eventually('not ready', () => topology.nodeOf(0) === undefined);
    expect((await failure(topology.ready(0))).code).toBe('UNAVAILABLE');
    await master.restart();
    await eventually('ready', () => topology.nodeOf(0) !== undefined, 2000);
  });
});

/** Until another client than the sentinels themselves listens for news there. */
async function connected(sentinel: (...args: string[]) => Promise<unknown>): Promise<void> {
  await eventually('discovered', async () => /name=mqkv\b/.test(String(await sentinel('CLIENT', 'LIST'))));
}
