// The router over a real cluster of three masters: every kind of key, resharding under load, MOVED, ASK, TRYAGAIN.
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger, systemClock, systemRandom } from '../../src/base/index.ts';
import { plainReply } from '../../src/resp/index.ts';
import { type AllNodes, openAllNodes } from '../../src/store/redis/all-nodes.ts';
import { openRouter, type Router } from '../../src/store/redis/router.ts';
import { slotOf, tagOf } from '../../src/store/redis/slots.ts';
import { openCluster } from '../../src/store/redis/topology/cluster.ts';
import type { Around, Topology } from '../../src/store/redis/topology/index.ts';
import type { Script } from '../../src/store/redis/scripts.ts';
import { type ClusterNode, type RedisCluster, requireBroker, startRedisCluster } from '../brokers/index.ts';

const { skip } = requireBroker('redis-server');
const READ = { isRead: true };
/** Several keys in one script, as writes have. */
const text = "return {redis.call('INCR', KEYS[1]), redis.call('HINCRBY', KEYS[2], ARGV[1], 1)}";
const counter: Script = { name: 'counter', text, sha1: createHash('sha1').update(text).digest('hex') };
const around: Around = {
  clock: systemClock,
  random: systemRandom(),
  logger: silentLogger,
  onReady: async (setup) => void (await setup.call(['SCRIPT', 'LOAD', text])),
};

describe.skipIf(skip)('a cluster of three masters', () => {
  let cluster: RedisCluster;
  let topology: Topology;
  let router: Router;
  let all: AllNodes;

  beforeAll(async () => {
    cluster = await startRedisCluster({ masters: 3 });
    const addresses = [{ host: '127.0.0.1', port: cluster.nodes[1].port }];
    topology = await openCluster(
      { kind: 'redis', mode: 'cluster', addresses, db: 0, tls: false, readReplica: false },
      around,
    );
    router = openRouter(topology, around);
    all = openAllNodes({ router, topology, ...around });
  });

  afterAll(async () => {
    await router?.close();
    await topology?.close();
    await cluster?.stop();
  });

  const call = async (
    key: string | Uint8Array,
    ...args: readonly (string | Uint8Array)[]
  ): Promise<unknown> => {
    const isRead = args[0] === 'GET' || args[0] === 'MGET';
    return plainReply(await router.call(slotOf(key), args, { isRead }));
  };
  const otherThan = (node: ClusterNode): ClusterNode =>
    cluster.nodes.find(({ id }) => id !== node.id) ?? node;

  it('knows three masters of different origins', () => {
    expect(topology.nodes.map(({ name }) => name).toSorted()).toEqual(
      cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).toSorted(),
    );
    expect(new Set(topology.nodes.map(({ origin }) => origin)).size).toBe(3);
  });

  it('reaches every kind of key name, and all slots', async () => {
    const long = 'x'.repeat(64 * 1024);
    const binary = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const names = ['a}b', '{}x', 'x{}y', '', '{a}{b}', '{', '}', 'a{b}c', long, binary, '{{a}}', '\r\n'];
    for (const name of names) expect(await call(name, 'SET', name, 'v')).toBe('OK');
    for (const name of names) expect(await call(name, 'GET', name)).toBe('v');
    const slots = Array.from({ length: 16_384 }, (_, slot) => slot);
    const results = await Promise.all(
      slots.map((slot) => call(tagOf(slot), 'SET', tagOf(slot), String(slot))),
    );
    expect(new Set(results)).toEqual(new Set(['OK']));
    const keys = await all.keys('*');
    expect(keys.length).toBe(names.length + 16_384);
    expect(await all.size()).toBe(keys.length);
  });

  it('follows MOVED', async () => {
    const slot = slotOf('moved');
    await call('moved', 'SET', 'moved', '1');
    const from = await cluster.masterOf(slot);
    const to = otherThan(from);
    await cluster.moveSlots(from, to, [slot]);
    expect(await call('moved', 'GET', 'moved')).toBe('1');
    expect(topology.nodeOf(slot)?.name).toBe(`127.0.0.1:${to.port}`);
    await cluster.moveSlots(to, from, [slot]);
  });

  it('follows ASK, key by key', async () => {
    const slot = slotOf('{ask}');
    const from = await cluster.masterOf(slot);
    const to = otherThan(from);
    await call('{ask}', 'SET', '{ask}1', 'one');
    await call('{ask}', 'SET', '{ask}2', 'two');
    await cluster.beginMove(from, to, slot);
    await cluster.moveKeys(from, to, { slot, keys: ['{ask}1'] });
    expect(await call('{ask}', 'GET', '{ask}1')).toBe('one');
    expect(await call('{ask}', 'GET', '{ask}2')).toBe('two');
    expect(await call('{ask}', 'SET', '{ask}3', 'new')).toBe('OK');
    expect(await to.control.call('CLUSTER', 'COUNTKEYSINSLOT', slot)).toBe(2);
    expect(topology.nodeOf(slot)?.name).toBe(`127.0.0.1:${from.port}`);
    const keys = (await all.keys('{ask}*')).map(String).toSorted();
    expect(keys).toEqual(['{ask}1', '{ask}2', '{ask}3']);
    expect(new Set(await scanned(all, ['MATCH', '{ask}*']))).toEqual(new Set(keys));
    await cluster.moveKeys(from, to, { slot });
    await cluster.endMove(from, to, slot);
    await cluster.moveSlots(to, from, [slot]);
  });

  it('waits out TRYAGAIN', async () => {
    const slot = slotOf('{try}');
    const from = await cluster.masterOf(slot);
    const to = otherThan(from);
    await call('{try}', 'MSET', '{try}1', 'one', '{try}2', 'two');
    await cluster.beginMove(from, to, slot);
    await cluster.moveKeys(from, to, { slot, keys: ['{try}1'] });
    const both = call('{try}', 'MGET', '{try}1', '{try}2');
    const write = call('{try}', 'MSET', '{try}1', 'ONE', '{try}2', 'TWO');
    const single = call('{try}', 'GET', '{try}1'); // behind them, so it waits too
    const reply = await from.control.reply('MGET', '{try}1', '{try}2');
    expect(reply).toMatchObject({ kind: 'error', text: expect.stringMatching(/^TRYAGAIN/) });
    await cluster.moveKeys(from, to, { slot });
    await cluster.endMove(from, to, slot);
    expect(await both).toEqual(['one', 'two']);
    expect(await write).toBe('OK');
    expect(await single).toBe('ONE');
    await cluster.moveSlots(to, from, [slot]);
  });

  it('loses and reorders nothing while slots move back and forth', async () => {
    const [from, to] = [await cluster.masterOf(0), otherThan(await cluster.masterOf(0))];
    const slots = Array.from({ length: 16 }, (_, slot) => slot);
    const moving = { goesOn: true };
    const load = slots.flatMap((slot) => [appending(router, slot, moving), counting(router, slot, moving)]);
    const moves = async (): Promise<void> => {
      for (let round = 0; round < 3; round++) {
        await cluster.moveSlots(from, to, slots, 1);
        await cluster.moveSlots(to, from, slots, 1);
      }
      moving.goesOn = false;
    };
    const [, ...done] = await Promise.all([moves(), ...load]);
    expect(done.reduce((sum, n) => sum + n, 0)).toBeGreaterThan(1000);
    expect(['MOVED', 'ASK', 'TRYAGAIN'].filter((code) => !router.refusals.has(code))).toEqual([]);
  });

  it('scans to the end and finds what stayed while slots move', async () => {
    const before = new Set((await all.keys('*')).map((key) => key.toString('latin1')));
    const [from, to] = [await cluster.masterOf(100), otherThan(await cluster.masterOf(100))];
    const slots = Array.from({ length: 60 }, (_, slot) => 100 + slot);
    const moving = cluster.moveSlots(from, to, slots);
    const found = new Set(await scanned(all, ['COUNT', '500']));
    await moving;
    // Reads bring the router's picture up to date.
    for (const slot of slots) await call(tagOf(slot), 'GET', tagOf(slot));
    expect([...before].filter((key) => !found.has(key))).toEqual([]);
    await cluster.moveSlots(to, from, slots);
  });
});

async function scanned(all: AllNodes, options: readonly string[]): Promise<string[]> {
  const keys: string[] = [];
  let cursor = '0';
  do {
    const page = await all.scan(cursor, options);
    if (page.kind === 'error') throw new Error(page.text);
    keys.push(...page.keys.map((key) => key.toString('latin1')));
    cursor = page.cursor;
  } while (cursor !== '0');
  return keys;
}

/** Pipelines of APPENDs and reads: each reply must be the one that its place demands. Result: how many. */
async function appending(router: Router, slot: number, moving: { goesOn: boolean }): Promise<number> {
  const key = `{${tagOf(slot)}}log`;
  let length = 0;
  for (let round = 0; moving.goesOn; round++) {
    const replies: Promise<unknown>[] = [];
    const expected: unknown[] = [];
    for (let i = 0; i < 5; i++) {
      replies.push(router.call(slot, ['APPEND', key, 'x']).then(plainReply));
      expected.push(++length);
      replies.push(router.call(slot, ['STRLEN', key], READ).then(plainReply));
      expected.push(length);
    }
    expect(await Promise.all(replies)).toEqual(expected);
  }
  return length;
}

/** A counter through a script with several keys, as writes are. */
async function counting(router: Router, slot: number, moving: { goesOn: boolean }): Promise<number> {
  const keys = [`{${tagOf(slot)}}n`, `mqkv:{${tagOf(slot)}}`];
  let count = 0;
  while (moving.goesOn) {
    const three = [1, 2, 3].map(() => router.script(slot, counter, { keys, args: ['f'] }).then(plainReply));
    expect(await Promise.all(three)).toEqual([1, 2, 3].map(() => [++count, count]));
  }
  return count;
}
