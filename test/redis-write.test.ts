// The write script rule by rule: the texts it leaves, native TTLs, long counters, transactions, large and odd arguments.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { shownTtlAt } from '../src/crdt/index.ts';
import { slotKey, slotOf } from '../src/store/redis/slots.ts';
import { type Broker, requireBroker, startRedis } from './brokers/index.ts';
import { eventually } from './brokers/ports.ts';
import type { Words } from './differential/streams.ts';
import { commandUnit, RedisSite, textOf, transactionUnit } from './redis-write/site.ts';

const { skip } = requireBroker('redis-server');
const NOW = 1_000_000;
const hex = (n: number): string => n.toString(16).padStart(12, '0');
/** A version of the test's origin 1. */
const at = (ms: number, counter = 0, origin = 1): string =>
  `${hex(ms)}${counter.toString(16).padStart(4, '0')}${origin.toString(16).padStart(8, '0')}`;
const set = (key: string, value: string): string[] => [slotKey(slotOf(key)), key, value];

describe.skipIf(skip !== false)(`the write script${skip === false ? '' : ` (${skip})`}`, () => {
  let redis: Broker;
  let site: RedisSite;

  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());

  async function open(testClock: boolean): Promise<void> {
    const first = await RedisSite.open(redis.port, { testClock });
    await first.call(['FLUSHALL']);
    first.close();
    site = await RedisSite.open(redis.port, { testClock });
    await site.setClock(NOW);
  }

  async function run(...commands: readonly Words[]): Promise<string> {
    let last = '';
    for (const words of commands) last = (await site.command(words)).reply.head;
    return last;
  }

  const register = async (key: string, name: string): Promise<string> =>
    textOf(await site.call(['HGET', `${slotKey(slotOf(key))}:${key}`, name]));
  const ask = async (...words: string[]): Promise<string> => textOf(await site.call(words));

  describe('texts', () => {
    beforeEach(() => open(true));
    afterEach(() => site.close());

    it('plain SETs leave the short forms, marked only where a queue is configured', async () => {
      const results = await site.run(
        set('k', 'v'),
        set('k', 'w'),
        ['x', slotKey(slotOf('l')), 'l', 'v', '50'],
        ['X', slotKey(slotOf('m')), 'm', 'v', String(NOW + 5)],
      );
      expect(results.map(({ entry }) => textOf(entry))).toEqual([
        at(NOW),
        at(NOW, 1),
        at(NOW) + hex(NOW + 50),
        at(NOW),
      ]);
      expect(await site.header('k')).toBe(`p${at(NOW, 1)}`);
      expect(await site.header('l')).toBe(`x${at(NOW)}${hex(NOW + 50)}`);
      expect(await site.header('m')).toBe(`x${at(NOW)}${hex(NOW + 5)}`);
      site.flags = '';
      await site.run(set('k', 'v'), set('new', 'v'));
      expect(await site.header('k')).toBe(`p${at(NOW, 2)}`);
      expect(await site.header('new')).toBe(`P${at(NOW)}`);
    });

    it('versions rise above clocks ahead, through counter and milliseconds', async () => {
      await site.run(set('k', 'v'));
      await site.call(['HSET', slotKey(slotOf('k')), 'k', `P${at(NOW + 9, 65_535, 7)}`]);
      const [result] = await site.run(set('k', 'w'));
      expect(result.version).toBe(at(NOW + 10));
      await site.setClock(NOW + 10);
      const [equal] = await site.run(set('k', 'w'));
      expect(equal.version).toBe(at(NOW + 10, 1));
    });

    it('a plain SET in the past deletes; one over the runs of others is no plain delta', async () => {
      const [past] = await site.run(['X', slotKey(slotOf('k')), 'k', 'v', String(NOW)]);
      expect([past.reply.head, past.version, ...past.touched]).toEqual(['+OK', at(NOW), 'k', '*']);
      expect(await site.header('k')).toBe(`d${at(NOW)}`);
      expect(await ask('EXISTS', 'k')).toBe('0');
      site.origin = '00000009';
      await run(['INCR', 'n']);
      site.origin = '00000001';
      const [over] = await site.run(set('n', 'v'));
      expect(over.touched).toEqual(['n', '*']);
      expect(await site.header('n')).toContain(`|1RN;${at(NOW, 1)};${at(NOW, 0, 9)}:1;;`);
    });

    it('registers of hashes, sets and sorted sets: put, remove, what was touched', async () => {
      const put = await site.command(['HSET', 'h', 'f', '1', 'g', '2']);
      expect([put.version, ...put.touched]).toEqual([at(NOW), 'h', '2', '2f', '2g']);
      expect(await site.header('h')).toBe(`g,${at(NOW)},2,,,,,,2,`);
      const removed = await site.command(['HDEL', 'h', 'f', 'missing']);
      expect(removed.touched).toEqual(['h', '1', '2f']);
      expect(await register('h', '2f')).toBe(`t${at(NOW, 1)}`);
      expect(await register('h', '2g')).toBe(`v${at(NOW)}`);
      expect(await site.header('h')).toBe(`g,${at(NOW)},2,,,,,${at(NOW, 1)},2,`);
      const nothing = await site.command(['HDEL', 'h', 'f']);
      expect([nothing.reply.head, nothing.version, nothing.touched]).toEqual([':0', '', []]);
      await run(['DEL', 'h']);
      expect(await site.header('h')).toBe(`d${at(NOW, 2)}`);
      expect(await ask('EXISTS', `${slotKey(slotOf('h'))}:h`)).toBe('0');
    });

    it('counters: runs, the base of the first, seen after an overwrite', async () => {
      await run(['SET', 'n', '40'], ['INCRBY', 'n', '2']);
      expect(await site.header('n')).toContain(`|1RB;${at(NOW)};;${at(NOW, 1)}:${at(NOW, 1)}:2;40`);
      await run(['HINCRBYFLOAT', 'h', 'f', '0.1'], ['HINCRBYFLOAT', 'h', 'f', '0.2']);
      expect(await register('h', '2f')).toMatch(/^r-;;;.*:d0\.3000000000000000\d;$/);
      expect(await ask('HGET', 'h', 'f')).toBe('0.30000000000000004');
      site.origin = '00000009';
      await run(['HSET', 'h', 'f', 'x']);
      expect(await register('h', '2f')).toBe(`rN;${at(NOW, 2, 9)};${at(NOW)}:d0.30000000000000004;;`);
      await run(['DEL', 'h']);
      expect(await register('h', '2f')).toBe(`rT;${at(NOW, 3, 9)};${at(NOW)}:d0.30000000000000004;;`);
      expect(await site.header('h')).toBe(`g${at(NOW, 3, 9)},,,,,,,,1,s`);
    });

    it('a second life under a pending TTL is not under it: until, and a time to free by', async () => {
      await run(['SADD', 's', 'a'], ['PEXPIRE', 's', '20'], ['SREM', 's', 'a']);
      await site.setClock(NOW + 1);
      const reborn = await site.command(['SADD', 's', 'b']);
      expect(reborn.touched).toEqual(['s', '*', 's', '@', String(NOW + 20)]);
      const state = await site.state('s');
      expect(state?.until.ms).toBe(NOW + 1);
      expect(state && shownTtlAt(state, NOW + 1)).toBe(0);
      await site.setClock(NOW + 21);
      await run(['SADD', 's', 'c']);
      expect(await ask('SCARD', 's')).toBe('2');
      const later = await site.state('s');
      expect([later?.expiryAt, later?.clear.ms, later?.registers.get(3)?.size]).toEqual([0, NOW + 1, 2]);
    });

    it('what has fired is gone before a command looks, whatever Redis still holds', async () => {
      await run(['SET', 'k', 'v', 'PX', '10'], ['HSET', 'h', 'f', 'v'], ['PEXPIRE', 'h', '10']);
      await site.setClock(NOW + 10);
      expect(await run(['SETNX', 'k', 'w'])).toBe(':1');
      expect(await run(['HSETNX', 'h', 'f', 'w'])).toBe(':1');
      expect(await run(['RENAME', 'gone', 'h'])).toBe('-ERR no such key');
      const state = await site.state('h');
      expect([state?.clear.ms, state?.expiryAt]).toEqual([NOW + 10, 0]);
    });

    it('long keys and headers lie in the large hash, short keys leave a stub', async () => {
      const long = 'k'.repeat(65_536);
      await site.run(set(long, 'v'));
      await run(['INCR', 'n']);
      const slot = slotKey(slotOf('n'));
      expect(await ask('HGET', slot, 'n')).toBe('L');
      expect(await ask('HGET', `${slot}.`, 'n')).toMatch(/^g,.*\|1R-;/);
      expect(await site.header(long)).toBe(`p${at(NOW)}`);
      expect(await ask('HEXISTS', slotKey(slotOf(long)), long)).toBe('0');
      await run(['SET', 'n', 'x']);
      expect(await ask('HGET', slot, 'n')).toBe(`p${at(NOW, 1)}`);
      expect(await ask('EXISTS', `${slot}.`)).toBe('0');
    });

    it.each(['', '{}x', 'x{y', 'a}b', 'x{}y', '\x00\xff\r\n', 'é'])('odd key %j', async (key) => {
      await run(['HSET', key, '', 'v'], ['EXPIRE', key, '100'], ['APPEND', key, 'x']);
      const state = await site.state(key);
      expect([state?.type, state?.expiryAt, state?.registers.get(2)?.get('')?.value]).toEqual([
        2,
        NOW + 100_000,
        'v',
      ]);
      await run(['DEL', key]);
      expect(await site.header(key)).toMatch(/^d/);
    });

    it('a key written behind our back counts as put by the first write that meets it', async () => {
      await site.call(['HSET', 'h', 'old', '1', 'gone', '2']);
      await run(['HDEL', 'h', 'gone']);
      const state = await site.state('h');
      expect([...(state?.registers.get(2)?.keys() ?? [])]).toEqual(['old']);
      await site.call(['SET', 'n', '41']);
      expect(await run(['INCR', 'n'])).toBe(':42');
      expect(await site.header('n')).toMatch(/\|1RB;.*;41$/);
      expect((await site.command(['LPUSHX', 'n', 'x'])).reply.head).toMatch(/^-WRONGTYPE/);
    });
  });

  describe('counters beyond 2^53', () => {
    beforeEach(() => open(true));
    afterEach(() => site.close());

    it('are exact, in replies, values and totals', async () => {
      expect(await run(['INCRBY', 'n', '9007199254740993'])).toBe('+\x01I9007199254740993');
      expect(await run(['INCRBY', 'n', '9214364837600034814'])).toBe('+\x01I9223372036854775807');
      expect(await site.header('n')).toContain(':9223372036854775807;');
      expect(await run(['INCR', 'n'])).toBe('-ERR increment or decrement would overflow');
      expect(await run(['HINCRBY', 'h', 'f', '-9223372036854775808'])).toBe('+\x01I-9223372036854775808');
      expect(await ask('HGET', 'h', 'f')).toBe('-9223372036854775808');
      await run(['DECRBY', 'm', '-9007199254740995']);
      expect(await ask('GET', 'm')).toBe('9007199254740995');
    });

    it('a sum of several origins is clamped once, at the end', async () => {
      await run(['INCRBY', 'n', '9223372036854775807']);
      const header = (await site.header('n')) ?? '';
      // Another site's run comes by a merge; what shows is clamped.
      const [, run1] = /\|1R-;;;(.*);$/.exec(header) ?? [];
      const other = `${at(NOW, 0, 5)}:${at(NOW, 0, 5)}:10`;
      await site.call([
        'HSET',
        `${slotKey(slotOf('n'))}.`,
        'n',
        header.replace(run1 ?? '', `${run1},${other}`),
      ]);
      expect(await run(['INCRBY', 'n', '-3'])).toBe('+\x01I9223372036854775804');
      expect(await ask('GET', 'n')).toBe('9223372036854775807');
      const digits = (await site.header('n')) ?? '';
      expect(digits).toContain(':9223372036854775804,');
    });
  });

  describe('units', () => {
    beforeEach(() => open(true));
    afterEach(() => site.close());

    it('a transaction has one version over all its keys, and reads what it wrote', async () => {
      await site.run(set('a', '1'), set('a', '2'), set('a', '3'));
      const unit = transactionUnit([
        ['SET', 'b', 'x'],
        ['GET', 'b'],
        ['INCR', 'b'],
        ['DEL', 'a', 'missing'],
        ['HSET', 'h', 'f', 'v'],
      ]);
      const [result] = await site.run(unit);
      const heads = result.reply.items.map(({ head }) => head);
      expect(heads).toEqual([
        '+OK',
        '$1\r\nx\r\n',
        '-ERR value is not an integer or out of range',
        ':1',
        ':1',
      ]);
      expect(result.version).toBe(at(NOW, 3));
      expect(result.touched).toEqual(['b', '*', 'a', '*', 'h', '1', '2f']);
      for (const key of ['a', 'b']) expect(await site.header(key)).toMatch(new RegExp(`^[pd]${at(NOW, 3)}$`));
    });

    it('a watched key that has a newer version ends it; one that has not, or none, does not', async () => {
      const [{ version }] = await site.run(set('w', '1'));
      const commands: Words[] = [['SET', 'k', 'v']];
      const [held] = await site.run(
        transactionUnit(commands, [
          ['w', version],
          ['none', ''],
        ]),
      );
      expect(held.reply.head).toBe('*1');
      await site.run(set('w', '2'));
      const [failed] = await site.run(transactionUnit(commands, [['w', version]]));
      expect([failed.reply.head, failed.version]).toEqual(['$-1', '']);
      expect(await site.header('k')).toBe(`p${at(NOW, 1)}`);
    });

    it('errors change nothing and hold up no other unit', async () => {
      await site.run(set('s', 'text'));
      const before = await site.header('s');
      const errors = await site.run(
        commandUnit(['HSET', 's', 'f', 'v']),
        commandUnit(['INCR', 's']),
        commandUnit(['ZADD', 'z', '1', 'a', 'nan', 'b']),
        commandUnit(['SET', 's', 'v', 'EX', '0']),
        commandUnit(['MOVE', 's', '1']),
        commandUnit(['BITOP', 'NOT', 'd', 's', 's']),
        set('t', 'v'),
      );
      for (const { reply, version } of errors.slice(0, -1))
        expect([reply.head[0], version]).toEqual(['-', '']);
      expect(errors.at(-1)?.version).toBe(at(NOW));
      expect(await site.header('s')).toBe(before);
      expect(await site.header('z')).toBeUndefined();
    });

    it('values above the limit are refused', async () => {
      site.maxValueBytes = 10;
      const long = 'x'.repeat(11);
      const units = [
        set('k', long),
        ...[
          ['SET', 'k', long],
          ['SETNX', 'k', long],
          ['MSET', 'k', long],
          ['SETRANGE', 'k', '10', 'x'],
        ].map(commandUnit),
      ];
      for (const { reply } of await site.run(...units))
        expect(reply.head).toBe('-ERR string exceeds maximum allowed size (proto-max-bulk-len)');
      await site.run(set('k', 'x'.repeat(10)));
      expect(await run(['APPEND', 'k', 'x'])).toMatch(/^-ERR string exceeds/);
    });

    it('10,000 fields, members and keys in one command', async () => {
      const names = Array.from({ length: 10_000 }, (_, i) => `n${i}`);
      expect(await run(['HSET', 'h', ...names.flatMap((name) => [name, 'v'])])).toBe(':10000');
      expect(await run(['SADD', 's', ...names])).toBe(':10000');
      expect(await run(['ZADD', 'z', ...names.flatMap((name) => ['1', name])])).toBe(':10000');
      expect(await ask('HLEN', `${slotKey(slotOf('h'))}:h`)).toBe('10000');
      expect(await run(['HDEL', 'h', ...names])).toBe(':10000');
      expect(await run(['SREM', 's', ...names.slice(1)])).toBe(':9999');
      expect(await run(['ZPOPMIN', 'z', '10000'])).toBe('*20000');
      expect(await register('z', '4n77')).toBe(`t${at(NOW, 1)}`);
      expect(await run(['SUNIONSTORE', 'd', 's', 'h'])).toBe(':1');
      expect(await run(['MSET', ...names.flatMap((name) => [name, 'v'])])).toBe('+OK');
      expect(await run(['DEL', ...names])).toBe(':10000');
    }, 60_000);

    it('a store that is full answers OOM, and nothing is half written', async () => {
      await site.run(set('old', 'v'));
      await site.call(['CONFIG', 'SET', 'maxmemory', '1']);
      const results = await site.run(
        set('k', 'v'),
        ...[
          ['HSET', 'h', 'f', 'v'],
          ['INCR', 'n'],
          ['INCRBYFLOAT', 'n', '1'],
        ].map(commandUnit),
        commandUnit(['DEL', 'old']),
      );
      await site.call(['CONFIG', 'SET', 'maxmemory', '0']);
      for (const { reply, version } of results.slice(0, 4))
        expect([reply.head.slice(0, 5), version]).toEqual(['-OOM ', '']);
      for (const key of ['k', 'h', 'n']) expect(await site.header(key)).toBeUndefined();
    });

    it('a write that no rule covers is refused, never done', async () => {
      expect(await run(['SORT', 'k', 'BY', 'nosort'])).toMatch(/^\*0/);
      expect(await run(['MIGRATE', 'h', '1', 'k', '0', '1'])).toMatch(/^-/);
    });

    it('leaves no globals behind', async () => {
      await run(['HSET', 'h', 'f', 'v'], ['INCRBYFLOAT', 'n', '0.5'], ['ZINCRBY', 'z', '1', 'm']);
      const names = await ask(
        'EVAL',
        "local n = {} for k in pairs(_G) do n[#n + 1] = k end table.sort(n) return table.concat(n, ' ')",
        '0',
      );
      expect(
        names.split(' ').filter((name) => /general|unit|state|plain|now|BASE|ORIGIN|MARK/.test(name)),
      ).toEqual([]);
    });
  });

  describe('native TTLs', () => {
    beforeEach(() => open(false));
    afterEach(() => site.close());
    const ttl = async (key: string): Promise<number> => Number(await ask('PEXPIRETIME', key));

    it('are those that the key shows', async () => {
      const far = Date.now() + 1_000_000;
      await run(['SET', 'k', 'v', 'PXAT', String(far)]);
      expect(await ttl('k')).toBe(far);
      await run(['APPEND', 'k', 'x']);
      expect(await ttl('k')).toBe(far);
      await run(['SET', 'k', 'w', 'KEEPTTL']);
      expect(await ttl('k')).toBe(far);
      await run(['SET', 'k', 'w']);
      expect(await ttl('k')).toBe(-1);
      await run(
        ['HSET', 'h', 'f', 'v'],
        ['PEXPIREAT', 'h', String(far)],
        ['RENAME', 'h', 'g'],
        ['COPY', 'g', 'c'],
      );
      expect([await ttl('h'), await ttl('g'), await ttl('c')]).toEqual([-2, far, far]);
      await run(['PERSIST', 'g']);
      expect([await ttl('g'), await ttl('c')]).toEqual([-1, far]);
      await run(['SADD', 's', 'a'], ['PEXPIREAT', 's', String(far)], ['SREM', 's', 'a'], ['SADD', 's', 'b']);
      expect(await ttl('s')).toBe(-1);
      await run(['PEXPIREAT', 's', String(far)]);
      expect(await ttl('s')).toBe(far);
      await run(
        ['GETEX', 'k', 'PXAT', String(far)],
        ['INCR', 'n'],
        ['PEXPIREAT', 'n', String(far)],
        ['INCRBYFLOAT', 'n', '0.5'],
      );
      expect([await ttl('k'), await ttl('n')]).toEqual([far, far]);
    });

    it('a plain SET with a TTL is gone in time, and the next write begins above it', async () => {
      await site.run(['x', slotKey(slotOf('k')), 'k', 'v', '30']);
      await eventually('k expires', async () => (await ask('EXISTS', 'k')) === '0');
      expect(await run(['SETNX', 'k', 'w'])).toBe(':1');
      expect(await ttl('k')).toBe(-1);
    });

    it('a foreign key keeps its TTL', async () => {
      const far = Date.now() + 1_000_000;
      await site.call(['HSET', 'h', 'f', 'v']);
      await site.call(['PEXPIREAT', 'h', String(far)]);
      await run(['HSET', 'h', 'g', 'v']);
      expect(Math.abs((await ttl('h')) - far)).toBeLessThan(1000);
      expect(Math.abs(((await site.state('h'))?.expiryAt ?? 0) - far)).toBeLessThan(1000);
    });
  });
});
