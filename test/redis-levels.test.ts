// WAIT, MQKV.ACK and gaps where a site has two gateways before one Redis; beside it a site with the embedded store.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom, silentLogger, systemClock } from '../src/base/index.ts';
import { createGateway, createRedisGateway } from '../src/commands/index.ts';
import { NoRepair, openReplication, type Replication } from '../src/replication/index.ts';
import { createServer, type Handler } from '../src/server/index.ts';
import { replicationHooks } from '../src/site/replication-face.ts';
import { openEmbeddedStore } from '../src/store/embedded/index.ts';
import type { Store } from '../src/store/index.ts';
import { openRedisStore } from '../src/store/redis/index.ts';
import { type Broker, eventually, requireBroker, startRedis } from './brokers/index.ts';
import { RawPeer } from './differential/peers.ts';
import { Hub } from './hub.ts';

const { skip } = requireBroker('redis-server');

interface Gateway {
  readonly peer: RawPeer;
  readonly replication: Replication;
  readonly store: Store;
  close(): Promise<void>;
}

const around = (seed: number) => ({ clock: systemClock, random: seededRandom(seed), logger: silentLogger });

/** Serves a store whose command face asks `hooks` of replication. */
async function serve(
  {
    hub,
    site,
    seed,
    store,
  }: { readonly hub: Hub; readonly site: string; readonly seed: number; readonly store: Store },
  open: (hooks: ReturnType<typeof replicationHooks>) => Handler & { close?(): void },
): Promise<Gateway> {
  let replication: Replication | undefined;
  const handler = open(replicationHooks(() => replication));
  const server = createServer({ handler, logger: silentLogger });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const repair = new NoRepair();
  const opened = await openReplication({
    ...around(seed),
    site,
    store,
    queue: hub.queueOf(site),
    address: () => '',
    onPublish: () => {},
    openers: { openRepair: () => repair, openBootstrap: () => repair },
  });
  replication = opened;
  const peer = await RawPeer.open(port);
  const close = async (): Promise<void> => {
    peer.close();
    await server.close({ graceMs: 100 });
    await opened.close(1_000);
    handler.close?.();
    await store.close();
  };
  return { peer, replication: opened, store, close };
}

async function heads({ peer }: Gateway, ...lines: string[]): Promise<string[]> {
  const replies = await peer.exchange(lines.map((line) => line.split(' ')));
  return replies.map(({ head }) => head);
}

describe.skipIf(skip !== false)(`two gateways before one Redis${skip === false ? '' : ` (${skip})`}`, () => {
  const hub = new Hub();
  let redis: Broker;
  let all: Gateway[] = [];

  beforeAll(async () => {
    redis = await startRedis();
    const store = openEmbeddedStore(around(1));
    all = [
      await serve({ hub, site: 'near', seed: 2, store }, (hooks) =>
        createGateway({ ...around(3), keyspace: store.keyspace, store, version: '0', ...hooks }),
      ),
    ];
    const address = { host: '127.0.0.1', port: redis.port };
    const url = { kind: 'redis', mode: 'standalone', addresses: [address] } as const;
    for (const seed of [10, 20]) {
      const one = await openRedisStore({
        ...around(seed),
        site: 'far',
        marks: true,
        url: { ...url, db: 0, tls: false, readReplica: false },
      });
      all.push(
        await serve({ hub, site: 'far', seed: seed + 1, store: one }, (hooks) =>
          createRedisGateway({ ...around(seed + 2), store: one, redis: one, version: '0', ...hooks }),
        ),
      );
    }
    const known = (): boolean =>
      all.every(({ replication }) => replication.membership.members().length === 1);
    await eventually('all hear of each other', known);
  }, 30_000);
  afterAll(async () => {
    for (const one of all) await one.close();
    await redis.stop();
  });

  it('WAIT counts the site once, whichever of its gateways got the message', async () => {
    for (let i = 0; i < 6; i++) expect(await heads(all[0], `SET k${i} v`, 'WAIT 1 0')).toEqual(['+OK', ':1']);
    expect(await heads(all[0], 'WAIT 2 20')).toEqual([':1']);
  });

  it('WAIT and MQKV.ACK over a Redis store', async () => {
    for (const gateway of all.slice(1)) {
      expect(await heads(gateway, 'SET from far', 'WAIT 1 0', 'INCR n', 'WAIT 1 0')).toEqual([
        '+OK',
        ':1',
        expect.stringMatching(/^:\d$/),
        ':1',
      ]);
      expect(await heads(gateway, 'MULTI', 'SET from x', 'WAIT 1 0', 'EXEC')).toEqual([
        '+OK',
        '+QUEUED',
        '+QUEUED',
        '*2',
      ]);
    }
    await eventually('the last write', async () => (await heads(all[0], 'GET from'))[0] === '$1\r\nx\r\n');
    expect(await heads(all[1], 'MQKV.ACK queue', 'SET a b', 'GET a', 'SET x')).toEqual([
      '+OK',
      '+OK',
      '$1\r\nb\r\n',
      "-ERR wrong number of arguments for 'set' command",
    ]);
    const { replication } = all[1];
    expect(replication.sender.acceptedSequence).toBeGreaterThan(0);
    hub.isRefusing = true;
    const { failures } = replication.sender.stats();
    all[1].peer.send([['MULTI'], ['SET', 'a', 'c'], ['EXEC']]);
    expect((await all[1].peer.take(2)).map(({ head }) => head)).toEqual(['+OK', '+QUEUED']);
    await eventually('a failure', () => replication.sender.stats().failures > failures);
    hub.isRefusing = false;
    expect((await all[1].peer.take(1)).map(({ head }) => head)).toEqual(['*1']);
    expect(await heads(all[1], 'RESET', 'SET a d')).toEqual(['+RESET', '+OK']);
  });

  it('raises no gap, and each gateway knows what the other applied', async () => {
    for (let i = 0; i < 200; i++) await heads(all[0], `SET m${i} v`);
    const { stream } = all[0].replication.sender;
    const { sender } = all[0].replication;
    await eventually('all is applied', () =>
      all.slice(1).every(({ replication }) => replication.receiver.applied()[stream] === sender.lastSequence),
    );
    for (const { replication } of all)
      expect(replication.receiver.stats()).toMatchObject({ gaps: 0, gapsLost: 0 });
    for (const { replication } of all.slice(1))
      expect(replication.receiver.stats().envelopes).toBeGreaterThan(10);
    const notes = await all[1].store.notes.read();
    expect(notes.has(`applied:${stream}`)).toBe(true);
    for (const { replication } of all.slice(1))
      expect(notes.has(`sent:${replication.sender.stream}`)).toBe(true);
  });

  it('a gateway that comes later knows what the others applied', async () => {
    const before = all[2];
    all = all.slice(0, 2);
    await before.close();
    const address = { host: '127.0.0.1', port: redis.port };
    const one = await openRedisStore({
      ...around(30),
      site: 'far',
      marks: true,
      url: { kind: 'redis', mode: 'standalone', addresses: [address], db: 0, tls: false, readReplica: false },
    });
    all.push(
      await serve({ hub, site: 'far', seed: 31, store: one }, (hooks) =>
        createRedisGateway({ ...around(32), store: one, redis: one, version: '0', ...hooks }),
      ),
    );
    const { stream, lastSequence } = all[0].replication.sender;
    await eventually(
      'the other has told',
      () => (all[2].replication.receiver.applied()[stream] ?? 0) >= lastSequence,
    );
  });
});
