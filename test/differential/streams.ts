// Random commands by group, from a seed: valid ones, wrong types, wrong options, wrong numbers of arguments, any bytes.
import { below, type Random } from '../../src/base/index.ts';

/** One command. Shape: latin1 words. */
export type Words = readonly string[];

/** A source of random commands. */
export interface Generator {
  readonly name: string;
  next(random: Random): Words;
}

const KEYS = ['a', 'b', 'c', 'key:{x}', 'bin\x00\xff\r\n', ''];
const FIELDS = ['f', 'g', 'h', '1', '-7', '\x80\x00', 'long'.repeat(20), ''];
const VALUES = [
  '1',
  '-1',
  '0',
  '10',
  '3.5',
  'x',
  'abc',
  '',
  '\x00\xff\r\n',
  '9223372036854775807',
  ' 1',
  '01',
  '1e3',
  '-0.25',
];
export const INTEGERS = [
  '0',
  '1',
  '-1',
  '2',
  '5',
  '-3',
  '100',
  '9223372036854775807',
  '-9223372036854775808',
  'x',
  '1.5',
  '01',
  '',
];
/** Sums of these are exact in doubles, as mqkv adds, and in the long doubles of Redis. */
const FLOATS = ['0', '1', '3.5', '-0.25', '1e3', 'x', '', ' 1', '100000'];
const FLOAT_STEPS = ['0', '1', '-1.5', '2.25', 'inf', 'nan', 'x', '', '1e3', '0x10'];
export const INDEXES = ['0', '1', '-1', '2', '-2', '3', '-100', '100', '7', 'x'];
const SCORES = [
  '0',
  '1',
  '-1',
  '2.5',
  '3',
  '0.25',
  '1e3',
  'inf',
  '-inf',
  '+5',
  '0x10',
  '3.1',
  '1e30',
  '.5',
  '5.',
  'nan',
  'x',
  '',
  ' 1',
  '12345678901234567',
];
export const PLAIN_SCORES = ['0', '1', '-1', '2.5', '3', '0.25', '-0.75', '64'];
const SCORE_BOUNDS = [
  '-inf',
  '+inf',
  '0',
  '(0',
  '1',
  '(1',
  '2.5',
  '(2.5',
  '-1',
  'inf',
  '(',
  'x',
  '(inf',
  '1e3',
];
const LEX_BOUNDS = ['-', '+', '[f', '(f', '[g', '(h', '[', '(', '[\x80', 'f', ''];
const GLOBS = [
  '*',
  'a*',
  '?',
  '[a-c]',
  '[^a]',
  '*x*',
  '\\*',
  '[',
  'key:{*}',
  '*\xff*',
  '[c-a]',
  'a\\',
  '**b',
];
/** Far enough that neither server's clock matters. Units: Unix seconds. */
const FAR = ['4000000000', '4000000001', '4000000500'];
const FAR_MS = ['4000000000000', '4000000000001', '4000000000499', '4000000000500'];

export function pick<T>(random: Random, list: readonly T[]): T {
  return list[below(random, list.length)];
}

export function some(random: Random, list: readonly string[], most: number): string[] {
  return Array.from({ length: 1 + below(random, most) }, () => pick(random, list));
}

/** Each word with its case changed now and then. */
function cased(random: Random, word: string): string {
  return below(random, 4) === 0 ? word.toLowerCase() : word;
}

export type Make = (r: Random) => Words;

export const key: (r: Random) => string = (r) => pick(r, KEYS);
export const field: (r: Random) => string = (r) => pick(r, FIELDS);
export const value: (r: Random) => string = (r) => pick(r, VALUES);

/** Options drawn from whole phrases; sometimes several, sometimes nonsense. */
export function options(r: Random, phrases: readonly Words[], most: number): string[] {
  const chosen: string[] = [];
  for (let n = below(r, most + 1); n > 0; n--) chosen.push(...pick(r, phrases).map((word) => cased(r, word)));
  return chosen;
}

const SET_OPTIONS: readonly Words[] = [
  ['NX'],
  ['XX'],
  ['GET'],
  ['KEEPTTL'],
  ['EX', '1000'],
  ['PX', '1000000'],
  ['EXAT', '4000000000'],
  ['PXAT', '4000000000000'],
  ['EX', '0'],
  ['EX', 'x'],
  ['EX'],
  ['EX', '9223372036854775807'],
  ['BOGUS'],
];
/** Of relative times GT and LT would depend on the millisecond. */
const RELATIVE_OPTIONS: readonly Words[] = [['NX'], ['XX'], ['ZZ']];
const EXPIRE_OPTIONS: readonly Words[] = [['NX'], ['XX'], ['GT'], ['LT'], ['ZZ']];

const strings: readonly Make[] = [
  (r) => ['SET', key(r), value(r), ...options(r, SET_OPTIONS, 2)],
  (r) => ['SET', key(r), value(r)],
  (r) => ['GET', key(r)],
  (r) => ['SETNX', key(r), value(r)],
  (r) => [pick(r, ['SETEX', 'PSETEX']), key(r), pick(r, ['1000000', '0', '-1', 'x']), value(r)],
  (r) => ['GETSET', key(r), value(r)],
  (r) => ['GETDEL', key(r)],
  (r) => ['GETEX', key(r), ...options(r, [...SET_OPTIONS, ['PERSIST']], 1)],
  (r) => ['MGET', ...some(r, KEYS, 4)],
  (r) => ['MSET', ...some(r, KEYS, 3).flatMap((k) => [k, value(r)])],
  (r) => ['MSETNX', ...some(r, KEYS, 2).flatMap((k) => [k, value(r)])],
  (r) => ['MSET', ...some(r, KEYS, 4)],
  (r) => ['APPEND', key(r), value(r)],
  (r) => ['STRLEN', key(r)],
  (r) => [pick(r, ['GETRANGE', 'SUBSTR']), key(r), pick(r, INDEXES), pick(r, INDEXES)],
  (r) => ['SETRANGE', key(r), pick(r, ['0', '1', '5', '20', '-1', 'x']), value(r)],
  (r) => [pick(r, ['INCR', 'DECR']), key(r)],
  (r) => [pick(r, ['INCRBY', 'DECRBY']), key(r), pick(r, INTEGERS)],
  (r) => ['SET', 'float', pick(r, FLOATS)],
  (r) => ['INCRBYFLOAT', 'float', pick(r, FLOAT_STEPS)],
  (r) => ['INCRBYFLOAT', 'float', pick(r, FLOAT_STEPS)],
  (r) => [
    'LCS',
    key(r),
    key(r),
    ...options(r, [['LEN'], ['IDX'], ['WITHMATCHLEN'], ['MINMATCHLEN', '2'], ['MINMATCHLEN', 'x']], 3),
  ],
];

const keys: readonly Make[] = [
  (r) => [pick(r, ['DEL', 'UNLINK', 'EXISTS', 'TOUCH']), ...some(r, KEYS, 3)],
  (r) => ['TYPE', key(r)],
  (r) => ['KEYS', pick(r, GLOBS)],
  (r) => [
    'SCAN',
    '0',
    'COUNT',
    '1000',
    ...options(
      r,
      [
        ['MATCH', pick(r, GLOBS)],
        ['TYPE', pick(r, ['string', 'hash', 'SET', 'zset', 'none'])],
        ['COUNT', '0'],
        ['COUNT', 'x'],
        ['BOGUS', '1'],
        ['MATCH'],
      ],
      2,
    ),
  ],
  (r) => ['SCAN', pick(r, ['x', '1x', ''])],
  (r) => ['RENAME', key(r), key(r)],
  (r) => ['RENAMENX', key(r), key(r)],
  (r) => ['COPY', key(r), key(r), ...options(r, [['REPLACE'], ['DB', '0'], ['DB', 'x'], ['BOGUS']], 2)],
  () => ['DBSIZE'],
  (r) => ['EXPIREAT', key(r), pick(r, [...FAR, '1', '-1', 'x']), ...options(r, EXPIRE_OPTIONS, 2)],
  (r) => ['PEXPIREAT', key(r), pick(r, [...FAR_MS, '0']), ...options(r, EXPIRE_OPTIONS, 2)],
  (r) => [
    pick(r, ['EXPIRE', 'PEXPIRE']),
    key(r),
    pick(r, ['-1', '0', 'x', '9223372036854775807', '100000000']),
    ...options(r, RELATIVE_OPTIONS, 1),
  ],
  (r) => ['EXPIRE', key(r), '1000', ...options(r, RELATIVE_OPTIONS, 1)],
  (r) => ['TTL', key(r)],
  (r) => [pick(r, ['EXPIRETIME', 'PEXPIRETIME']), pick(r, ['nothing', 'd'])],
  (r) => ['PERSIST', key(r)],
  (r) => ['SET', key(r), value(r), 'PXAT', pick(r, FAR_MS)],
  (r) => ['OBJECT', pick(r, ['REFCOUNT', 'BOGUS', 'FREQ']), 'nothing'],
  (r) => ['SET', 'd', 'v', 'PXAT', pick(r, FAR_MS)],
  (r) => ['HSET', key(r), field(r), value(r)],
  (r) => ['SADD', key(r), field(r)],
  (r) => ['ZADD', key(r), '1', field(r)],
  (r) => ['SELECT', pick(r, ['0', 'x', '99'])],
  (r) =>
    ['RANDOMKEY', ...(below(r, 2) === 0 ? ['x'] : [])].length === 2
      ? ['RANDOMKEY', 'x']
      : ['MOVE', key(r), '99'],
  (r) => [pick(r, ['FLUSHALL', 'FLUSHDB']), pick(r, ['ASYNC', 'SYNC', 'BOGUS'])],
];

const hashes: readonly Make[] = [
  (r) => ['HSET', key(r), ...some(r, FIELDS, 3).flatMap((f) => [f, value(r)])],
  (r) => ['HSET', key(r), ...some(r, FIELDS, 4)],
  (r) => ['HMSET', key(r), field(r), value(r)],
  (r) => ['HSETNX', key(r), field(r), value(r)],
  (r) => ['HGET', key(r), field(r)],
  (r) => ['HMGET', key(r), ...some(r, FIELDS, 3)],
  (r) => [pick(r, ['HGETALL', 'HKEYS', 'HVALS', 'HLEN']), key(r)],
  (r) => [pick(r, ['HEXISTS', 'HSTRLEN']), key(r), field(r)],
  (r) => ['HDEL', key(r), ...some(r, FIELDS, 3)],
  (r) => ['HINCRBY', key(r), field(r), pick(r, INTEGERS)],
  (r) => ['HSET', 'float', 'n', pick(r, FLOATS)],
  (r) => ['HINCRBYFLOAT', 'float', 'n', pick(r, FLOAT_STEPS)],
  (r) => ['HINCRBYFLOAT', 'float', 'n', pick(r, FLOAT_STEPS)],
  (r) => ['HRANDFIELD', key(r), '100', ...options(r, [['WITHVALUES'], ['BOGUS']], 1)],
  (r) => ['HRANDFIELD', key(r), pick(r, ['0', 'x'])],
  (r) => [
    'HSCAN',
    key(r),
    '0',
    ...options(
      r,
      [
        ['MATCH', pick(r, GLOBS)],
        ['COUNT', '100'],
        ['COUNT', '0'],
        ['TYPE', 'hash'],
      ],
      2,
    ),
  ],
];

const sets: readonly Make[] = [
  (r) => ['SADD', key(r), ...some(r, FIELDS, 4)],
  (r) => ['SADD', key(r), ...some(r, FIELDS, 4)],
  (r) => ['SREM', key(r), ...some(r, FIELDS, 2)],
  (r) => [pick(r, ['SCARD', 'SMEMBERS']), key(r)],
  (r) => ['SISMEMBER', key(r), field(r)],
  (r) => ['SMISMEMBER', key(r), ...some(r, FIELDS, 3)],
  (r) => ['SMOVE', key(r), key(r), field(r)],
  (r) => ['SPOP', key(r), pick(r, ['100', '0', '-1', 'x'])],
  (r) => ['SRANDMEMBER', key(r), pick(r, ['100', '0', 'x'])],
  (r) => [pick(r, ['SINTER', 'SUNION', 'SDIFF']), ...some(r, KEYS, 3)],
  (r) => [pick(r, ['SINTERSTORE', 'SUNIONSTORE', 'SDIFFSTORE']), key(r), ...some(r, KEYS, 3)],
  (r) => [
    'SINTERCARD',
    pick(r, ['1', '2', '0', 'x', '9']),
    ...some(r, KEYS, 2),
    ...options(r, [['LIMIT', '1'], ['LIMIT', '0'], ['LIMIT', '-1'], ['LIMIT', 'x'], ['LIMIT']], 1),
  ],
  (r) => [
    'SSCAN',
    key(r),
    '0',
    ...options(
      r,
      [
        ['MATCH', pick(r, GLOBS)],
        ['COUNT', '100'],
      ],
      2,
    ),
  ],
  (r) => [
    'SORT',
    key(r),
    'ALPHA',
    ...options(r, [['ASC'], ['DESC'], ['LIMIT', '0', '2'], ['LIMIT', '-1', '5'], ['GET', '#'], ['BOGUS']], 2),
  ],
  (r) => ['SORT_RO', key(r), ...options(r, [['DESC'], ['STORE', 'a']], 1)],
];

const ZADD_OPTIONS: readonly Words[] = [['NX'], ['XX'], ['GT'], ['LT'], ['CH']];
const RANGE_OPTIONS: readonly Words[] = [
  ['WITHSCORES'],
  ['LIMIT', '0', '2'],
  ['LIMIT', '1', '-1'],
  ['LIMIT', '-1', '2'],
  ['LIMIT', 'x', '1'],
  ['REV'],
  ['BOGUS'],
];

function zalgebra(r: Random): string[] {
  return [
    pick(r, ['1', '2', '2', '3', '0', 'x', '9']),
    ...some(r, KEYS, 3),
    ...options(
      r,
      [
        ['WEIGHTS', '2', '0.5'],
        ['WEIGHTS', '2'],
        ['WEIGHTS', 'x', '1'],
        ['AGGREGATE', 'MIN'],
        ['AGGREGATE', 'MAX'],
        ['AGGREGATE', 'SUM'],
        ['WITHSCORES'],
        ['AGGREGATE', 'x'],
      ],
      2,
    ),
  ];
}

const zsets: readonly Make[] = [
  (r) => ['ZADD', key(r), ...some(r, FIELDS, 3).flatMap((f) => [pick(r, PLAIN_SCORES), f])],
  (r) => ['ZADD', key(r), ...some(r, FIELDS, 3).flatMap((f) => [pick(r, PLAIN_SCORES), f])],
  (r) => [
    'ZADD',
    key(r),
    ...options(r, ZADD_OPTIONS, 2),
    ...some(r, FIELDS, 3).flatMap((f) => [pick(r, SCORES), f]),
  ],
  (r) => ['ZADD', key(r), ...options(r, ZADD_OPTIONS, 1), 'INCR', pick(r, PLAIN_SCORES), field(r)],
  (r) => ['ZADD', key(r), ...options(r, [...ZADD_OPTIONS, ['INCR']], 2), ...some(r, FIELDS, 3)],
  (r) => ['ZINCRBY', key(r), pick(r, [...PLAIN_SCORES, 'x', 'nan']), field(r)],
  (r) => ['ZREM', key(r), ...some(r, FIELDS, 2)],
  (r) => ['ZCARD', key(r)],
  (r) => ['ZADD', 'lex', ...some(r, FIELDS, 4).flatMap((f) => ['0', f])],
  (r) => [pick(r, ['ZSCORE', 'ZRANK', 'ZREVRANK']), key(r), field(r)],
  (r) => ['ZMSCORE', key(r), ...some(r, FIELDS, 3)],
  (r) => ['ZCOUNT', key(r), pick(r, SCORE_BOUNDS), pick(r, SCORE_BOUNDS)],
  (r) => ['ZLEXCOUNT', 'lex', pick(r, LEX_BOUNDS), pick(r, LEX_BOUNDS)],
  (r) => [
    pick(r, ['ZRANGE', 'ZREVRANGE']),
    key(r),
    pick(r, INDEXES),
    pick(r, INDEXES),
    ...options(r, RANGE_OPTIONS, 2),
  ],
  (r) => [
    'ZRANGE',
    key(r),
    pick(r, SCORE_BOUNDS),
    pick(r, SCORE_BOUNDS),
    'BYSCORE',
    ...options(r, RANGE_OPTIONS, 3),
  ],
  (r) => [
    'ZRANGE',
    'lex',
    pick(r, LEX_BOUNDS),
    pick(r, LEX_BOUNDS),
    'BYLEX',
    ...options(r, RANGE_OPTIONS, 2),
  ],
  (r) => [
    pick(r, ['ZRANGEBYSCORE', 'ZREVRANGEBYSCORE']),
    key(r),
    pick(r, SCORE_BOUNDS),
    pick(r, SCORE_BOUNDS),
    ...options(r, RANGE_OPTIONS, 2),
  ],
  (r) => [
    pick(r, ['ZRANGEBYLEX', 'ZREVRANGEBYLEX']),
    'lex',
    pick(r, LEX_BOUNDS),
    pick(r, LEX_BOUNDS),
    ...options(r, RANGE_OPTIONS, 1),
  ],
  (r) => [
    'ZRANGESTORE',
    key(r),
    key(r),
    pick(r, SCORE_BOUNDS),
    pick(r, SCORE_BOUNDS),
    'BYSCORE',
    ...options(r, RANGE_OPTIONS, 1),
  ],
  (r) => ['ZRANGESTORE', key(r), key(r), pick(r, INDEXES), pick(r, INDEXES), ...options(r, RANGE_OPTIONS, 1)],
  (r) => ['ZREMRANGEBYRANK', key(r), pick(r, INDEXES), pick(r, INDEXES)],
  (r) => ['ZREMRANGEBYSCORE', key(r), pick(r, SCORE_BOUNDS), pick(r, SCORE_BOUNDS)],
  (r) => ['ZREMRANGEBYLEX', 'lex', pick(r, LEX_BOUNDS), pick(r, LEX_BOUNDS)],
  (r) => [pick(r, ['ZPOPMIN', 'ZPOPMAX']), key(r), ...options(r, [['2'], ['0'], ['-1'], ['x']], 1)],
  (r) => [
    'ZMPOP',
    pick(r, ['1', '2', '0', 'x']),
    ...some(r, KEYS, 2),
    pick(r, ['MIN', 'MAX', 'MID']),
    ...options(r, [['COUNT', '2'], ['COUNT', '0'], ['COUNT']], 1),
  ],
  (r) => [pick(r, ['ZUNION', 'ZINTER', 'ZDIFF']), ...zalgebra(r)],
  (r) => [pick(r, ['ZUNIONSTORE', 'ZINTERSTORE', 'ZDIFFSTORE']), key(r), ...zalgebra(r)],
  (r) => [
    'ZINTERCARD',
    pick(r, ['1', '2', '0', 'x']),
    ...some(r, KEYS, 2),
    ...options(r, [['LIMIT', '1'], ['LIMIT', '-1'], ['LIMIT']], 1),
  ],
  (r) => ['ZRANDMEMBER', key(r), '100', ...options(r, [['WITHSCORES'], ['BOGUS']], 1)],
  (r) => [
    'ZSCAN',
    key(r),
    '0',
    ...options(
      r,
      [
        ['MATCH', pick(r, GLOBS)],
        ['COUNT', '100'],
      ],
      2,
    ),
  ],
  (r) => ['SADD', key(r), ...some(r, FIELDS, 2)],
];

const connection: readonly Make[] = [
  (r) => ['PING', ...some(r, VALUES, 2).slice(1)],
  (r) => ['ECHO', value(r)],
  () => ['CLIENT', 'GETNAME'],
  (r) => ['CLIENT', 'SETNAME', pick(r, ['n', 'a b', '', 'x\n'])],
  (r) => ['CLIENT', pick(r, ['BOGUS', 'GETREDIR', 'NO-EVICT', 'REPLY'])],
  () => ['CLIENT', 'REPLY', 'ON'],
  () => ['AUTH', 'x'],
  (r) => ['AUTH', pick(r, ['default', 'nobody']), 'x'],
  (r) => ['HELLO', pick(r, ['x', '4', '1'])],
  (r) => ['SELECT', pick(r, ['0', 'x'])],
  () => ['CONFIG', 'SET', 'bogus', '1'],
  (r) => ['CONFIG', 'GET', pick(r, ['save', 'appendonly', 'bogus', 'SAVE'])],
  (r) => [
    'COMMAND',
    'GETKEYS',
    ...pick(r, [
      ['SET', 'k', 'v'],
      ['MSET', 'k', 'v', 'l', 'w'],
      ['ZUNIONSTORE', 'd', '2', 'x', 'y'],
      ['PING'],
      ['BOGUS'],
      ['GET'],
      ['ZUNION', '9', 'a'],
      ['OBJECT', 'ENCODING', 'k'],
      ['SORT', 'a', 'STORE', 'b'],
    ]),
  ],
  (r) => ['COMMAND', 'INFO', pick(r, ['bogus', 'nothere'])],
  (r) => [pick(r, ['bogus', 'BOGUS\r\nx', 'get\x00']), ...some(r, VALUES, 3)],
  (r) => ['bogus', 'y'.repeat(below(r, 200)), 'z'.repeat(below(r, 200)), 'w'],
  (r) => [
    pick(r, [
      'GET',
      'SET',
      'HSET',
      'ZADD',
      'LPUSH',
      'CLIENT',
      'CONFIG',
      'OBJECT',
      'EXPIRE',
      'RENAME',
      'SUBSCRIBE',
      'PUBLISH',
      'WATCH',
      'MULTI',
      'EXEC',
      'SINTERCARD',
    ]),
  ],
  (r) => ['PUBSUB', pick(r, ['CHANNELS', 'NUMSUB', 'NUMPAT', 'SHARDCHANNELS', 'SHARDNUMSUB', 'BOGUS'])],
  (r) => ['PUBLISH', key(r), value(r)],
  () => ['SPUBLISH', 'c', 'm'],
  (r) => [pick(r, ['SLOWLOG', 'LATENCY', 'MEMORY', 'OBJECT', 'CONFIG', 'PUBSUB']), 'BOGUS'],
  (r) => ['MEMORY', 'USAGE', 'nothing', ...options(r, [['SAMPLES', '1'], ['SAMPLES', 'x'], ['BOGUS']], 1)],
  (r) => ['WAIT', pick(r, ['0', 'x']), pick(r, ['0', '-1', 'x'])],
  (r) => [pick(r, ['CLUSTER', 'READONLY', 'READWRITE', 'ASKING']), ...some(r, ['INFO'], 2).slice(1)],
  () => ['RESET'],
];

const transactions: readonly Make[] = [
  () => ['MULTI'],
  () => ['EXEC'],
  () => ['EXEC'],
  () => ['DISCARD'],
  (r) => ['WATCH', ...some(r, KEYS, 2)],
  () => ['UNWATCH'],
  (r) => pick(r, strings)(r),
  (r) => pick(r, strings)(r),
  (r) => pick(r, keys.slice(0, 12))(r),
  (r) => pick(r, hashes)(r),
  (r) => pick(r, sets)(r),
  (r) => pick(r, zsets)(r),
  (r) => ['bogus', value(r)],
];

export function group(name: string, makes: readonly Make[]): Generator {
  return { name, next: (random) => pick(random, makes)(random) };
}

/** One generator for each group of commands, and one over all types of value. */
export const GENERATORS: readonly Generator[] = [
  group('strings', strings),
  group('keys', keys),
  group('hashes', hashes),
  group('sets', sets),
  group('sorted sets', zsets),
  group('connection', connection),
  group('transactions', transactions),
  group('all types', [...strings, ...keys, ...hashes, ...sets, ...zsets]),
];
