// Random commands of the groups that only a Redis store has: lists, streams, bitmaps, HyperLogLogs, places, scripts, waiting.
import type { Random } from '../../src/base/index.ts';
import {
  field,
  type Generator,
  group,
  INDEXES,
  INTEGERS,
  key,
  type Make,
  options,
  pick,
  some,
  value,
} from './streams.ts';

const SIDES = ['LEFT', 'RIGHT', 'left', 'BOTH'];
const COUNTS = ['0', '1', '2', '5', '-1', 'x'];
const IDS = ['0', '1-1', '1-2', '2-0', '3-7', '5', '9-9', '-', '+', '(1-1', '(2', 'x', ''];
const NEW_IDS = ['1-1', '1-2', '2-1', '3-7', '4-0', '5-5', '9-9', '10-1', '0-0', '1-*', 'x'];
const GROUPS = ['g', 'h'];
const BIT_OFFSETS = ['0', '1', '7', '8', '100', '-1', 'x'];
const PLACES = [
  ['13.361389', '38.115556', 'palermo'],
  ['15.087269', '37.502669', 'catania'],
  ['2.349', '48.864', 'paris'],
  ['200', '0', 'nowhere'],
];

/** Waits for nothing: some ms, or an error. */
const TIMEOUTS = ['0.001', '0.001', '-1', 'x'];

function side(r: Random): string {
  return pick(r, SIDES);
}

const lists: readonly Make[] = [
  (r) => ['RPUSH', key(r), ...some(r, ['a', 'b', 'c', '', '1'], 4)],
  (r) => ['LPUSH', key(r), ...some(r, ['a', 'b', 'c', '\x00\xff'], 3)],
  (r) => [pick(r, ['LPUSHX', 'RPUSHX']), key(r), value(r)],
  (r) => [pick(r, ['LPOP', 'RPOP']), key(r)],
  (r) => [pick(r, ['LPOP', 'RPOP']), key(r), pick(r, COUNTS)],
  (r) => ['LLEN', key(r)],
  (r) => ['LRANGE', key(r), pick(r, INDEXES), pick(r, INDEXES)],
  (r) => ['LINDEX', key(r), pick(r, INDEXES)],
  (r) => ['LSET', key(r), pick(r, INDEXES), value(r)],
  (r) => ['LREM', key(r), pick(r, ['0', '1', '-1', 'x']), pick(r, ['a', 'b', ''])],
  (r) => ['LTRIM', key(r), pick(r, INDEXES), pick(r, INDEXES)],
  (r) => ['LINSERT', key(r), pick(r, ['BEFORE', 'AFTER', 'x']), pick(r, ['a', 'b']), value(r)],
  (r) => [
    'LPOS',
    key(r),
    pick(r, ['a', 'b']),
    ...options(r, [['RANK', '-1'], ['COUNT', '0'], ['MAXLEN', '2'], ['X']], 2),
  ],
  (r) => ['LMOVE', key(r), key(r), side(r), side(r)],
  (r) => ['RPOPLPUSH', key(r), key(r)],
  (r) => [
    'LMPOP',
    pick(r, ['1', '2', 'x']),
    key(r),
    key(r),
    side(r),
    ...options(
      r,
      [
        ['COUNT', '2'],
        ['COUNT', '0'],
      ],
      1,
    ),
  ],
  (r) => [pick(r, ['BLPOP', 'BRPOP']), key(r), ...some(r, ['none', 'a'], 2), pick(r, TIMEOUTS)],
  (r) => ['BLMOVE', key(r), key(r), side(r), side(r), pick(r, TIMEOUTS)],
  (r) => ['BRPOPLPUSH', key(r), key(r), pick(r, TIMEOUTS)],
  (r) => ['BLMPOP', pick(r, TIMEOUTS), '2', key(r), key(r), side(r)],
  (r) => ['DEL', key(r)],
  (r) => ['SET', key(r), value(r)],
  (r) => ['SORT', key(r), 'ALPHA', ...options(r, [['DESC'], ['LIMIT', '1', '2'], ['STORE', 'c']], 2)],
  (r) => ['RENAME', key(r), key(r)],
  (r) => ['COPY', key(r), key(r), ...options(r, [['REPLACE']], 1)],
  (r) => ['EXPIRE', key(r), pick(r, ['1000', '-1'])],
  (r) => [
    'EVAL',
    'return {redis.call("RPUSH", KEYS[1], ARGV[1]), redis.call("LRANGE", KEYS[1], 0, -1)}',
    '1',
    key(r),
    value(r),
  ],
  (r) => ['EVAL', 'return redis.pcall("LPOP", KEYS[1])', '1', key(r)],
];

const streams: readonly Make[] = [
  (r) => ['XADD', key(r), pick(r, NEW_IDS), field(r), value(r)],
  (r) => ['XADD', key(r), pick(r, NEW_IDS), 'f', '1', 'g', '2'],
  (r) => [
    'XADD',
    key(r),
    ...options(r, [['NOMKSTREAM'], ['MAXLEN', '2'], ['MINID', '2']], 1),
    pick(r, NEW_IDS),
    'f',
    'v',
  ],
  (r) => ['XLEN', key(r)],
  (r) => [
    'XRANGE',
    key(r),
    pick(r, IDS),
    pick(r, IDS),
    ...options(
      r,
      [
        ['COUNT', '1'],
        ['COUNT', 'x'],
      ],
      1,
    ),
  ],
  (r) => ['XREVRANGE', key(r), pick(r, IDS), pick(r, IDS)],
  (r) => ['XDEL', key(r), ...some(r, ['1-1', '2-1', '9-9', 'x'], 2)],
  (r) => ['XTRIM', key(r), pick(r, ['MAXLEN', 'MINID', 'X']), pick(r, ['0', '1', '2', '3-7'])],
  (r) => ['XSETID', key(r), pick(r, ['20-1', '1-1', 'x'])],
  (r) => [
    'XREAD',
    ...options(r, [['COUNT', '1']], 1),
    'STREAMS',
    key(r),
    key(r),
    pick(r, ['0', '$', '1-1']),
    '0',
  ],
  (r) => ['XREAD', 'BLOCK', '1', 'STREAMS', key(r), pick(r, ['$', '0', '5-5'])],
  (r) => [
    'XGROUP',
    'CREATE',
    key(r),
    pick(r, GROUPS),
    pick(r, ['0', '$', '1-1']),
    ...options(r, [['MKSTREAM']], 1),
  ],
  (r) => [
    'XGROUP',
    pick(r, ['DESTROY', 'DELCONSUMER', 'SETID', 'CREATECONSUMER']),
    key(r),
    pick(r, GROUPS),
    ...some(r, ['me', '0'], 1),
  ],
  (r) => [
    'XREADGROUP',
    'GROUP',
    pick(r, GROUPS),
    'me',
    ...options(r, [['COUNT', '1'], ['NOACK'], ['BLOCK', '1']], 2),
    'STREAMS',
    key(r),
    pick(r, ['>', '0']),
  ],
  (r) => ['XACK', key(r), pick(r, GROUPS), ...some(r, ['1-1', '2-1', '5-5'], 2)],
  (r) => ['XPENDING', key(r), pick(r, GROUPS)],
  (r) => [
    'XCLAIM',
    key(r),
    pick(r, GROUPS),
    'you',
    '0',
    pick(r, ['1-1', '5-5', '9-9']),
    ...options(r, [['JUSTID'], ['FORCE']], 1),
  ],
  (r) => [
    'XAUTOCLAIM',
    key(r),
    pick(r, GROUPS),
    'you',
    '0',
    '0',
    ...options(r, [['COUNT', '1'], ['JUSTID']], 1),
  ],
  (r) => ['XINFO', 'STREAM', key(r)],
  (r) => ['DEL', key(r)],
  (r) => ['SET', key(r), value(r)],
  (r) => ['TYPE', key(r)],
];

const others: readonly Make[] = [
  (r) => ['SETBIT', key(r), pick(r, BIT_OFFSETS), pick(r, ['0', '1', '2'])],
  (r) => ['GETBIT', key(r), pick(r, BIT_OFFSETS)],
  (r) => ['BITCOUNT', key(r), ...options(r, [['0', '-1'], ['0', '3', 'BIT'], ['x']], 1)],
  (r) => ['BITPOS', key(r), pick(r, ['0', '1', '2'])],
  (r) => ['BITOP', pick(r, ['AND', 'OR', 'XOR', 'NOT']), key(r), ...some(r, ['a', 'b', 'c'], 2)],
  (r) => [
    'BITFIELD',
    key(r),
    ...options(
      r,
      [
        ['SET', 'u8', '0', '200'],
        ['INCRBY', 'i5', '3', '7'],
        ['GET', 'u4', '0'],
        ['OVERFLOW', 'FAIL'],
        ['X'],
      ],
      3,
    ),
  ],
  (r) => ['BITFIELD_RO', key(r), 'GET', 'u8', '0'],
  (r) => ['PFADD', pick(r, ['p', 'q']), ...some(r, ['a', 'b', 'c', 'd'], 3)],
  (r) => ['PFCOUNT', ...some(r, ['p', 'q', 'a'], 2)],
  (r) => ['PFMERGE', 'q', ...some(r, ['p', 'a'], 1)],
  (r) => ['GEOADD', pick(r, ['geo', 'a']), ...pick(r, PLACES)],
  (r) => ['GEOADD', 'geo', pick(r, ['NX', 'XX', 'CH']), ...pick(r, PLACES)],
  () => ['GEODIST', 'geo', 'palermo', 'catania', 'km'],
  () => ['GEOPOS', 'geo', 'palermo', 'none'],
  (r) => ['GEOHASH', 'geo', pick(r, ['paris', 'none'])],
  (r) => ['GEOSEARCH', 'geo', 'FROMLONLAT', '15', '37', 'BYRADIUS', pick(r, ['200', 'x']), 'km', 'ASC'],
  (r) => [
    'GEOSEARCHSTORE',
    pick(r, ['near', 'c']),
    'geo',
    'FROMLONLAT',
    '15',
    '37',
    'BYBOX',
    '400',
    '400',
    'km',
  ],
  (r) => ['ZRANGE', pick(r, ['near', 'geo']), '0', '-1'],
  (r) => ['BZPOPMIN', pick(r, ['near', 'a', 'none']), pick(r, TIMEOUTS)],
  (r) => ['BZPOPMAX', pick(r, ['near', 'none']), pick(r, TIMEOUTS)],
  (r) => ['BZMPOP', pick(r, TIMEOUTS), '1', pick(r, ['near', 'none']), pick(r, ['MIN', 'MAX'])],
  (r) => ['DUMP', pick(r, ['none', 'nothing'])],
  (r) => ['GET', key(r)],
  (r) => ['STRLEN', key(r)],
  (r) => ['SET', key(r), value(r)],
  (r) => ['RPUSH', key(r), 'x'],
  (r) => ['DEL', pick(r, ['a', 'near', 'p'])],
  (r) => [
    'EVAL',
    'return redis.call(ARGV[1], KEYS[1], ARGV[2], ARGV[3])',
    '1',
    key(r),
    pick(r, ['SETBIT', 'HSET', 'ZADD', 'EXPIRE', 'NOPE']),
    pick(r, INTEGERS),
    pick(r, ['0', '1', 'x']),
  ],
  (r) => [
    'EVAL',
    pick(r, [
      'return {1, 2.7, false, "x", {err = "MY err"}, {ok = "fine"}}',
      'return nil',
      'return bogus',
      'x x',
      'return redis.error_reply("E no")',
      'return {KEYS[1], ARGV[1]}',
      'return redis.call("GET", KEYS[1])',
    ]),
    '1',
    key(r),
    value(r),
  ],
  (r) => [
    'EVAL_RO',
    'return redis.call(ARGV[1], KEYS[1])',
    '1',
    key(r),
    pick(r, ['GET', 'DEL', 'TYPE', 'INCR']),
  ],
  (r) => ['EVALSHA', pick(r, ['f'.repeat(40), 'x']), pick(r, ['0', 'x', '-1', '3'])],
  () => ['SCRIPT', 'LOAD', 'return 5'],
  () => ['SCRIPT', 'LOAD', 'return ('],
  () => ['SCRIPT', 'EXISTS', '4ca238f611c9d0ae4e9a75a5dbac22aedc1e44282', 'x'],
];

/** Commands without a wrong timeout: inside MULTI that error comes before others. */
function inTime(make: Make): Make {
  return (r) => {
    for (;;) {
      const words = make(r);
      if (!words[0].startsWith('B') || !words.some((word) => word === '-1' || word === 'x')) return words;
    }
  };
}

const transactions: readonly Make[] = [
  () => ['MULTI'],
  () => ['EXEC'],
  () => ['EXEC'],
  () => ['DISCARD'],
  (r) => ['WATCH', key(r)],
  (r) => inTime(pick(r, lists))(r),
  (r) => pick(r, streams)(r),
  (r) => inTime(pick(r, others.slice(0, 13)))(r),
];

/** One generator for each group that only a Redis store has. */
export const GENERATORS_ON_REDIS: readonly Generator[] = [
  group('lists', lists),
  group('streams', streams),
  group('bits, places, scripts', others),
  group('transactions of lists and streams', transactions),
];
