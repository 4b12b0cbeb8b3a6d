// Writes through the store to a real cluster while their slots move: each is whole (data, version, mark) and counted once.
import { describe, expect, it } from 'vitest';
import { silentLogger, systemClock, systemRandom } from '../../src/base/index.ts';
import { plainReply } from '../../src/resp/index.ts';
import { openRedisStore, type RedisStore } from '../../src/store/redis/redis-store.ts';
import { slotKey, tagOf } from '../../src/store/redis/slots.ts';
import { runUnit } from '../../src/store/redis/testing.ts';
import { requireBroker, startRedisCluster } from '../brokers/index.ts';

const { skip } = requireBroker('redis-server');
const READ = { isRead: true };

describe.skipIf(skip)('writes while slots move', () => {
  it('leaves nothing half written', async () => {
    await using cluster = await startRedisCluster({ masters: 3 });
    await using store = await openRedisStore({
      url: {
        kind: 'redis',
        mode: 'cluster',
        addresses: [{ host: '127.0.0.1', port: cluster.nodes[0].port }],
        db: 0,
        tls: false,
        readReplica: false,
      },
      clock: systemClock,
      random: systemRandom(),
      logger: silentLogger,
      site: 'a',
      marks: true,
      isWalking: false,
    });
    const slots = Array.from({ length: 6 }, (_, slot) => slot);
    const load = { goesOn: true };
    const writers = slots.flatMap((slot) => [0, 1].map((i) => write(store, { slot, i, load })));
    const from = await cluster.masterOf(0);
    const to = cluster.nodes.find(({ id }) => id !== from.id) ?? from;
    const moves = async (): Promise<void> => {
      for (let round = 0; round < 2; round++) {
        await cluster.moveSlots(from, to, slots, 1);
        await cluster.moveSlots(to, from, slots, 1);
      }
      load.goesOn = false;
    };
    const [, ...done] = await Promise.all([moves(), ...writers]);
    expect(done.reduce((sum, { writes }) => sum + writes, 0)).toBeGreaterThan(300);
    expect(['MOVED', 'TRYAGAIN'].filter((code) => !store.router.refusals.has(code))).toEqual([]);
    for (const one of done) await check(store, one);
  });
});

interface Written {
  readonly slot: number;
  /** Counter, string, hash: all in the slot. */
  readonly names: readonly [string, string, string];
  readonly writes: number;
  readonly count: number;
  readonly value: string;
}

/** Pipelines of writes and reads; each reply must be the one that its place demands. */
async function write(
  store: RedisStore,
  { slot, i, load }: { slot: number; i: number; load: { goesOn: boolean } },
): Promise<Written> {
  const name = (what: string): string => `{${tagOf(slot)}}${what}${i}`;
  const [counter, text, hash] = [name('n'), name('s'), name('h')];
  let [count, value, writes] = [0, '', 0];
  while (load.goesOn) {
    value = `v${count}`;
    const replies = [
      runUnit(store, [['INCR', counter]], [counter]),
      runUnit(store, [['SET', text, value]], [text]),
      runUnit(store, [['HINCRBY', hash, 'f', '1']], [hash]),
      runUnit(store, [['HSET', hash, `g${count % 5}`, value]], [hash]),
      runUnit(store, [['INCR', counter]], [counter]),
    ];
    const fields = Math.min(5, count / 2);
    const created = count / 2 < 5 ? 1 : 0;
    const got = (await Promise.all(replies)).map((reply) => reply.toString('latin1').trim());
    expect({ fields, got }).toEqual({
      fields,
      got: [`:${count + 1}`, '+OK', `:${count / 2 + 1}`, `:${created}`, `:${count + 2}`],
    });
    count += 2;
    writes += 5;
  }
  return { slot, names: [counter, text, hash], writes, count, value };
}

/** Data, headers and registers agree, and all is marked. */
async function check(store: RedisStore, { slot, names, count, value }: Written): Promise<void> {
  const [counter, text, hash] = names;
  const ask = async (...args: string[]): Promise<unknown> =>
    plainReply(await store.router.call(slot, args, READ));
  expect(await ask('GET', counter)).toBe(String(count));
  expect(await ask('GET', text)).toBe(value);
  expect(await ask('HGET', hash, 'f')).toBe(String(count / 2));
  const headers = (await ask('HMGET', slotKey(slot), counter, text, hash)) as (string | null)[];
  for (const header of headers) expect(header).toMatch(/^([a-z]|L|G([^,]*,){8}\d)/);
  const native = ((await ask('HKEYS', hash)) as string[]).map((field) => `2${field}`).toSorted();
  const registers = ((await ask('HKEYS', `${slotKey(slot)}:${hash}`)) as string[]).toSorted();
  expect(registers).toEqual(native);
  const state = await store.stateOf(hash);
  expect(state).toBeDefined();
}
