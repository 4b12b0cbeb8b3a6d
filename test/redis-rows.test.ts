// Every write command without a rule of its own for fields, and EVAL, through the write script beside a plain Redis.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { below, type Random, seededRandom } from '../src/base/index.ts';
import { type Broker, openControl, type RedisControl, requireBroker, startRedis } from './brokers/index.ts';
import { FarRedis, keysIn, ScriptedRedis, shown, told } from './redis-rows.ts';

const { skip } = requireBroker('redis-server');

let servers: readonly Broker[] = [];
let scripted: ScriptedRedis;
let plain: RedisControl;
let far: FarRedis;
/** RESP2, to look at what lies there. */
let views: readonly [scripted: RedisControl, plain: RedisControl];

beforeAll(async () => {
  if (skip !== false) return;
  servers = [await startRedis(), await startRedis(), await startRedis()];
  views = [openControl(servers[0].port), openControl(servers[1].port)];
  far = await FarRedis.open(servers[0].port, servers[2].port);
});

afterAll(async () => {
  for (const view of views ?? []) view.close();
  await far?.close();
  for (const server of servers) await server.stop();
});

async function begin(protocol: 2 | 3): Promise<void> {
  scripted = await ScriptedRedis.open(servers[0].port, protocol === 3 ? 'm3' : 'm');
  plain = openControl(servers[1].port);
  await plain.call('HELLO', protocol);
  await plain.call('FLUSHALL');
  await far.control.call('FLUSHALL');
}

function end(): void {
  scripted.control.close();
  plain.close();
}

/** The boundary just above a version: where a key has a TTL, its header may hold nothing else of it. */
function above(version: string): string {
  return version.slice(0, 16) + (Number.parseInt(version.slice(16), 16) + 1).toString(16).padStart(8, '0');
}

function words(line: string): string[] {
  return (line.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^"|"$/g, ''));
}

async function snapshot(control: RedisControl): Promise<Map<string, string>> {
  const held = new Map<string, string>();
  for (const key of await keysIn(control)) held.set(key, JSON.stringify(await shown(control, key)));
  return held;
}

/** Runs a command on both; `same`: replies are compared. Whatever changed has a newer version, and another site shows the same then. */
async function both(args: readonly string[], same = true): Promise<unknown> {
  const before = await snapshot(views[0]);
  const { reply, version, touched } = await scripted.run(args);
  const expected = told(await plain.reply(...args));
  if (same) expect(reply, args.join(' ')).toEqual(expected);
  const after = await snapshot(views[0]);
  expect(after, args.join(' ')).toEqual(await snapshot(views[1]));
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    if (before.get(key) === after.get(key)) continue;
    expect(version, `${args.join(' ')} changes ${key}`).not.toBe('');
    expect(touched, args.join(' ')).toContain(key);
    expect(await scripted.header(key), `${args.join(' ')}: ${key}`).toMatch(
      new RegExp(`${version}|${above(version)}`),
    );
  }
  if (version !== '') await far.take([...before.keys(), ...after.keys()]);
  expect(await snapshot(far.control), `${args.join(' ')} at the other site`).toEqual(after);
  return reply;
}

async function all(script: string): Promise<void> {
  for (const line of script.split('\n').map((text) => text.trim())) if (line !== '') await both(words(line));
}

describe.skipIf(skip).each([2, 3] as const)(`commands on whole keys, RESP%i ${skip || ''}`, (protocol) => {
  beforeEach(() => begin(protocol));
  afterEach(end);

  it('lists', async () => {
    await all(`
      RPUSH l a b c d e
      LPUSH l z y
      LPUSHX none a
      RPUSHX l f
      LPUSHX l x
      LREM l 0 nosuch
      LREM l 1 b
      LSET l 0 first
      LSET l 99 first
      LSET none 0 first
      LINSERT l BEFORE c bb
      LINSERT l AFTER nosuch q
      LINSERT none AFTER nosuch q
      LTRIM l 0 -1
      LTRIM l 1 5
      LPOP l
      RPOP l 2
      LPOP none
      LPOP none 2
      LPOP l 0
      LPOP l -1
      RPUSH m 1 2 3
      LMOVE m l LEFT RIGHT
      LMOVE m m LEFT RIGHT
      LMOVE none l LEFT RIGHT
      RPOPLPUSH m l
      RPOPLPUSH m m
      LMPOP 3 none m l LEFT COUNT 2
      LMPOP 1 none LEFT
      LMPOP 2 none l RIGHT COUNT 99
      RPUSH l a
      EXPIRE l 1000
      RPUSH l b
      LMOVE l t LEFT LEFT
      LTRIM l 5 9
      SET s v
      LPUSH s x
      LPOP s
      LMOVE l s LEFT LEFT
    `);
  });

  it('what waits takes what is there', async () => {
    await all(`
      RPUSH l a b c d e f g
      BLPOP none l 0
      BRPOP l 0
      BLPOP none 0.01
      BLPOP l notime
      BLPOP l -1
      BLMOVE l m LEFT RIGHT 0
      BRPOPLPUSH l m 0
      BLMOVE none m LEFT RIGHT 0.01
      BLMPOP 0 2 none l LEFT COUNT 2
      BLMPOP 0.01 1 none LEFT
      ZADD z 1 a 2 b 3 c 4 d 5 e
      BZPOPMIN none z 0
      BZPOPMAX z 0
      BZPOPMAX none 0.01
      BZMPOP 0 2 none z MIN COUNT 9
      BZMPOP 0.01 1 none MIN
      BLPOP m x 0
      BRPOP m 0
    `);
  });

  it('long pushes', async () => {
    const elements = Array.from({ length: 9000 }, (_, i) => `e${i}`);
    expect(await both(['RPUSH', 'l', ...elements])).toBe(9000);
    expect(await both(['LPUSH', 'l', ...elements])).toBe(18_000);
    expect(await both(['PFADD', 'h', ...elements])).toBe(1);
  });

  it('streams', async () => {
    await all(`
      XADD s 1-1 f v
      XADD s 1-1 f v
      XADD s 2-0 f v g w
      XADD none NOMKSTREAM 1-1 f v
      XADD s MAXLEN = 2 3-0 a b
      XDEL s 9-9
      XDEL s 2-0 3-0
      XTRIM s MAXLEN 9
      XADD s 4-0 a b
      XADD s 5-0 a b
      XTRIM s MAXLEN 1
      XSETID s 9-0
      XSETID s 10-0 ENTRIESADDED 20 MAXDELETEDID 5-0
      XSETID none 1-0
      XTRIM s MAXLEN 0
      XGROUP CREATE none g $
      XGROUP CREATE made g $ MKSTREAM
      XGROUP CREATE made g $ MKSTREAM
      XADD made 1-0 k v
      EXPIRE made 1000
      XADD made 2-0 k v
      XGROUP DESTROY made g
      SET str v
      XADD str 1-1 a b
    `);
  });

  it('consumer groups leave no version', async () => {
    await all('XADD s 1-0 f v\nXADD s 2-0 f v');
    const header = await scripted.header('s');
    await all(`
      XGROUP CREATE s g 0
      XGROUP CREATECONSUMER s g c
      XREADGROUP GROUP g c COUNT 1 STREAMS s >
      XACK s g 1-0
      XREADGROUP GROUP g c STREAMS s >
      XREADGROUP GROUP g c STREAMS s >
      XREADGROUP GROUP nosuch c STREAMS s >
      XCLAIM s g d 0 2-0 JUSTID
      XAUTOCLAIM s g e 0 0 JUSTID
      XGROUP SETID s g 0
      XGROUP DELCONSUMER s g c
    `);
    expect(await scripted.header('s')).toBe(header);
  });

  it('bitmaps', async () => {
    await all(`
      SETBIT b 7 1
      SETBIT b 7 1
      SETBIT b x 1
      SETBIT b 4294967296 1
      BITFIELD b GET u8 0
      BITFIELD none GET u8 0
      BITFIELD b SET u8 8 255 INCRBY i5 100 1 GET u4 0
      BITFIELD b OVERFLOW FAIL INCRBY u2 8 1
      BITFIELD b OVERFLOW SAT INCRBY u2 8 9
      BITFIELD b SET i64 0 -9223372036854775808
      BITFIELD b OVERFLOW FAIL INCRBY i64 0 -1 GET i64 0
      BITFIELD b INCRBY u63 #1 9007199254740993 GET u63 #1 SET i64 #2 -1 GET i64 #2
      BITFIELD b SET i64 0 9007199254740993 SET u64 0 1
      BITFIELD b SET i64 0 9007199254740993 OVERFLOW NOSUCH
      BITFIELD b
      SET a abc
      SET c xyzw
      BITOP AND d a c
      BITOP NOT d a
      BITOP XOR d none
      BITOP OR nothing none
      EXPIRE a 1000
      SETBIT a 100 1
      BITOP OR a a c
      RPUSH l x
      SETBIT l 0 1
      BITFIELD l SET u8 0 1
      BITOP AND d l a
    `);
  });

  it('HyperLogLogs', async () => {
    await all(`
      PFADD h a b c
      PFADD h a b c
      PFADD e
      PFADD e
      PFADD g c d
      PFCOUNT h g
      PFMERGE m h g
      PFCOUNT m
      PFMERGE h
      SET s v
      PFADD s a
      PFMERGE m s
    `);
    const bytes = await scripted.control.call('GET', 'm');
    await scripted.control.call('PFCOUNT', 'm');
    expect(await scripted.control.call('GET', 'm')).toBe(bytes);
  });

  it('places', async () => {
    await all(`
      GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
      GEOADD g NX 13 38 Palermo 2.35 48.85 Paris
      GEOADD g XX CH 14 38 Palermo 1 1 Nowhere
      GEOADD g 200 1 wrong
      GEOADD g CH 13 38 Palermo
      GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km
      GEOSEARCHSTORE d g FROMMEMBER Paris BYRADIUS 1 km STOREDIST
      GEOSEARCHSTORE d none FROMLONLAT 15 37 BYRADIUS 200 km
      GEORADIUS g 15 37 200 km STORE d
      GEORADIUS g 15 37 200 km WITHDIST
      GEORADIUS g 15 37 200 km COUNT 1 STOREDIST d
      GEORADIUSBYMEMBER g Palermo 200 km STORE d
      GEORADIUSBYMEMBER g Palermo 200 km
      GEORADIUS g 150 7 1 km STORE d
      SET s v
      GEOADD s 1 1 a
      GEOSEARCHSTORE s g FROMLONLAT 15 37 BYRADIUS 200 km
    `);
  });

  it('SORT with STORE', async () => {
    await all(`
      RPUSH l 3 1 2
      SORT l
      SORT l LIMIT 0 2 GET # STORE d
      EXPIRE d 1000
      SORT l DESC STORE d
      SORT l BY nosort STORE d
      SORT none STORE d
      SORT none STORE d
      SORT l STORE l
      RPUSH w x y
      SORT w STORE d
      SORT w ALPHA STORE d
    `);
  });

  it('RESTORE', async () => {
    await all('RPUSH l a b\nHSET h f v g w\nZADD z 1 a\nXADD s 1-1 a b\nSADD u m\nSET t v');
    for (const key of ['l', 'h', 'z', 's', 'u', 't']) {
      const dump = await plain.reply('DUMP', key);
      const bytes = dump.kind === 'bulk' ? dump.bytes.toString('latin1') : '';
      await both(['RESTORE', `${key}2`, '0', bytes]);
      await both(['RESTORE', `${key}2`, '0', bytes]);
      await both(['RESTORE', `${key}2`, '100000', bytes, 'REPLACE']);
      await both(['RESTORE', 'r', String(Date.now() + 50_000), bytes, 'ABSTTL', 'REPLACE', 'IDLETIME', '5']);
      await both(['RESTORE', 'r', '0', bytes, 'REPLACE', 'FREQ', '5']);
      await both(['RESTORE', 'r', '-1', bytes, 'REPLACE']);
      await both(['RESTORE', 'r', 'x', bytes, 'REPLACE']);
      await both(['RESTORE', 'r', '0', bytes, 'NOSUCH']);
      await both(['RESTORE', 'r', '0', `${bytes}x`, 'REPLACE']);
      await both(['RESTORE', 'r', '1', bytes, 'ABSTTL', 'REPLACE']);
    }
  });

  it('COPY and RENAME of every type', async () => {
    await all(`
      RPUSH l a b
      XADD s 1-1 a b
      SETBIT b 7 1
      EXPIRE l 1000
      COPY l l2
      COPY s s2
      RENAME l2 s2
      RENAME s l
      COPY l b REPLACE
      RENAMENX b l
      RENAMENX b n
    `);
  });

  it('random commands on few keys of changing types', async () => {
    const random = seededRandom(40 + protocol);
    const changed = new Set<string>();
    for (let i = 0; i < 1200; i++) {
      const args = randomCommand(random);
      const reply = await both(args);
      if (typeof reply !== 'string' || !reply.startsWith('-')) changed.add(args[0]);
    }
    for (const [name] of COMMANDS) expect(changed, name).toContain(name);
  });

  it('refuses what has no meaning', async () => {
    for (const line of ['RESTORE-ASKING k 0 x', 'FCALL f 0', 'PFDEBUG GETREG h', 'MIGRATE h 1 k 0 9']) {
      const { reply, version } = await scripted.run(words(line), []);
      expect(reply, line).toMatch(/^-ERR [A-Z-]+ is refused: /);
      expect(version).toBe('');
    }
  });
});

/** Commands with what stands for a key (k; h: of a HyperLogLog), an element (e), a number (n), an id (i). */
const COMMANDS: readonly (readonly [string, string])[] = [
  ['RPUSH', 'k e e'],
  ['LPUSH', 'k e'],
  ['LPOP', 'k'],
  ['RPOP', 'k n'],
  ['LREM', 'k n e'],
  ['LSET', 'k 0 e'],
  ['LTRIM', 'k n -1'],
  ['LINSERT', 'k AFTER e e'],
  ['LMOVE', 'k k LEFT RIGHT'],
  ['BRPOP', 'k 0.01'],
  ['LMPOP', '2 k k LEFT COUNT 2'],
  ['XADD', 'k MAXLEN 4 i f e'],
  ['XADD', 'k i f e'],
  ['XTRIM', 'k MAXLEN n'],
  ['XDEL', 'k i'],
  ['SETBIT', 'k n 1'],
  ['BITFIELD', 'k INCRBY u4 n 3'],
  ['BITOP', 'OR k k k'],
  ['PFADD', 'h e'],
  ['PFMERGE', 'h h'],
  ['GEOADD', 'k n n e'],
  ['GEOSEARCHSTORE', 'k k FROMLONLAT 0 0 BYRADIUS 5000 km'],
  ['SORT', 'k ALPHA STORE k'],
  ['ZADD', 'k n e'],
  ['BZPOPMIN', 'k 0.01'],
  ['SADD', 'k e'],
  ['HSET', 'k e e'],
  ['INCR', 'k'],
  ['SET', 'k e'],
  ['DEL', 'k'],
  ['COPY', 'k k REPLACE'],
  ['RENAME', 'k k'],
  ['EXPIRE', 'k 1000'],
  ['PERSIST', 'k'],
];

function randomCommand(random: Random): string[] {
  const [name, shape] = COMMANDS[below(random, COMMANDS.length)];
  const word = (letter: string): string => {
    if (letter === 'k') return 'abcd'.charAt(below(random, 4));
    if (letter === 'h') return 'pq'.charAt(below(random, 2));
    if (letter === 'e') return `e${below(random, 4)}`;
    if (letter === 'n') return String(below(random, 9));
    return letter === 'i' ? `${1 + below(random, 60)}-0` : letter;
  };
  return [name, ...shape.split(' ').map(word)];
}
