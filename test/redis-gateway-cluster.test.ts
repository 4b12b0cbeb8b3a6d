// The command face over a Redis Cluster: keys of several slots, all keys, waiting, channels, transactions, scripts, also while a slot moves.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../src/base/index.ts';
import { check } from '../src/commands/dispatch.ts';
import { keyPositions } from '../src/commands/spec.ts';
import { slotOf } from '../src/store/redis/slots.ts';
import {
  type Broker,
  eventually,
  type RedisCluster,
  requireBroker,
  startRedis,
  startRedisCluster,
} from './brokers/index.ts';
import { RawPeer } from './differential/peers.ts';
import { canonical, type Node } from './differential/replies.ts';
import { GENERATORS, type Words } from './differential/streams.ts';
import { GENERATORS_ON_REDIS } from './differential/streams-on-redis.ts';
import { type LocalRedisGateway, startRedisGateway } from './redis-gateway.ts';

const { skip } = requireBroker('redis-server');
const PIPELINE = 20;
const COMMANDS = 600;

function text({ head, items }: Node): string {
  const line = head.replace(/\r\n$/, '').replace('\r\n', ' ');
  return items.length === 0 ? line : `${line}(${items.map(text).join('|')})`;
}

describe.skipIf(skip !== false)(`gateways over one cluster${skip === false ? '' : ` (${skip})`}`, () => {
  let cluster: RedisCluster;
  let plain: Broker;
  let gateways: readonly [LocalRedisGateway, LocalRedisGateway];
  let peers: RawPeer[] = [];

  beforeAll(async () => {
    [cluster, plain] = await Promise.all([startRedisCluster({ masters: 3 }), startRedis()]);
    const ports = cluster.nodes.map(({ port }) => port);
    gateways = [await startRedisGateway(ports), await startRedisGateway(ports)];
  });
  afterAll(async () => {
    for (const gateway of gateways ?? []) await gateway.close();
    await Promise.all([cluster.stop(), plain.stop()]);
  });
  beforeEach(async () => {
    for (const peer of peers) peer.close();
    peers = [];
    await ask(await client(), 'FLUSHALL');
  });

  async function client(which: 0 | 1 = 0): Promise<RawPeer> {
    const peer = await RawPeer.open(gateways[which].port);
    peers.push(peer);
    return peer;
  }

  async function ask(peer: RawPeer, ...words: string[]): Promise<string> {
    const [reply] = await peer.exchange([words]);
    return text(reply);
  }

  async function next(peer: RawPeer): Promise<string> {
    const [reply] = await peer.take(1);
    return text(reply);
  }

  async function waiting(count: number): Promise<void> {
    const peer = await client();
    await eventually(`${count} clients wait`, async () =>
      (await ask(peer, 'INFO', 'clients')).includes(`blocked_clients:${count}\r\n`),
    );
  }

  it('splits commands by slot and joins their replies in order', async () => {
    const a = await client();
    const names = Array.from({ length: 50 }, (_, i) => `key:${i}`);
    expect(new Set(names.map(slotOf)).size).toBeGreaterThan(40);
    expect(await ask(a, 'MSET', ...names.flatMap((name, i) => [name, String(i)]))).toBe('+OK');
    const got = await ask(a, 'MGET', ...names, 'missing', 'key:7');
    expect(got).toBe(
      `*52(${[...names.map((_, i) => `$${String(i).length} ${i}`), '$-1', '$1 7'].join('|')})`,
    );
    expect(await ask(a, 'EXISTS', ...names, 'key:1', 'none')).toBe(':51');
    expect(await ask(a, 'TOUCH', ...names)).toBe(':50');
    expect(await ask(a, 'DEL', ...names.slice(0, 20), 'none')).toBe(':20');
    expect(await ask(a, 'UNLINK', ...names)).toBe(':30');
    expect(await ask(a, 'MSET', 'a', '1', 'b')).toContain('wrong number of arguments');
    for (const words of [
      ['MSETNX', 'a', '1', 'b', '2'],
      ['SINTER', 'a', 'b'],
      ['RENAME', 'a', 'b'],
      ['EVAL', 'return 1', '2', 'a', 'b'],
      ['BLPOP', 'a', 'b', '0'],
    ])
      expect(await ask(a, ...words), words[0]).toBe("-CROSSSLOT Keys in request don't hash to the same slot");
    expect(await ask(a, 'DEL', 'a', 'mqkv:x')).toContain('reserved');
  });

  it('one client reads what it wrote, whatever the slots of a pipeline', async () => {
    const a = await client();
    const commands: string[][] = [];
    for (let i = 0; i < 300; i++)
      commands.push(['SET', `k${i % 50}`, String(i)], ['GET', `k${i % 50}`], ['MGET', `k${i % 50}`, 'none']);
    const replies = await a.exchange(commands);
    for (let i = 0; i < 300; i++) {
      const bulk = `$${String(i).length} ${i}`;
      expect([text(replies[i * 3 + 1]), text(replies[i * 3 + 2])]).toEqual([bulk, `*2(${bulk}|$-1)`]);
    }
  });

  it('goes through the keys of all nodes', async () => {
    const a = await client();
    const names = Array.from({ length: 200 }, (_, i) => `key:${i}`);
    await a.exchange(names.map((name) => ['HSET', name, 'f', 'v']));
    expect(await ask(a, 'DBSIZE')).toBe(':200');
    const found = new Set<string>();
    let cursor = '0';
    do {
      const [reply] = await a.exchange([['SCAN', cursor, 'COUNT', '30']]);
      cursor = text(reply.items[0]).split(' ')[1];
      for (const item of reply.items[1].items) found.add(text(item).split(' ')[1]);
    } while (cursor !== '0');
    expect([...found].sort()).toEqual(names.sort());
    expect((await ask(a, 'KEYS', 'key:1?')).split('|').length).toBe(10);
    expect(await ask(a, 'RANDOMKEY')).toContain('key:');
    expect(await ask(a, 'INFO', 'keyspace')).toContain('db0:keys=200');
    expect(await ask(a, 'FLUSHALL')).toBe('+OK');
    expect(await ask(a, 'DBSIZE')).toBe(':0');
  });

  it('transactions and scripts of one slot, texts known everywhere', async () => {
    const [a, b] = [await client(), await client(1)];
    const replies = await a.exchange([
      ['MULTI'],
      ['SET', '{t}a', '1'],
      ['INCR', '{t}a'],
      ['GET', '{t}a'],
      ['EXEC'],
    ]);
    expect(text(replies[4])).toBe('*3(+OK|:2|$1 2)');
    const reads = await a.exchange([['MULTI'], ['GET', '{t}a'], ['TYPE', '{t}none'], ['EXEC']]);
    expect(text(reads[3])).toBe('*2($1 2|+none)');
    const crossed = await a.exchange([['MULTI'], ['SET', 'a', '1'], ['SET', 'b', '1'], ['EXEC']]);
    expect(text(crossed[3])).toContain('CROSSSLOT');
    expect(await ask(a, 'WATCH', 'a', 'b')).toContain('CROSSSLOT');
    await a.exchange([['WATCH', '{t}a'], ['MULTI'], ['SET', '{t}b', '1']]);
    await ask(b, 'SET', '{t}a', 'x');
    expect(await ask(a, 'EXEC')).toBe('*-1');
    const sha = (await ask(a, 'SCRIPT', 'LOAD', 'return redis.call("INCRBY", KEYS[1], ARGV[1])')).split(
      ' ',
    )[1];
    for (const name of ['x', 'y', 'z', 'w']) expect(await ask(b, 'EVALSHA', sha, '1', name, '5')).toBe(':5');
    expect(await ask(b, 'SCRIPT', 'FLUSH')).toBe('+OK');
    expect(await ask(a, 'SCRIPT', 'EXISTS', sha)).toBe('*1(:0)');
  });

  it('waits at every node, channels reach every gateway, tracking tells of every node', async () => {
    const [a, b, writer] = [await client(), await client(), await client(1)];
    const lists = ['l1', 'l2', 'l3', 'l4', 'l5', 'l6'];
    const waiters = await Promise.all(lists.map(() => client()));
    waiters.forEach((peer, i) => peer.send([['BLPOP', lists[i], '0']]));
    await waiting(lists.length);
    await writer.exchange(lists.map((list) => ['RPUSH', list, 'x']));
    for (const [i, peer] of waiters.entries()) expect(await next(peer)).toBe(`*2($2 ${lists[i]}|$1 x)`);
    await ask(a, 'SUBSCRIBE', 'news');
    await ask(b, 'SSUBSCRIBE', 'shard');
    await ask(writer, 'PUBLISH', 'news', 'm');
    await ask(writer, 'SPUBLISH', 'shard', 'm');
    expect(await next(a)).toBe('*3($7 message|$4 news|$1 m)');
    expect(await next(b)).toBe('*3($8 smessage|$5 shard|$1 m)');
    const tracker = await client();
    await ask(tracker, 'HELLO', '3');
    await tracker.exchange([
      ['CLIENT', 'TRACKING', 'ON'],
      ['GET', 'x'],
      ['GET', 'y'],
      ['GET', 'z'],
    ]);
    await writer.exchange([
      ['SET', 'x', '1'],
      ['SET', 'y', '1'],
      ['SET', 'z', '1'],
    ]);
    const told = [await next(tracker), await next(tracker), await next(tracker)];
    expect(told.sort()).toEqual(['x', 'y', 'z'].map((name) => `>2($10 invalidate|*1($1 ${name}))`));
  });

  it('who waits for a key is served after its slot has moved', async () => {
    const [a, writer] = [await client(), await client(1)];
    const slot = slotOf('moving');
    const from = await cluster.masterOf(slot);
    const to = cluster.nodes.find((node) => node.id !== from.id);
    if (to === undefined) throw new Error('another node');
    a.send([['BLPOP', 'moving', '0']]);
    await waiting(1);
    await cluster.moveSlots(from, to, [slot]);
    await ask(writer, 'RPUSH', 'moving', 'x');
    expect(await next(a)).toBe('*2($6 moving|$1 x)');
    await cluster.moveSlots(to, from, [slot]);
  });

  /** What a cluster does not allow, or answers otherwise. */
  function isOut(words: Words): boolean {
    const name = words[0].toUpperCase();
    return name === 'SCAN' || (name.startsWith('SORT') && words.some((word) => /^(by|get)$/i.test(word)));
  }

  /** The same command with all its keys in one slot. */
  function inOneSlot(words: Words): Words {
    const args = { argc: words.length, text: (a: number) => words[a] };
    const { spec } = check(args, 'redis');
    const keys = spec?.keys.map((key) => ({ ...spec, keys: [key] })) ?? [];
    const positions = new Set(keys.flatMap((each) => keyPositions(each, args) ?? []));
    return words.map((word, i) => (positions.has(i) ? `{t}${word}` : word));
  }

  const ALL = [...GENERATORS, ...GENERATORS_ON_REDIS].filter(
    ({ name }) => name !== 'connection' && !name.startsWith('transactions'),
  );
  it.each(ALL.map((generator) => [generator.name, generator] as const))(
    'replies like redis-server in random streams of one slot: %s',
    async (_name, generator) => {
      const random = seededRandom(11);
      const [mine, theirs] = [await client(), await RawPeer.open(plain.port)];
      await theirs.exchange([['FLUSHALL']]);
      for (let sent = 0; sent < COMMANDS; sent += PIPELINE) {
        const drawn = Array.from({ length: PIPELINE }, () => generator.next(random));
        const commands = drawn.filter((words) => !isOut(words)).map(inOneSlot);
        const [ours, expected] = await Promise.all([mine.exchange(commands), theirs.exchange(commands)]);
        for (const [i, words] of commands.entries())
          expect(canonical(words, ours[i]), JSON.stringify(commands.slice(0, i + 1))).toBe(
            canonical(words, expected[i]),
          );
      }
      theirs.close();
    },
  );
});
