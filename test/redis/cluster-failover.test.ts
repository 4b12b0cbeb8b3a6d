// A cluster with replicas: a master killed under load, reads from replicas, nodes that come and go.
import { describe, expect, it } from 'vitest';
import { MqkvError, silentLogger, systemClock, systemRandom } from '../../src/base/index.ts';
import { plainReply } from '../../src/resp/index.ts';
import { testCertificate } from '../../src/server/test-certificate.ts';
import { openRouter, type Router } from '../../src/store/redis/router.ts';
import { slotOf, tagOf } from '../../src/store/redis/slots.ts';
import { openTopology, type Topology } from '../../src/store/redis/topology/index.ts';
import type { RedisUrl } from '../../src/store/redis/url-type.ts';
import {
  eventually,
  freePorts,
  type RedisCluster,
  requireBroker,
  startRedis,
  startRedisCluster,
} from '../brokers/index.ts';

const { skip } = requireBroker('redis-server');
const READ = { isRead: true };
const around = { clock: systemClock, random: systemRandom(), logger: silentLogger };

async function opened(cluster: RedisCluster, more: Partial<RedisUrl> = {}): Promise<Opened> {
  const topology = await openTopology({ ...urlOf(cluster.nodes.map(({ port }) => port)), ...more }, around);
  const router = openRouter(topology, around);
  const close = async (): Promise<void> => {
    await router.close();
    await topology.close();
  };
  return { topology, router, [Symbol.asyncDispose]: close };
}

interface Opened extends AsyncDisposable {
  readonly topology: Topology;
  readonly router: Router;
}

function urlOf(ports: readonly number[]): RedisUrl {
  const addresses = ports.map((port) => ({ host: '127.0.0.1', port }));
  return { kind: 'redis', mode: 'cluster', addresses, db: 0, tls: false, readReplica: false };
}

describe.skipIf(skip)('a cluster with replicas', () => {
  it.each(['killed', 'frozen'])(
    'goes on within 2 s after the replica of a %s master was promoted',
    async (how) => {
      await using cluster = await startRedisCluster({ masters: 3, replicas: 1 });
      await using gateway = await opened(cluster);
      const { topology, router } = gateway;
      const slot = 0;
      const key = `{${tagOf(slot)}}n`;
      const victim = await cluster.masterOf(slot);
      const origin = topology.nodeOf(slot)?.origin;
      const changes: string[] = [];
      router.onChange = ({ kind, node }) => void changes.push(`${kind} ${node.name}`);
      const told = { applied: 0, uncertain: 0, unavailable: 0, reads: 0 };
      const load = { goesOn: true };
      using _end = { [Symbol.dispose]: () => void (load.goesOn = false) };
      const running = [
        incrementing(router, { slot, key, told, load }),
        reading(router, { slot, told, load }),
      ];
      await eventually('writes run', () => told.applied > 100);
      await victim.control.call('WAIT', 1, 1000);
      if (how === 'killed') await cluster.kill(victim);
      else cluster.freeze(victim);
      const heir = await eventually('a replica was promoted', async () => {
        const node = await cluster.masterOf(slot).catch(() => undefined);
        return node === undefined || node.id === victim.id ? undefined : node;
      });
      const promotedAt = Date.now();
      const before = told.applied;
      await eventually('writes run again', () => told.applied > before);
      expect(Date.now() - promotedAt).toBeLessThan(2000);
      load.goesOn = false;
      await Promise.all(running);
      expect(topology.nodeOf(slot)?.name).toBe(`127.0.0.1:${heir.port}`);
      expect(topology.nodeOf(slot)?.origin).not.toBe(origin);
      expect(changes).toContain(`origin 127.0.0.1:${heir.port}`);
      const value = Number(plainReply(await router.call(slot, ['GET', key], READ)));
      // Asynchronous replication may lose the last ones; none is applied twice.
      expect(value).toBeLessThanOrEqual(told.applied + told.uncertain);
      await eventually('the dead node has left', () =>
        topology.nodes.every(({ name }) => name !== `127.0.0.1:${victim.port}`),
      );
      // The old master comes back as a replica.
      if (how === 'killed') await cluster.restart(victim);
      else cluster.thaw(victim);
      expect(plainReply(await router.call(slot, ['SET', key, 'x']))).toBe('OK');
    },
  );

  it('reads from replicas where asked for, and from masters when they are gone', async () => {
    await using cluster = await startRedisCluster({ masters: 3, replicas: 1 });
    await using gateway = await opened(cluster, { readReplica: true });
    const { router } = gateway;
    const key = `{${tagOf(0)}}k`;
    const master = await cluster.masterOf(0);
    const replica = await eventually('its replica', async () => {
      for (const node of cluster.nodes)
        if (String(await node.control.call('INFO', 'replication')).includes(`master_port:${master.port}`))
          return node;
      return undefined;
    });
    await router.call(0, ['SET', key, 'v']);
    const gets = async (): Promise<number> =>
      Number(
        /cmdstat_get:calls=(\d+)/.exec(String(await replica.control.call('INFO', 'commandstats')))?.[1] ?? 0,
      );
    await eventually('the replica answers', async () => {
      await replicaGet(router, key);
      return (await gets()) > 0;
    });
    expect(await eventually('it has the value', () => replicaGet(router, key))).toContain('v');
    await cluster.kill(replica);
    expect(await replicaGet(router, key)).toBe('$1\r\nv\r\n');
  });
});

describe.skipIf(skip)('opening a cluster', () => {
  it('works with a password, and says when it is wrong', async () => {
    await using cluster = await startRedisCluster({
      masters: 3,
      flags: ['--requirepass', 'secret', '--masterauth', 'secret'],
    });
    await using gateway = await opened(cluster, { password: 'secret' });
    expect(plainReply(await gateway.router.call(slotOf('k'), ['SET', 'k', 'v']))).toBe('OK');
    await expect(opened(cluster, { password: 'wrong' })).rejects.toMatchObject({ code: 'REDIS_AUTH' });
    await expect(opened(cluster)).rejects.toMatchObject({ code: 'REDIS_AUTH' });
  });

  it('works with TLS, also where slots move', async () => {
    await using cluster = await startRedisCluster({ masters: 3, tls: true });
    const url = { ...urlOf(cluster.nodes.map(({ tlsPort }) => tlsPort)), tls: true };
    const tls = { ca: testCertificate, servername: 'localhost' };
    const topology = await openTopology(url, { ...around, tls });
    const router = openRouter(topology, around);
    try {
      const slot = slotOf('k');
      expect(plainReply(await router.call(slot, ['SET', 'k', 'v']))).toBe('OK');
      const ports = topology.nodes.map(({ name }) => Number(name.split(':')[1])).toSorted();
      expect(ports).toEqual(cluster.nodes.map(({ tlsPort }) => tlsPort).toSorted());
      const from = cluster.nodes.find((one) => topology.nodeOf(slot)?.name.endsWith(`:${one.tlsPort}`));
      const to = cluster.nodes.find(({ id }) => id !== from?.id);
      if (from === undefined || to === undefined) throw new Error('no nodes');
      await cluster.beginMove(from, to, slot);
      await cluster.moveKeys(from, to, { slot });
      expect(plainReply(await router.call(slot, ['GET', 'k'], READ))).toBe('v');
      await cluster.endMove(from, to, slot);
      expect(plainReply(await router.call(slot, ['GET', 'k'], READ))).toBe('v');
      expect(router.refusals.get('ASK')).toBeGreaterThan(0);
      expect(topology.nodeOf(slot)?.name).toBe(`127.0.0.1:${to.tlsPort}`);
    } finally {
      await router.close();
      await topology.close();
    }
  });

  it('works where nodes announce host names, or nothing at all', async () => {
    const flags = ['--cluster-announce-hostname', 'localhost'];
    await using cluster = await startRedisCluster({ masters: 3, flags });
    for (const kind of ['hostname', 'unknown-endpoint', 'ip']) {
      for (const { control } of cluster.nodes)
        await control.call('CONFIG', 'SET', 'cluster-preferred-endpoint-type', kind);
      await using gateway = await opened(cluster);
      const { router, topology } = gateway;
      const host = kind === 'hostname' ? 'localhost' : '127.0.0.1';
      expect(topology.nodes.map(({ name }) => name.split(':')[0])).toEqual([host, host, host]);
      const from = await byPort(cluster, topology, 5);
      const to = cluster.nodes.find(({ id }) => id !== from.id) ?? from;
      expect(plainReply(await router.call(5, ['SET', tagOf(5), kind]))).toBe('OK');
      await cluster.beginMove(from, to, 5);
      await cluster.moveKeys(from, to, { slot: 5 });
      expect(plainReply(await router.call(5, ['GET', tagOf(5)], READ))).toBe(kind);
      await cluster.endMove(from, to, 5);
      expect(plainReply(await router.call(5, ['GET', tagOf(5)], READ))).toBe(kind);
    }
  });

  it('says what is wrong', async () => {
    await using plain = await startRedis();
    await expect(openTopology(urlOf([plain.port]), around)).rejects.toMatchObject({ code: 'REDIS_MODE' });
    const [nobody] = await freePorts(1);
    await expect(openTopology(urlOf([nobody]), { ...around, openTimeoutMs: 300 })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
    await expect(openTopology({ ...urlOf([nobody]), db: 1 }, around)).rejects.toMatchObject({
      code: 'REDIS_DB',
    });
  });
});

type Node = RedisCluster['nodes'][number];

async function byPort(cluster: RedisCluster, topology: Topology, slot: number): Promise<Node> {
  const port = Number(topology.nodeOf(slot)?.name.split(':')[1]);
  const node = cluster.nodes.find((one) => one.port === port);
  if (node === undefined) throw new Error(`no node at ${port}`);
  return node;
}

function replicaGet(router: Router, key: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const bytes = Buffer.from(`*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`, 'latin1');
    router.send(
      { slot: slotOf(key), bytes, count: 1, protocol: 2, isRead: true, replica: true },
      { replies: (reply) => resolve(reply.toString('latin1')), failed: () => reject(new Error('failed')) },
    );
  });
}

interface Told {
  applied: number;
  uncertain: number;
  unavailable: number;
  reads: number;
}

interface Work {
  readonly slot: number;
  readonly told: Told;
  readonly load: { goesOn: boolean };
}

async function incrementing(
  router: Router,
  { slot, key, told, load }: Work & { key: string },
): Promise<void> {
  while (load.goesOn) {
    try {
      const reply = await router.call(slot, ['INCR', key]);
      expect(reply.kind).toBe('integer');
      told.applied++;
    } catch (error) {
      if (!(error instanceof MqkvError)) throw error;
      expect(['UNCERTAIN', 'UNAVAILABLE']).toContain(error.code);
      if (error.code === 'UNCERTAIN') told.uncertain++;
      else told.unavailable++;
    }
  }
}

/** Reads may only fail because nobody was there for 2 s. */
async function reading(router: Router, { slot, told, load }: Work): Promise<void> {
  while (load.goesOn) {
    const reply = await router.call(slot, ['GET', tagOf(slot)], READ).catch((error: MqkvError) => error);
    if (reply instanceof Error) expect(reply.code).toBe('UNAVAILABLE');
    else told.reads++;
  }
}
