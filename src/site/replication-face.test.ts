// WAIT, MQKV.ACK, MQKV.FREEZE, MQKV.SITES, MQKV.LAG, MQKV.TRACE through a real gateway, between sites over a queue in memory.
import { afterEach, expect, test } from 'vitest';
import { RawPeer, startLocal } from '../../test/differential/peers.ts';
import { seededRandom, silentLogger, systemClock } from '../base/index.ts';
import { createGateway } from '../commands/index.ts';
import type { Queue, QueueMessage } from '../queue/index.ts';
import { NoRepair, openReplication, type Replication } from '../replication/index.ts';
import { createServer } from '../server/index.ts';
import { type EmbeddedStore, openEmbeddedStore } from '../store/embedded/index.ts';
import { replicationHooks, sitesJson } from './replication-face.ts';

interface Running {
  readonly port: number;
  readonly store: EmbeddedStore;
  close(): Promise<void>;
  readonly replication: Replication;
  readonly peer: RawPeer;
}

/** Hands every message to every site, unless it is held. */
class Hub {
  readonly #handlers: ((message: QueueMessage) => void)[] = [];
  isRefusing = false;
  acknowledged = 0;

  queue(): Queue {
    return {
      name: 'hub',
      capabilities: { ordered: true, replayable: false, durableAck: true, maxMessageBytes: 1_000_000 },
      publish: async (body) => {
        if (this.isRefusing) throw new Error('away');
        for (const handle of this.#handlers)
          setImmediate(() =>
            handle({
              body: Buffer.from(body),
              attempts: 1,
              requeue: () => {},
              touch: () => {},
              ack: () => this.acknowledged++,
            }),
          );
      },
      subscribe: async (handler) => void this.#handlers.push(handler),
      stats: () => Promise.reject(new Error('not asked')),
      brokers: () => [],
      close: async () => {},
      [Symbol.asyncDispose]: async () => {},
    };
  }
}

const running: Running[] = [];

async function start(hub: Hub, site: string): Promise<Running> {
  const around = { clock: systemClock, random: seededRandom(running.length + 20), logger: silentLogger };
  const store = openEmbeddedStore(around);
  let replication: Replication | undefined;
  const handler = createGateway({
    ...around,
    keyspace: store.keyspace,
    store,
    version: '0.0.0',
    ...replicationHooks(() => replication),
  });
  const server = createServer({ handler, logger: silentLogger });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  replication = await openReplication({
    ...around,
    site,
    store,
    queue: hub.queue(),
    address: () => `127.0.0.1:${port}`,
    onPublish: () => {},
    openers: { openRepair: () => new NoRepair(), openBootstrap: () => new NoRepair() },
  });
  const close = async (): Promise<void> => {
    await server.close({ graceMs: 100 });
    await store.close();
  };
  const one = { port, store, close, replication, peer: await RawPeer.open(port) };
  running.push(one);
  return one;
}

/** Replies, flattened into words. */
async function say({ peer }: { readonly peer: RawPeer }, ...lines: string[]): Promise<string[]> {
  const replies = await peer.exchange(lines.map((line) => line.split(' ')));
  return replies.map((reply) => JSON.stringify(reply));
}

async function heads({ peer }: { readonly peer: RawPeer }, ...lines: string[]): Promise<string[]> {
  const replies = await peer.exchange(lines.map((line) => line.split(' ')));
  return replies.map(({ head }) => head);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

afterEach(async () => {
  for (const { peer, replication, close } of running.splice(0)) {
    peer.close();
    await replication.close(0);
    await close();
  }
});

/** Two sites that have heard of each other. */
async function two(): Promise<[Running, Running, Hub]> {
  const hub = new Hub();
  const a = await start(hub, 'a');
  const b = await start(hub, 'b');
  await until(
    () => a.replication.membership.members().length === 1 && b.replication.membership.members().length === 1,
  );
  return [a, b, hub];
}

test('WAIT counts the sites that have the writes; inside MULTI it does not wait', async () => {
  const [a, b] = await two();
  expect(await heads(a, 'SET k v', 'WAIT 1 0')).toEqual(['+OK', ':1']);
  expect(await heads(b, 'GET k')).toEqual(['$1\r\nv\r\n']);
  expect(await heads(a, 'WAIT 2 50', 'WAIT 0 0')).toEqual([':1', ':1']);
  expect(await heads(a, 'MULTI', 'SET k w', 'WAIT 9 0', 'EXEC')).toEqual(['+OK', '+QUEUED', '+QUEUED', '*2']);
});

test('MQKV.ACK queue: writes are answered when the queue has them, reads at once; RESET ends it', async () => {
  const [a, , hub] = await two();
  expect(await heads(a, 'MQKV.ACK queue', 'SET k v', 'GET k')).toEqual(['+OK', '+OK', '$1\r\nv\r\n']);
  expect(a.replication.sender.acceptedSequence).toBeGreaterThan(0);
  hub.isRefusing = true;
  a.peer.send([['SET', 'k', 'w']]);
  await until(() => a.replication.sender.stats().failures > 0);
  const other = await RawPeer.open(a.port);
  expect(await heads({ peer: other }, 'GET k', 'SET m v')).toEqual(['$1\r\nw\r\n', '+OK']);
  other.close();
  hub.isRefusing = false;
  expect((await a.peer.take(1)).map(({ head }) => head)).toEqual(['+OK']);
  hub.isRefusing = true;
  expect(await heads(a, 'RESET', 'SET k x', 'MQKV.ACK local', 'MQKV.ACK some')).toEqual([
    '+RESET',
    '+OK',
    '+OK',
    '-ERR syntax error',
  ]);
  hub.isRefusing = false;
});

test('MQKV.ACK queue without an answer of the queue: UNCERTAIN in place of the reply, of EXEC too', async () => {
  const asked: number[] = [];
  const face = {
    accepted: async (timeoutMs: number) => {
      asked.push(timeoutMs);
      return false;
    },
    freeze: () => {},
    sites: () => [],
    lags: () => [],
  };
  const local = await startLocal({ replication: () => face });
  const peer = await RawPeer.open(local.port);
  const uncertain = '-UNCERTAIN the write is done at this site; the queue has not accepted it within 5 s';
  expect(
    await heads({ peer }, 'MQKV.ACK queue', 'SET k v', 'GET k', 'SET k', 'MULTI', 'INCR n', 'EXEC', 'GET n'),
  ).toEqual([
    '+OK',
    uncertain,
    '$1\r\nv\r\n',
    "-ERR wrong number of arguments for 'set' command",
    '+OK',
    '+QUEUED',
    uncertain,
    '$1\r\n1\r\n',
  ]);
  expect(asked).toEqual([5_000, 5_000]);
  peer.close();
  await local.close();
});

test('MQKV.FREEZE: nothing is merged and acknowledged, or published, until it is off', async () => {
  const [a, b, hub] = await two();
  expect(await heads(b, 'MQKV.FREEZE in', 'MQKV.FREEZE no')).toEqual(['+OK', '-ERR syntax error']);
  expect(await heads(a, 'SET k v')).toEqual(['+OK']);
  await until(() => a.replication.sender.empty);
  const before = hub.acknowledged;
  await until(() => hub.acknowledged > before);
  expect(await heads(b, 'GET k')).toEqual(['$-1']);
  expect(await heads(b, 'MQKV.FREEZE off', 'MQKV.FREEZE out', 'SET m w')).toEqual(['+OK', '+OK', '+OK']);
  await until(() => b.replication.receiver.stats().envelopes > 0);
  expect(await heads(b, 'GET k')).toEqual(['$1\r\nv\r\n']);
  expect(await heads(a, 'SET k2 v', 'WAIT 1 100')).toEqual(['+OK', ':0']);
  expect(await heads(a, 'GET m')).toEqual(['$-1']);
  expect(await heads(b, 'MQKV.FREEZE off')).toEqual(['+OK']);
  await until(() => a.replication.receiver.stats().envelopes > 0);
  expect(await heads(a, 'GET m')).toEqual(['$1\r\nw\r\n']);
});

test('MQKV.SITES, MQKV.LAG and /api/v1/sites tell of every site and pair', async () => {
  const [a, b] = await two();
  await heads(a, 'SET k v', 'WAIT 1 0');
  const [sites, lag] = await say(a, 'MQKV.SITES', 'MQKV.LAG');
  for (const word of ['"a"', '"b"', b.store.id, a.store.id, `127.0.0.1:${b.port}`, 'skew_ms', 'complete'])
    expect(sites.includes(word.replaceAll('"', '')), word).toBe(true);
  expect(lag).toContain('envelopes');
  await until(() => a.replication.lags().every(({ ms }) => ms !== null));
  const json = JSON.parse(JSON.stringify(sitesJson('a', a.replication)));
  expect(json).toMatchObject({
    site: 'a',
    sites: [
      { site: 'a', self: true, store: a.store.id, complete: true, loading: false },
      { site: 'b', self: false, address: `127.0.0.1:${b.port}`, outbox_empty: true },
    ],
    lags: [
      { from: 'a', to: 'b', envelopes: 0 },
      { from: 'b', to: 'a', envelopes: 0 },
    ],
    frozen: { in: false, out: false },
  });
  expect(await heads(a, 'HELLO 3', 'MQKV.LAG')).toEqual(['%7', '*2']);
});

test('a site alone refuses what is about others; MQKV.TRACE shows a key, also inside MULTI', async () => {
  const local = await startLocal(replicationHooks(() => undefined));
  const peer = await RawPeer.open(local.port);
  const alone = '-ERR this site has no queue';
  expect(
    await heads(
      { peer },
      'MQKV.ACK queue',
      'MQKV.FREEZE in',
      'MQKV.SITES',
      'MQKV.LAG',
      'WAIT 1 0',
      'MQKV.ACK local',
    ),
  ).toEqual([alone, alone, alone, alone, ':0', '+OK']);
  expect(await heads({ peer }, 'MQKV.TRACE k', 'SET k v', 'MQKV.TRACE k')).toEqual(['*0', '+OK', '*3']);
  const [, , trace] = await say({ peer }, 'MULTI', 'MQKV.TRACE k', 'EXEC');
  expect(trace).toContain(local.store.origin.toString(16).padStart(8, '0'));
  peer.close();
  await local.close();
});
