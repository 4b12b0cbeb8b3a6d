// Commands off the hot path over a real Redis: waiting, channels, transactions, scripts, tracking, all keys; with two gateways before one Redis.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Broker, eventually, requireBroker, startRedis } from './brokers/index.ts';
import { RawPeer } from './differential/peers.ts';
import type { Node } from './differential/replies.ts';
import { type LocalRedisGateway, startRedisGateway } from './redis-gateway.ts';

const { skip } = requireBroker('redis-server');

/** A reply as text: `*2($1 a|:1)`. */
function text({ head, items }: Node): string {
  const line = head.replace(/\r\n$/, '').replace('\r\n', ' ');
  return items.length === 0 ? line : `${line}(${items.map(text).join('|')})`;
}

describe.skipIf(skip !== false)(`gateways over one Redis${skip === false ? '' : ` (${skip})`}`, () => {
  let redis: Broker;
  let gateways: readonly [LocalRedisGateway, LocalRedisGateway];
  let peers: RawPeer[] = [];

  beforeAll(async () => {
    redis = await startRedis();
    gateways = [await startRedisGateway(redis.port), await startRedisGateway(redis.port)];
  });
  afterAll(async () => {
    await Promise.all(gateways.map((gateway) => gateway.close()));
    await redis.stop();
  });
  beforeEach(async () => {
    for (const peer of peers) peer.close();
    peers = [];
    const peer = await client();
    await ask(peer, 'FLUSHALL');
  });

  async function client(which: 0 | 1 = 0): Promise<RawPeer> {
    const peer = await RawPeer.open(gateways[which].port);
    peers.push(peer);
    return peer;
  }

  async function direct(): Promise<RawPeer> {
    const peer = await RawPeer.open(redis.port);
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

  /** Until so many clients of the gateway wait for keys. */
  async function waiting(count: number, which: 0 | 1 = 0): Promise<void> {
    const peer = await client(which);
    await eventually(`${count} clients wait`, async () =>
      (await ask(peer, 'INFO', 'clients')).includes(`blocked_clients:${count}\r\n`),
    );
  }

  describe('waiting for keys', () => {
    it('is served by the own gateway, in the order of coming', async () => {
      const [a, b, c] = [await client(), await client(), await client()];
      a.send([['BLPOP', 'l', '0']]);
      await waiting(1);
      b.send([['BRPOP', 'other', 'l', '0']]);
      await waiting(2);
      expect(await ask(c, 'RPUSH', 'l', '1', '2', '3')).toBe(':3');
      expect(await next(a)).toBe('*2($1 l|$1 1)');
      expect(await next(b)).toBe('*2($1 l|$1 3)');
      expect(await ask(c, 'LRANGE', 'l', '0', '-1')).toBe('*1($1 2)');
    });

    it('is served by a write at another gateway, of every kind', async () => {
      const [a, b, c, d] = [await client(), await client(), await client(), await client()];
      const writer = await client(1);
      a.send([['BLMOVE', 'l', 'to', 'LEFT', 'RIGHT', '0']]);
      b.send([['BZPOPMIN', 'z', '0']]);
      c.send([['XREAD', 'BLOCK', '0', 'STREAMS', 's', '$']]);
      d.send([['BZMPOP', '0', '1', 'z2', 'MAX']]);
      await waiting(4);
      await writer.exchange([
        ['RPUSH', 'l', 'x'],
        ['ZADD', 'z', '1.5', 'm'],
        ['XADD', 's', '5-1', 'f', 'v'],
        ['ZADD', 'z2', '2', 'n'],
      ]);
      expect(await next(a)).toBe('$1 x');
      expect(await next(b)).toBe('*3($1 z|$1 m|$3 1.5)');
      expect(await next(c)).toBe('*1(*2($1 s|*1(*2($3 5-1|*2($1 f|$1 v)))))');
      expect(await next(d)).toBe('*2($2 z2|*1(*2($1 n|$1 2)))');
      expect(await ask(writer, 'LRANGE', 'to', '0', '-1')).toBe('*1($1 x)');
    });

    it('a group waits for new entries', async () => {
      const [a, writer] = [await client(), await client(1)];
      await ask(writer, 'XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM');
      a.send([['XREADGROUP', 'GROUP', 'g', 'me', 'BLOCK', '0', 'STREAMS', 's', '>']]);
      await waiting(1);
      await ask(writer, 'XADD', 's', '7-1', 'f', 'v');
      expect(await next(a)).toBe('*1(*2($1 s|*1(*2($3 7-1|*2($1 f|$1 v)))))');
      expect(await ask(writer, 'XPENDING', 's', 'g')).toContain(':1');
    });

    it('ends by its timeout, by CLIENT UNBLOCK, by the end of the connection; never inside MULTI', async () => {
      const [a, b, c, d] = [await client(), await client(), await client(), await client()];
      expect(await ask(a, 'BLPOP', 'l', '0.01')).toBe('*-1');
      expect(await ask(a, 'BLMOVE', 'l', 'm', 'LEFT', 'LEFT', '0.01')).toBe('*-1');
      expect(await ask(a, 'BLPOP', 'l', '-1')).toBe('-ERR timeout is negative');
      const id = (await ask(b, 'CLIENT', 'ID')).slice(1);
      b.send([['BLPOP', 'l', '0']]);
      await waiting(1);
      expect(await ask(d, 'CLIENT', 'UNBLOCK', id, 'ERROR')).toBe(':1');
      expect(await next(b)).toBe('-UNBLOCKED client unblocked via CLIENT UNBLOCK');
      expect(await ask(d, 'CLIENT', 'UNBLOCK', id)).toBe(':0');
      c.send([['BLPOP', 'l', '0']]);
      await waiting(1);
      c.close();
      await waiting(0);
      await ask(d, 'RPUSH', 'l', 'kept');
      expect(await ask(d, 'LLEN', 'l')).toBe(':1');
      const replies = await d.exchange([['MULTI'], ['BLPOP', 'none', '0'], ['BLPOP', 'l', '0'], ['EXEC']]);
      expect(text(replies[3])).toBe('*2(*-1|*2($1 l|$4 kept))');
    });

    it('does not mind a key of another type meanwhile', async () => {
      const [a, writer] = [await client(), await client(1)];
      a.send([['BLPOP', 'k', '0']]);
      await waiting(1);
      await writer.exchange([
        ['SET', 'k', 'string'],
        ['DEL', 'k'],
        ['RPUSH', 'k', 'x'],
      ]);
      expect(await next(a)).toBe('*2($1 k|$1 x)');
    });

    it('many wait at both gateways: each element goes to one', async () => {
      const all = await Promise.all(Array.from({ length: 20 }, (_, i) => client(i % 2 === 0 ? 0 : 1)));
      for (const peer of all) peer.send([['BLPOP', 'q', '0']]);
      await waiting(10);
      await waiting(10, 1);
      const writer = await client();
      const pushes = Array.from({ length: 20 }, (_, i) => ['RPUSH', 'q', String(i)]);
      await writer.exchange(pushes);
      const got = await Promise.all(all.map(next));
      expect(new Set(got).size).toBe(20);
      expect(await ask(writer, 'EXISTS', 'q')).toBe(':0');
    });
  });

  describe('channels', () => {
    it('reach subscribers at every gateway and directly at the Redis', async () => {
      const [a, b, c] = [await client(), await client(1), await direct()];
      const publisher = await client(1);
      expect(await ask(a, 'SUBSCRIBE', 'news')).toBe('*3($9 subscribe|$4 news|:1)');
      expect(await ask(b, 'PSUBSCRIBE', 'n*')).toBe('*3($10 psubscribe|$2 n*|:1)');
      await ask(c, 'SUBSCRIBE', 'news');
      expect(await ask(publisher, 'PUBLISH', 'news', 'hello')).toBe(':3');
      expect(await next(a)).toBe('*3($7 message|$4 news|$5 hello)');
      expect(await next(b)).toBe('*4($8 pmessage|$2 n*|$4 news|$5 hello)');
      expect(await next(c)).toBe('*3($7 message|$4 news|$5 hello)');
      expect(await ask(publisher, 'PUBSUB', 'NUMPAT')).toBe(':1');
      gateways[0].gateway.deliver('news', Buffer.from('from afar'));
      expect(await next(b)).toBe('*4($8 pmessage|$2 n*|$4 news|$9 from afar)');
      expect(await next(a)).toBe('*3($7 message|$4 news|$9 from afar)');
    });

    it('one client with a channel and a pattern gets each message once for each', async () => {
      const [a, publisher] = [await client(), await client(1)];
      await a.exchange([
        ['SUBSCRIBE', 'x1'],
        ['PSUBSCRIBE', 'x*'],
      ]);
      await ask(publisher, 'PUBLISH', 'x1', 'm');
      const both = [await next(a), await next(a)].sort();
      expect(both).toEqual(['*3($7 message|$2 x1|$1 m)', '*4($8 pmessage|$2 x*|$2 x1|$1 m)']);
      await ask(publisher, 'PUBLISH', 'x2', 'm');
      expect(await next(a)).toBe('*4($8 pmessage|$2 x*|$2 x2|$1 m)');
    });

    it('shard channels; names of its own are refused; what nobody wants is unsubscribed', async () => {
      const [a, b, watcher] = [await client(), await client(1), await direct()];
      expect(await ask(a, 'SSUBSCRIBE', 'shard')).toBe('*3($10 ssubscribe|$5 shard|:1)');
      expect(await ask(b, 'SPUBLISH', 'shard', 'm')).toBe(':1');
      expect(await next(a)).toBe('*3($8 smessage|$5 shard|$1 m)');
      expect(await ask(b, 'PUBLISH', 'mqkv:bus', 'm')).toContain('-ERR channel names');
      await a.exchange([['SUNSUBSCRIBE'], ['SUBSCRIBE', 'gone']]);
      expect(await ask(watcher, 'PUBSUB', 'NUMSUB', 'gone')).toContain(':1');
      a.close();
      await eventually('unsubscribed', async () =>
        (await ask(watcher, 'PUBSUB', 'NUMSUB', 'gone')).endsWith(':0)'),
      );
    });

    it('are subscribed again after the connection to the Redis was lost', async () => {
      const [a, publisher, killer] = [await client(), await client(1), await direct()];
      await ask(a, 'SUBSCRIBE', 'again');
      await ask(killer, 'CLIENT', 'KILL', 'TYPE', 'pubsub');
      await eventually(
        'subscribed again',
        async () => (await ask(publisher, 'PUBLISH', 'again', 'm')) === ':1',
      );
      expect(await next(a)).toBe('*3($7 message|$5 again|$1 m)');
    });
  });

  describe('transactions', () => {
    it('WATCH sees writes of any gateway and none where nothing changed', async () => {
      const [a, b] = [await client(), await client(1)];
      await ask(a, 'SET', 'k', '1');
      await a.exchange([['WATCH', 'k', 'missing'], ['MULTI'], ['SET', 'k', '2'], ['GET', 'k']]);
      expect(await ask(a, 'EXEC')).toBe('*2(+OK|$1 2)');
      await a.exchange([['WATCH', 'k', 'missing'], ['MULTI'], ['SET', 'k', '3']]);
      await ask(b, 'HSET', 'missing', 'f', 'v');
      expect(await ask(a, 'EXEC')).toBe('*-1');
      expect(await ask(a, 'GET', 'k')).toBe('$1 2');
      await a.exchange([['WATCH', 'k'], ['UNWATCH'], ['MULTI'], ['GET', 'k']]);
      await ask(b, 'SET', 'k', 'new');
      expect(await ask(a, 'EXEC')).toBe('*1($3 new)');
    });

    it('WATCH sees that a key has expired meanwhile, not that it had before', async () => {
      const a = await client();
      await a.exchange([
        ['SET', 'k', '1', 'PX', '30'],
        ['WATCH', 'k'],
      ]);
      const b = await client(1);
      await eventually('expired', async () => (await ask(b, 'EXISTS', 'k')) === ':0');
      await a.exchange([['MULTI'], ['PING']]);
      expect(await ask(a, 'EXEC')).toBe('*-1');
      await a.exchange([['WATCH', 'k'], ['MULTI'], ['PING']]);
      expect(await ask(a, 'EXEC')).toBe('*1(+PONG)');
    });

    it('compare and set by many clients at two gateways loses nothing', async () => {
      const all = await Promise.all(Array.from({ length: 6 }, (_, i) => client(i % 2 === 0 ? 0 : 1)));
      await ask(all[0], 'SET', 'n', '0');
      const conflicts = await Promise.all(
        all.map(async (peer) => {
          let failed = 0;
          for (let done = 0; done < 10; ) {
            const [, held] = await peer.exchange([
              ['WATCH', 'n'],
              ['GET', 'n'],
            ]);
            const n = Number(held.head.split('\r\n')[1]);
            const replies = await peer.exchange([['MULTI'], ['SET', 'n', String(n + 1)], ['EXEC']]);
            if (text(replies[2]) === '*-1') failed++;
            else done++;
          }
          return failed;
        }),
      );
      expect(await ask(all[0], 'GET', 'n')).toBe('$2 60');
      expect(conflicts.some((count) => count > 0)).toBe(true);
    });

    it('commands of the gateway, scripts and FLUSHALL stand among the others', async () => {
      const a = await client();
      await ask(a, 'SET', 'old', '1');
      const sha = (await ask(a, 'SCRIPT', 'LOAD', 'return redis.call("INCR", KEYS[1])')).split(' ')[1];
      const replies = await a.exchange([
        ['MULTI'],
        ['FLUSHALL'],
        ['DBSIZE'],
        ['EVALSHA', sha, '1', 'n'],
        ['ECHO', 'x'],
        ['LPOP', 'none', '2'],
        ['KEYS', '*'],
        ['EXEC'],
      ]);
      expect(text(replies[7])).toBe('*6(+OK|:0|:1|$1 x|*-1|*1($1 n))');
    });
  });

  it('CLIENT REPLY OFF silences commands that wait for the Redis as well', async () => {
    const a = await client();
    a.send([
      ['CLIENT', 'REPLY', 'OFF'],
      ['DBSIZE'],
      ['GET', 'k'],
      ['BLPOP', 'l', '0.01'],
      ['CLIENT', 'REPLY', 'ON'],
      ['ECHO', 'x'],
    ]);
    expect(await next(a)).toBe('+OK');
    expect(await next(a)).toBe('$1 x');
  });

  describe('scripts', () => {
    it('are known at every gateway', async () => {
      const [a, b] = [await client(), await client(1)];
      const sha = (await ask(a, 'SCRIPT', 'LOAD', 'return redis.call("SET", KEYS[1], ARGV[1])')).split(
        ' ',
      )[1];
      expect(await ask(b, 'SCRIPT', 'EXISTS', sha, 'f'.repeat(40))).toBe('*2(:1|:0)');
      expect(await ask(b, 'EVALSHA', sha, '1', 'k', 'v')).toBe('+OK');
      expect(await ask(a, 'GET', 'k')).toBe('$1 v');
      expect(
        await ask(a, 'EVAL', 'return {KEYS[1], ARGV[1], redis.call("GET", KEYS[1])}', '1', 'k', 'x'),
      ).toBe('*3($1 k|$1 x|$1 v)');
      expect(await ask(b, 'EVALSHA_RO', sha, '1', 'k', 'v')).toContain('Write commands are not allowed');
      expect(await ask(a, 'EVALSHA', 'f'.repeat(40), '0')).toBe(
        '-NOSCRIPT No matching script. Please use EVAL.',
      );
      expect(await ask(a, 'EVAL', 'return 1', '2', 'k')).toContain("can't be greater than number of args");
      expect(await ask(a, 'FCALL', 'f', '0')).toContain('refused');
      expect(await ask(a, 'FUNCTION', 'LIST')).toBe('*0');
      const [there, digest] = [await direct(), '09d3822de862f46d784e6a36848b4f0736dda47a'];
      await ask(a, 'EVAL', 'return 3', '0');
      expect(Number((await ask(there, 'TTL', `mqkv:script:${digest}`)).slice(1))).toBeGreaterThan(80_000);
      expect(await ask(b, 'EVALSHA', digest, '0')).toBe(':3');
      await ask(a, 'SCRIPT', 'LOAD', 'return 3');
      expect(await ask(there, 'TTL', `mqkv:script:${digest}`)).toBe(':-1');
      expect(await ask(a, 'SCRIPT', 'FLUSH')).toBe('+OK');
      expect(await ask(a, 'SCRIPT', 'EXISTS', sha)).toBe('*1(:0)');
    });
  });

  describe('tracking', () => {
    it('tells of keys that were read, whoever writes them, once', async () => {
      const [a, b] = [await client(), await client(1)];
      await ask(a, 'HELLO', '3');
      await a.exchange([
        ['CLIENT', 'TRACKING', 'ON'],
        ['GET', 'k'],
        ['MGET', 'x', 'y'],
      ]);
      await ask(b, 'SET', 'k', '1');
      expect(await next(a)).toBe('>2($10 invalidate|*1($1 k))');
      await b.exchange([
        ['SET', 'k', '2'],
        ['SET', 'y', '2'],
      ]);
      expect(await next(a)).toBe('>2($10 invalidate|*1($1 y))');
      expect(await ask(a, 'GET', 'k')).toBe('$1 2');
      await ask(await direct(), 'DEL', 'k');
      expect(await next(a)).toBe('>2($10 invalidate|*1($1 k))');
      expect(await ask(a, 'CLIENT', 'TRACKINGINFO')).toContain('~1($2 on)');
      expect(await ask(a, 'CLIENT', 'TRACKING', 'OFF')).toBe('+OK');
    });

    it('BCAST tells of every key with a prefix, OPTIN of those asked for, NOLOOP of none of its own', async () => {
      const [a, b, c] = [await client(), await client(1), await client()];
      await ask(a, 'HELLO', '3');
      await ask(a, 'CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', 'user:');
      await ask(c, 'HELLO', '3');
      await ask(c, 'CLIENT', 'TRACKING', 'ON', 'OPTIN', 'NOLOOP');
      await c.exchange([
        ['GET', 'p'],
        ['CLIENT', 'CACHING', 'YES'],
        ['GET', 'q'],
      ]);
      await b.exchange([
        ['SET', 'other', '1'],
        ['SET', 'p', '1'],
        ['SET', 'q', '1'],
        ['SET', 'user:1', '1'],
      ]);
      expect(await next(c)).toBe('>2($10 invalidate|*1($1 q))');
      expect(await next(a)).toBe('>2($10 invalidate|*1($6 user:1))');
      await c.exchange([['CLIENT', 'CACHING', 'YES'], ['GET', 'q'], ['SET', 'q', '3'], ['PING']]);
      expect(await ask(c, 'CLIENT', 'GETREDIR')).toBe(':0');
    });

    it('redirects to a connection of RESP2', async () => {
      const [a, b, listener] = [await client(), await client(1), await client()];
      const id = (await ask(listener, 'CLIENT', 'ID')).slice(1);
      await ask(listener, 'SUBSCRIBE', '__redis__:invalidate');
      expect(await ask(a, 'CLIENT', 'TRACKING', 'ON', 'REDIRECT', id)).toBe('+OK');
      await ask(a, 'GET', 'k');
      await ask(b, 'SET', 'k', '1');
      expect(await next(listener)).toBe('*3($7 message|$20 __redis__:invalidate|*1($1 k))');
      expect(await ask(a, 'CLIENT', 'TRACKING', 'ON', 'REDIRECT', '99999')).toContain('does not exist');
    });
  });

  describe('all keys', () => {
    it('of its own are never shown', async () => {
      const a = await client();
      const names = Array.from({ length: 300 }, (_, i) => `key:${i}`);
      await a.exchange(names.map((name) => ['HSET', name, 'f', 'v']));
      expect(await ask(a, 'DBSIZE')).toBe(':300');
      const found = new Set<string>();
      let cursor = '0';
      do {
        const [reply] = await a.exchange([['SCAN', cursor, 'COUNT', '20']]);
        cursor = text(reply.items[0]).split(' ')[1];
        for (const item of reply.items[1].items) found.add(text(item).split(' ')[1]);
      } while (cursor !== '0');
      expect([...found].sort()).toEqual(names.sort());
      expect((await ask(a, 'KEYS', '*')).split('|').length).toBe(300);
      expect(await ask(a, 'RANDOMKEY')).toContain('key:');
      expect(await ask(a, 'INFO', 'keyspace')).toContain('db0:keys=300');
      expect(await ask(a, 'FLUSHDB')).toBe('+OK');
      expect(await ask(a, 'DBSIZE')).toBe(':0');
      expect(await ask(a, 'SET', 'mqkv:x', '1')).toContain('reserved');
    });
  });

  it('who waits and who subscribes is served after the Redis was restarted', async () => {
    const own = await startRedis();
    const gateway = await startRedisGateway(own.port);
    try {
      const [a, b, writer] = await Promise.all([1, 2, 3].map(() => RawPeer.open(gateway.port)));
      peers.push(a, b, writer);
      a.send([['BLPOP', 'l', '0']]);
      await ask(b, 'SUBSCRIBE', 'news');
      await eventually('a client waits', async () =>
        (await ask(writer, 'INFO', 'clients')).includes('blocked_clients:1\r\n'),
      );
      await own.kill();
      await own.restart();
      await eventually('written', async () => (await ask(writer, 'RPUSH', 'l', 'x')).startsWith(':'));
      expect(await next(a)).toBe('*2($1 l|$1 x)');
      await eventually('subscribed again', async () => (await ask(writer, 'PUBLISH', 'news', 'm')) === ':1');
      expect(await next(b)).toBe('*3($7 message|$4 news|$1 m)');
    } finally {
      await gateway.close();
      await own.stop();
    }
  });
});
