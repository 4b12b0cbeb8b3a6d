// Every write command without a rule of its own for fields through the write script: replies, data, versions, other sites.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { requireBroker } from './brokers/index.ts';
import { Trio } from './redis-trio.ts';

const { skip } = requireBroker('redis-server');

let trio: Trio;

beforeAll(async () => {
  if (skip === false) trio = await Trio.open();
});

afterAll(() => trio?.close());

function words(line: string): string[] {
  return (line.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^"|"$/g, ''));
}

async function all(script: string): Promise<void> {
  for (const line of script.split('\n').map((text) => text.trim()))
    if (line !== '') await trio.run(words(line));
}

describe.skipIf(skip).each([2, 3] as const)(`commands on whole keys, RESP%i ${skip || ''}`, (protocol) => {
  beforeEach(() => trio.begin(protocol));
  afterEach(() => trio.end());

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
    expect(await trio.run(['RPUSH', 'l', ...elements])).toBe(9000);
    expect(await trio.run(['LPUSH', 'l', ...elements])).toBe(18_000);
    expect(await trio.run(['PFADD', 'h', ...elements])).toBe(1);
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
    const header = await trio.scripted.header('s');
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
    expect(await trio.scripted.header('s')).toBe(header);
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
    const bytes = await trio.scripted.control.call('GET', 'm');
    await trio.scripted.control.call('PFCOUNT', 'm');
    expect(await trio.scripted.control.call('GET', 'm')).toBe(bytes);
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
      const dump = await trio.plain.reply('DUMP', key);
      const bytes = dump.kind === 'bulk' ? dump.bytes.toString('latin1') : '';
      await trio.run(['RESTORE', `${key}2`, '0', bytes]);
      await trio.run(['RESTORE', `${key}2`, '0', bytes]);
      await trio.run(['RESTORE', `${key}2`, '100000', bytes, 'REPLACE']);
      await trio.run([
        'RESTORE',
        'r',
        String(Date.now() + 50_000),
        bytes,
        'ABSTTL',
        'REPLACE',
        'IDLETIME',
        '5',
      ]);
      await trio.run(['RESTORE', 'r', '0', bytes, 'REPLACE', 'FREQ', '5']);
      await trio.run(['RESTORE', 'r', '-1', bytes, 'REPLACE']);
      await trio.run(['RESTORE', 'r', 'x', bytes, 'REPLACE']);
      await trio.run(['RESTORE', 'r', '0', bytes, 'NOSUCH']);
      await trio.run(['RESTORE', 'r', '0', `${bytes}x`, 'REPLACE']);
      await trio.run(['RESTORE', 'r', '1', bytes, 'ABSTTL', 'REPLACE']);
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

  it('refuses what has no meaning', async () => {
    for (const line of ['RESTORE-ASKING k 0 x', 'FCALL f 0', 'PFDEBUG GETREG h', 'MIGRATE h 1 k 0 9']) {
      const { reply, version } = await trio.scripted.run(words(line), []);
      expect(reply, line).toMatch(/^-ERR [A-Z-]+ is refused: /);
      expect(version).toBe('');
    }
  });
});
