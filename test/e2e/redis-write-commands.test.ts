// Every write command that a Redis store executes, at one site; the far site, another Redis, must then answer alike.
import { afterEach, describe, expect, test } from 'vitest';
import { commandTable } from '../../src/commands/index.ts';
import { requireBroker, startRedis } from '../brokers/index.ts';
import { startLinkedSites } from './linked-sites.ts';
import { dump, untilEqual } from './workload.ts';

const { skip } = requireBroker('redis-server');
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Lines of commands by name; `K`, `L`, `M` are keys of that command's own. The last line is the command itself. */
const LINES: Readonly<Record<string, readonly string[]>> = {
  append: ['set K a', 'append K b'],
  decr: ['set K 5', 'decr K'],
  decrby: ['decrby K 7'],
  getdel: ['set K a', 'set L b', 'getdel K'],
  getex: ['set K a', 'getex K ex 5000'],
  getset: ['set K a', 'getset K b'],
  incr: ['incr K'],
  incrby: ['incrby K 9223372036854775807'],
  incrbyfloat: ['set K 10.5', 'incrbyfloat K 0.1'],
  mset: ['mset K 1 L 2 M 3'],
  msetnx: ['msetnx K 1 L 2'],
  psetex: ['psetex K 5000000 v'],
  set: ['set K v ex 5000', 'set K w keepttl'],
  setex: ['setex K 5000 v'],
  setnx: ['setnx K v', 'setnx K w'],
  setrange: ['set K hello', 'setrange K 7 world'],
  copy: ['hset K f v g w', 'set L old', 'copy K L replace'],
  del: ['set K v', 'set L v', 'set M v', 'del K L'],
  unlink: ['sadd K v', 'set M v', 'unlink K'],
  expire: ['set K v', 'expire K 5000'],
  expireat: ['hset K f v', 'expireat K 9999999999'],
  pexpire: ['sadd K a', 'pexpire K 5000000'],
  pexpireat: ['zadd K 1 a', 'pexpireat K 9999999999999'],
  persist: ['set K v ex 5000', 'persist K'],
  rename: ['zadd K 1 a 2 b', 'set L old', 'rename K L'],
  renamenx: ['rpush K a b', 'renamenx K L'],
  sort: ['rpush K 3 1 2', 'sort K store L'],
  hset: ['hset K f 1 g 2', 'hset K f 3'],
  hdel: ['hset K f 1 g 2', 'hdel K f'],
  hincrby: ['hincrby K n 9007199254740993'],
  hincrbyfloat: ['hset K n 1.5', 'hincrbyfloat K n 2.25'],
  hmset: ['hmset K a 1 b 2'],
  hsetnx: ['hsetnx K f 1', 'hsetnx K f 2'],
  sadd: ['sadd K a b c'],
  srem: ['sadd K a b c', 'srem K b'],
  smove: ['sadd K a b', 'sadd L c', 'smove K L a'],
  spop: ['sadd K a b c d', 'spop K 2'],
  sdiffstore: ['sadd K a b', 'sadd L b', 'sdiffstore M K L'],
  sinterstore: ['sadd K a b', 'sadd L b', 'sinterstore M K L'],
  sunionstore: ['sadd K a b', 'sadd L c', 'sunionstore M K L'],
  zadd: ['zadd K 1 a 2 b', 'zadd K xx gt 5 a', 'zadd K incr 3 b'],
  zincrby: ['zincrby K 1.5 a', 'zincrby K 1.5 a'],
  zrem: ['zadd K 1 a 2 b', 'zrem K a'],
  zpopmax: ['zadd K 1 a 2 b 3 c', 'zpopmax K 2'],
  zpopmin: ['zadd K 1 a 2 b 3 c', 'zpopmin K'],
  zmpop: ['zadd K 1 a 2 b', 'zmpop 2 L K max'],
  bzpopmax: ['zadd K 1 a 2 b', 'bzpopmax K 1'],
  bzpopmin: ['zadd K 1 a 2 b', 'bzpopmin L K 1'],
  bzmpop: ['zadd K 1 a 2 b', 'bzmpop 1 1 K min'],
  zdiffstore: ['zadd K 1 a 2 b', 'zadd L 1 b', 'zdiffstore M 2 K L'],
  zinterstore: ['zadd K 1 a 2 b', 'zadd L 5 b', 'zinterstore M 2 K L weights 2 3'],
  zunionstore: ['zadd K 1 a', 'zadd L 5 b', 'zunionstore M 2 K L aggregate max'],
  zrangestore: ['zadd K 1 a 2 b 3 c', 'zrangestore L K 1 2'],
  zremrangebylex: ['zadd K 0 a 0 b 0 c', 'zremrangebylex K [a [b'],
  zremrangebyrank: ['zadd K 1 a 2 b 3 c', 'zremrangebyrank K 0 1'],
  zremrangebyscore: ['zadd K 1 a 2 b 3 c', 'zremrangebyscore K 2 3'],
  bitfield: ['bitfield K set u8 0 200 incrby i16 16 -5'],
  bitop: ['set K abc', 'set L xyz', 'bitop xor M K L'],
  setbit: ['setbit K 77 1'],
  pfadd: ['pfadd K a b c d e'],
  pfmerge: ['pfadd K a b', 'pfadd L c', 'pfmerge M K L'],
  geoadd: ['geoadd K 13.361389 38.115556 Palermo 15.087269 37.502669 Catania'],
  georadius: ['geoadd K 13.361389 38.115556 Palermo', 'georadius K 15 37 200 km store L'],
  georadiusbymember: [
    'geoadd K 13.361389 38.115556 Palermo 15.087269 37.502669 Catania',
    'georadiusbymember K Palermo 500 km storedist L',
  ],
  geosearchstore: [
    'geoadd K 13.361389 38.115556 Palermo',
    'geosearchstore L K fromlonlat 15 37 byradius 200 km',
  ],
  lpush: ['lpush K a b c'],
  rpush: ['rpush K a b c'],
  lpushx: ['lpushx L a', 'rpush K a', 'lpushx K b'],
  rpushx: ['rpush K a', 'rpushx K b'],
  linsert: ['rpush K a c', 'linsert K before c b'],
  lrem: ['rpush K a b a', 'lrem K 1 a'],
  lset: ['rpush K a b', 'lset K 1 c'],
  ltrim: ['rpush K a b c d', 'ltrim K 1 2'],
  lpop: ['rpush K a b c', 'lpop K 2'],
  rpop: ['rpush K a b c', 'rpop K'],
  lmpop: ['rpush K a b c', 'lmpop 1 K left count 2'],
  blmpop: ['rpush K a b c', 'blmpop 1 2 L K right'],
  blpop: ['rpush K a b', 'blpop K 1'],
  brpop: ['rpush K a b', 'brpop L K 1'],
  lmove: ['rpush K a b', 'lmove K L right left'],
  blmove: ['rpush K a b', 'blmove K L left right 1'],
  rpoplpush: ['rpush K a b', 'rpoplpush K L'],
  brpoplpush: ['rpush K a b', 'brpoplpush K L 1'],
  xadd: ['xadd K 1-1 f v', 'xadd K maxlen 5 * g w'],
  xdel: ['xadd K 1-1 f v', 'xadd K 1-2 f w', 'xdel K 1-1'],
  xsetid: ['xadd K 1-1 f v', 'xsetid K 9-9'],
  xtrim: ['xadd K 1-1 f v', 'xadd K 1-2 f w', 'xtrim K maxlen 1'],
};

/** Those that would undo the others', or have their own tests (scripts): executed alone at the end. */
const LAST = ['flushall', 'flushdb'];
/** Its payload is what DUMP says. */
const RESTORE = 'restore';

function wordsOf(line: string, name: string): string[] {
  return line.split(' ').map((word) => (/^[KLM]$/.test(word) ? `{${name}}:${word}` : word));
}

describe.skipIf(skip)('write commands at a Redis store', () => {
  test('every one that is executed reaches the far site', async () => {
    const executed = [...commandTable.values()]
      .filter(({ isWrite, via }) => isWrite && (via === 'register' || via === 'whole'))
      .map(({ name }) => name);
    expect(executed.filter((name) => !(name in LINES) && ![RESTORE, ...LAST].includes(name))).toEqual([]);
    const redises = [await startRedis(), await startRedis()];
    for (const redis of redises) closers.push(() => redis.stop());
    const linked = await startLinkedSites(
      redises.map(({ port }) => ['--store', `redis://127.0.0.1:${port}`]),
    );
    closers.push(() => linked.stop());
    const [here] = linked.clients;
    const failures: string[] = [];
    for (const [name, lines] of Object.entries(LINES))
      for (const line of lines) {
        const [command = '', ...args] = wordsOf(line, name);
        await here
          ?.call(command, ...args)
          .catch((error: Error) => failures.push(`${line}: ${error.message}`));
      }
    const payload = await here?.dumpBuffer('{rpush}:K');
    if (payload !== undefined && payload !== null) await here?.call(RESTORE, 'restored', '0', payload);
    expect(failures).toEqual([]);
    const ports = linked.sites.map(({ port }) => port);
    const [first] = await untilEqual(ports, 60_000);
    expect(first?.size ?? 0).toBeGreaterThan(Object.keys(LINES).length);
    expect(first?.has('restored')).toBe(true);
    // What each Redis holds itself, not only what mqkv says of it.
    expect(await own(redises[1]?.port ?? 0)).toEqual(await own(redises[0]?.port ?? 0));
    for (const name of LAST) {
      await here?.set('k', name);
      await here?.call(name);
      const [left] = await untilEqual(ports, 60_000);
      expect(left?.size, name).toBe(0);
    }
  }, 180_000);
});

async function own(port: number): Promise<[string, string][]> {
  const all = [...(await dump(port))].filter(([key]) => !key.startsWith('mqkv:'));
  return all.map(([key, text]) => [key, text]);
}
