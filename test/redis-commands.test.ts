// Every command of Redis 7.0 through the gateway over a Redis store: each write is carried to another site's Redis, which
// then shows the same; what docs/redis-commands.md says is refused is refused; nothing else is unknown.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom, silentLogger, systemClock } from '../src/base/index.ts';
import { type CommandSpec, commandTable, createRedisGateway } from '../src/commands/index.ts';
import { plainReply } from '../src/resp/index.ts';
import { createServer } from '../src/server/index.ts';
import { openRedisStore, type RedisStore } from '../src/store/redis/index.ts';
import { type Broker, openControl, type RedisControl, requireBroker, startRedis } from './brokers/index.ts';
import { shown } from './redis-rows.ts';

const { skip } = requireBroker('redis-server');
const SCRIPT = "return redis.call('SET', KEYS[1], 'v')";
const SCRIPT_SHA = '219bb33e7c6773035c720850383aa2ebb63d9904';

/** An example of each write: what comes before it, and itself. k1, k2, k3 stand for keys of its own. */
const WRITES: Readonly<Record<string, string>> = {
  append: 'SET k1 a; APPEND k1 b',
  bitfield: 'BITFIELD k1 SET u8 0 200',
  bitop: 'SET k2 abc; BITOP NOT k1 k2',
  blmove: 'RPUSH k1 a b; BLMOVE k1 k2 LEFT RIGHT 0',
  blmpop: 'RPUSH k1 a b; BLMPOP 0 1 k1 LEFT',
  blpop: 'RPUSH k1 a b; BLPOP k1 0',
  brpop: 'RPUSH k1 a b; BRPOP k1 0',
  brpoplpush: 'RPUSH k1 a b; BRPOPLPUSH k1 k2 0',
  bzmpop: 'ZADD k1 1 a 2 b; BZMPOP 0 1 k1 MIN',
  bzpopmax: 'ZADD k1 1 a 2 b; BZPOPMAX k1 0',
  bzpopmin: 'ZADD k1 1 a 2 b; BZPOPMIN k1 0',
  copy: 'RPUSH k1 a; COPY k1 k2',
  decr: 'SET k1 5; DECR k1',
  decrby: 'DECRBY k1 5',
  del: 'SET k1 v; HSET k2 f v; DEL k1 k2',
  expire: 'SET k1 v; EXPIRE k1 1000',
  expireat: 'SET k1 v; EXPIREAT k1 9000000000',
  eval: `EVAL "${SCRIPT}" 1 k1`,
  evalsha: `SCRIPT LOAD "${SCRIPT}"; EVALSHA ${SCRIPT_SHA} 1 k1`,
  geoadd: 'GEOADD k1 13 38 a',
  georadius: 'GEOADD k1 13 38 a; GEORADIUS k1 13 38 9 km STORE k2',
  georadiusbymember: 'GEOADD k1 13 38 a; GEORADIUSBYMEMBER k1 a 9 km STOREDIST k2',
  geosearchstore: 'GEOADD k1 13 38 a; GEOSEARCHSTORE k2 k1 FROMMEMBER a BYRADIUS 9 km',
  getdel: 'SET k1 v; GETDEL k1',
  getex: 'SET k1 v; GETEX k1 EX 1000',
  getset: 'SET k1 v; GETSET k1 w',
  hdel: 'HSET k1 f v g w; HDEL k1 f',
  hincrby: 'HINCRBY k1 f 5',
  hincrbyfloat: 'HINCRBYFLOAT k1 f 1.5',
  hmset: 'HMSET k1 f v',
  hset: 'HSET k1 f v g w',
  hsetnx: 'HSETNX k1 f v',
  incr: 'INCR k1',
  incrby: 'INCRBY k1 7',
  incrbyfloat: 'INCRBYFLOAT k1 1.5',
  linsert: 'RPUSH k1 a; LINSERT k1 BEFORE a b',
  lmove: 'RPUSH k1 a b; LMOVE k1 k2 LEFT LEFT',
  lmpop: 'RPUSH k1 a b; LMPOP 1 k1 RIGHT',
  lpop: 'RPUSH k1 a b; LPOP k1',
  lpush: 'LPUSH k1 a b',
  lpushx: 'RPUSH k1 a; LPUSHX k1 b',
  lrem: 'RPUSH k1 a b a; LREM k1 0 a',
  lset: 'RPUSH k1 a; LSET k1 0 b',
  ltrim: 'RPUSH k1 a b c; LTRIM k1 1 1',
  mset: 'MSET k1 a k2 b',
  msetnx: 'MSETNX k1 a k2 b',
  persist: 'SET k1 v EX 1000; PERSIST k1',
  pexpire: 'SET k1 v; PEXPIRE k1 1000000',
  pexpireat: 'SET k1 v; PEXPIREAT k1 9000000000000',
  pfadd: 'PFADD k1 a b',
  pfmerge: 'PFADD k2 a; PFMERGE k1 k2',
  psetex: 'PSETEX k1 1000000 v',
  rename: 'RPUSH k1 a; RENAME k1 k2',
  renamenx: 'XADD k1 1-1 f v; RENAMENX k1 k2',
  rpop: 'RPUSH k1 a b; RPOP k1 2',
  rpoplpush: 'RPUSH k1 a b; RPOPLPUSH k1 k2',
  rpush: 'RPUSH k1 a b',
  rpushx: 'RPUSH k1 a; RPUSHX k1 b',
  sadd: 'SADD k1 a b',
  sdiffstore: 'SADD k1 a b; SADD k2 b; SDIFFSTORE k3 k1 k2',
  set: 'SET k1 v EX 1000',
  setbit: 'SETBIT k1 7 1',
  setex: 'SETEX k1 1000 v',
  setnx: 'SETNX k1 v',
  setrange: 'SET k1 hello; SETRANGE k1 1 xx',
  sinterstore: 'SADD k1 a b; SADD k2 b; SINTERSTORE k3 k1 k2',
  smove: 'SADD k1 a b; SMOVE k1 k2 a',
  sort: 'RPUSH k1 3 1 2; SORT k1 STORE k2',
  spop: 'SADD k1 a; SPOP k1',
  srem: 'SADD k1 a b; SREM k1 a',
  sunionstore: 'SADD k1 a b; SADD k2 c; SUNIONSTORE k3 k1 k2',
  unlink: 'ZADD k1 1 a; UNLINK k1',
  xadd: 'XADD k1 1-1 f v',
  xdel: 'XADD k1 1-1 f v; XDEL k1 1-1',
  'xgroup|create': 'XGROUP CREATE k1 g $ MKSTREAM',
  xsetid: 'XADD k1 1-1 f v; XSETID k1 9-0',
  xtrim: 'XADD k1 1-1 f v; XTRIM k1 MAXLEN 0',
  zadd: 'ZADD k1 1 a 2 b',
  zdiffstore: 'ZADD k1 1 a 2 b; ZADD k2 1 a; ZDIFFSTORE k3 2 k1 k2',
  zincrby: 'ZINCRBY k1 1.5 a',
  zinterstore: 'ZADD k1 1 a 2 b; ZADD k2 1 a; ZINTERSTORE k3 2 k1 k2',
  zmpop: 'ZADD k1 1 a 2 b; ZMPOP 1 k1 MAX',
  zpopmax: 'ZADD k1 1 a 2 b; ZPOPMAX k1',
  zpopmin: 'ZADD k1 1 a 2 b; ZPOPMIN k1',
  zrangestore: 'ZADD k1 1 a 2 b; ZRANGESTORE k2 k1 0 0',
  zrem: 'ZADD k1 1 a 2 b; ZREM k1 a',
  zremrangebylex: 'ZADD k1 1 a 1 b; ZREMRANGEBYLEX k1 - [a',
  zremrangebyrank: 'ZADD k1 1 a 2 b; ZREMRANGEBYRANK k1 0 0',
  zremrangebyscore: 'ZADD k1 1 a 2 b; ZREMRANGEBYSCORE k1 1 1',
  zunionstore: 'ZADD k1 1 a 2 b; ZADD k2 1 a; ZUNIONSTORE k3 2 k1 k2',
};
/** RESTORE takes bytes, FLUSHALL and FLUSHDB take every key: below. */
const WRITES_APART = ['restore', 'flushall', 'flushdb'];
/** They end the connection or the process, or make of it something else. */
const NOT_CALLED = new Set(
  'quit shutdown multi monitor subscribe psubscribe ssubscribe reset mqkv.peer client|kill client|reply hello auth sync psync'.split(
    ' ',
  ),
);

const all = [...commandTable.values()]
  .flatMap((spec) => [spec, ...spec.subcommands.values()])
  .filter((spec) => spec.subcommands.size === 0);

describe.skipIf(skip)(`each command over a Redis store ${skip || ''}`, () => {
  let servers: readonly Broker[] = [];
  let near: RedisControl;
  let far: RedisControl;
  let plain: RedisControl;
  let client: RedisControl;
  let store: RedisStore;
  let other: RedisStore;
  let stop: () => Promise<void>;

  beforeAll(async () => {
    servers = await Promise.all([startRedis(), startRedis(), startRedis()]);
    [near, far, plain] = servers.map(({ port }) => openControl(port));
    [store, other] = await Promise.all([openSite(servers[0].port, 'a'), openSite(servers[1].port, 'b')]);
    const common = { clock: systemClock, random: seededRandom(1), logger: silentLogger };
    const gateway = createRedisGateway({ ...common, store, redis: store, version: '0.0.0' });
    const server = createServer({ handler: gateway, logger: silentLogger });
    const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
    client = openControl(port);
    stop = async () => {
      await server.close({ graceMs: 100 });
      gateway.close();
    };
  });

  afterAll(async () => {
    for (const control of [near, far, plain, client]) control?.close();
    await stop?.();
    await store?.close();
    await other?.close();
    for (const server of servers) await server.stop();
  });

  function openSite(port: number, site: string): Promise<RedisStore> {
    return openRedisStore({
      url: {
        kind: 'redis',
        mode: 'standalone',
        addresses: [{ host: '127.0.0.1', port }],
        db: 0,
        tls: false,
        readReplica: false,
      },
      clock: systemClock,
      random: seededRandom(port),
      logger: silentLogger,
      site,
      marks: true,
    });
  }

  /** What the outbox holds goes to the other site. */
  async function carry(): Promise<void> {
    for (
      let taken = await store.outbox.take(1e6);
      taken !== undefined;
      taken = await store.outbox.take(1e6)
    ) {
      await other.merge(taken.deltas);
      taken.accepted();
    }
  }

  async function send(words: readonly string[]): Promise<void> {
    const reply = plainReply(await client.reply(...words));
    expect(reply, words.join(' ')).toEqual(plainReply(await plain.reply(...words)));
    expect(String(reply), words.join(' ')).not.toMatch(/^-[A-Z]/);
  }

  it('there is an example of every write', () => {
    const writes = all.filter(({ via }) => via === 'register' || via === 'whole').map(({ name }) => name);
    expect([...Object.keys(WRITES), ...WRITES_APART].sort()).toEqual([...writes, 'xgroup|create'].sort());
  });

  it.each(Object.entries(WRITES))('%s reaches another site', async (name, example) => {
    const keys = ['1', '2', '3'].map((n) => `${name}:${n}`);
    for (const line of example.split(';')) {
      const words = (line.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replace(/^"|"$/g, ''));
      await send(words.map((word) => (/^k[123]$/.test(word) ? `${name}:${word.slice(1)}` : word)));
    }
    await carry();
    for (const key of keys) {
      expect(await shown(near, key), key).toEqual(await shown(plain, key));
      expect(await shown(far, key), `${key} at the other site`).toEqual(await shown(near, key));
    }
  });

  it('restore reaches another site', async () => {
    await plain.call('RPUSH', 'restore:0', 'a', 'b');
    const dump = await plain.reply('DUMP', 'restore:0');
    await client.call('RESTORE', 'restore:1', '100000', dump.kind === 'bulk' ? dump.bytes : '');
    await carry();
    const expected = { type: 'list', hasTtl: true, value: ['a', 'b'] };
    expect(await shown(near, 'restore:1')).toEqual(expected);
    expect(await shown(far, 'restore:1')).toEqual(expected);
  });

  it.each(
    all
      .filter(({ via, name }) => via === 'refused' && !NOT_CALLED.has(name))
      .map((spec) => [spec.name, spec] as const),
  )('%s is refused', async (_name, spec) => {
    const reply = plainReply(await client.reply(...minimalArguments(spec)));
    expect(reply).toMatch(/^-ERR /);
    if (spec.stores === 'redis') expect(reply).toMatch(/is refused: |cluster support disabled/);
  });

  it.each(
    all
      .filter(({ via, name }) => via !== 'refused' && !(name in WRITES) && !NOT_CALLED.has(name))
      .filter(({ name }) => !WRITES_APART.includes(name))
      .map((spec) => [spec.name, spec] as const),
  )('%s is known', async (_name, spec) => {
    const reply = String(plainReply(await client.reply(...minimalArguments(spec))));
    expect(reply).not.toMatch(
      /^-.*(not supported|unknown (sub)?command|no rule|is refused|assert|attempt to)/i,
    );
  });

  it.each(['flushdb', 'flushall'])(
    '%s deletes at the other site too, and only what is shown',
    async (name) => {
      await client.call('SET', 'flush', 'v');
      await carry();
      expect(await far.call('GET', 'flush')).toBe('v');
      await client.call(name.toUpperCase());
      await carry();
      expect(await client.call('KEYS', '*')).toEqual([]);
      expect(((await far.call('KEYS', '*')) as string[]).filter((key) => !key.startsWith('mqkv:'))).toEqual(
        [],
      );
      expect(await near.call('EXISTS', 'mqkv:meta')).toBe(1);
    },
  );
});

/** The fewest arguments that the arity allows, a key's name where keys stand, else 1. */
function minimalArguments(spec: CommandSpec): string[] {
  const words = spec.name.split('|');
  const isKey = spec.keys.some((key) => key.keyword === undefined && key.find.kind === 'range');
  const first = spec.keys[0]?.begin ?? 0;
  while (words.length < Math.abs(spec.arity)) words.push(isKey && words.length === first ? 'known' : '1');
  return words;
}
