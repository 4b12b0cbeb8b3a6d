// Pipelines through the gateway over a Redis store, compared with a plain Redis: replies byte for byte and in order, own writes seen.
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assert, below, type Random, seededRandom } from '../src/base/index.ts';
import { encodeCommand } from '../src/resp/index.ts';
import { eventually } from '../src/server/testing.ts';
import { type Broker, openControl, requireBroker, startRedis } from './brokers/index.ts';
import { type LocalRedisGateway, startRedisGateway } from './redis-gateway.ts';

const { skip } = requireBroker('redis-server');

/** A client that sends bytes and keeps what it gets. */
class Peer {
  readonly socket: Socket;
  #parts: Buffer[] = [];
  bytes = 0;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setNoDelay(true);
    this.socket.on('error', () => {});
    this.socket.on('data', (part: Buffer) => {
      this.#parts.push(part);
      this.bytes += part.length;
    });
  }

  get received(): Buffer {
    this.#parts = [Buffer.concat(this.#parts)];
    return this.#parts[0];
  }

  endsWith(end: string): boolean {
    return this.bytes >= end.length && this.received.subarray(-end.length).toString('latin1') === end;
  }

  async until(end: string): Promise<Buffer> {
    await eventually(() => this.endsWith(end));
    return this.received;
  }
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[below(random, items.length)];
}

/** Binary values of all sizes, mostly small. */
function value(random: Random): Buffer {
  const size = below(random, 40) === 0 ? below(random, 60_000) : below(random, 40);
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = below(random, 256);
  return bytes;
}

type Word = string | Buffer;

/** One command over the keys of a connection; all its replies are the same everywhere. */
function command(random: Random, own: string): readonly Word[] {
  const key = (kind: string): string => `${own}:${kind}${below(random, 6)}`;
  const n = String(below(random, 1000) - 500);
  const makers: readonly (() => readonly Word[])[] = [
    () => ['SET', key('s'), value(random)],
    () => ['SET', key('s'), value(random)],
    () => ['GET', key('s')],
    () => ['GET', key('s')],
    () => ['get', key('n')],
    () => ['MGET', key('s'), key('n'), key('none')],
    () => ['STRLEN', key('s')],
    () => ['EXISTS', key('s'), key('h')],
    () => ['SETEX', key('s'), '1000', value(random)],
    () => ['psetex', key('s'), '1000000', value(random)],
    () => ['SET', key('s'), value(random), 'EX', '1000'],
    () => ['SET', key('s'), value(random), 'px', '5000000'],
    () => ['SET', key('s'), value(random), 'EX', pick(random, ['0', '-1', 'x', '1.5'])],
    () => ['SET', key('s'), value(random), pick(random, ['NX', 'XX', 'GET', 'KEEPTTL', 'BAD'])],
    () => ['SETEX', key('s'), '0', 'v'],
    () => ['PERSIST', key('s')],
    () => ['TTL', key('h')],
    () => ['INCR', key('n')],
    () => ['INCRBY', key('n'), n],
    () => ['DECRBY', key('n'), n],
    () => ['INCR', key('h')],
    () => ['APPEND', key('s'), value(random)],
    () => ['DEL', key('s'), key('n')],
    () => ['UNLINK', key('h')],
    () => ['HSET', key('h'), `f${below(random, 5)}`, value(random), 'g', n],
    () => ['HGET', key('h'), `f${below(random, 5)}`],
    () => ['HMGET', key('h'), 'f1', 'g', 'none'],
    () => ['HINCRBY', key('h'), 'c', n],
    () => ['HDEL', key('h'), `f${below(random, 5)}`],
    () => ['HLEN', key('h')],
    () => ['HGETALL', key('one')],
    () => ['HSET', key('one'), 'f', n],
    () => ['ZADD', key('z'), n, `m${below(random, 5)}`],
    () => ['ZRANGE', key('z'), '0', '-1', 'WITHSCORES'],
    () => ['ZINCRBY', key('z'), '1.5', `m${below(random, 5)}`],
    () => ['ZSCORE', key('z'), `m${below(random, 5)}`],
    () => ['SADD', key('t'), `m${below(random, 5)}`],
    () => ['SISMEMBER', key('t'), `m${below(random, 5)}`],
    () => ['SCARD', key('t')],
    () => ['TYPE', key(pick(random, ['s', 'h', 'z', 't', 'none']))],
    () => ['GET', key('h')],
    () => ['GET'],
    () => ['SET', key('s')],
    () => ['HSET', key('h'), 'f'],
    () => ['NOSUCH', 'x'],
    () => ['PING'],
    () => ['ECHO', value(random)],
    () => ['GETRANGE', key('s'), '1', '4'],
    () => ['RENAME', key('s'), key('s')],
  ];
  return pick(random, makers)();
}

/** A pipeline of a connection, some commands of it inline or odd. */
function pipeline(random: Random, own: string, length: number): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i < length; i++) {
    const words = command(random, own);
    const kind = below(random, 30);
    if (kind === 0) parts.push(Buffer.from('\r\n'));
    else if (kind === 1) parts.push(Buffer.from('*0\r\n'));
    else if (kind === 2) parts.push(Buffer.from(`SET ${own}:s1 "a\\x41 b"\r\nGET ${own}:s1\r\n`));
    else if (kind === 3) {
      parts.push(Buffer.from(`MULTI\r\nSET ${own}:s2 m\r\nGET ${own}:s2\r\nINCR ${own}:n2\r\nEXEC\r\n`));
    }
    parts.push(encodeCommand(words));
  }
  return Buffer.concat(parts);
}

async function sendCut(random: Random, peer: Peer, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const to = at + 1 + (below(random, 3) === 0 ? below(random, 50) : below(random, 20_000));
    peer.socket.write(bytes.subarray(at, to));
    at = to;
    if (below(random, 2) === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe.skipIf(skip)('pipelines over a Redis store', () => {
  let behind: Broker;
  let twin: Broker;
  let local: LocalRedisGateway;

  beforeAll(async () => {
    behind = await startRedis();
    twin = await startRedis();
    local = await startRedisGateway(behind.port);
  });

  afterAll(async () => {
    await local.close();
    await behind.stop();
    await twin.stop();
  });

  it('are answered as by a plain Redis, on many connections of both protocols, cut anywhere', async () => {
    let compared = 0;
    const one = async (seed: number): Promise<void> => {
      const random = seededRandom(seed);
      const own = `c${seed}`;
      const mine = new Peer(local.port);
      const theirs = new Peer(twin.port);
      const protocol = seed % 2 === 0 ? '3' : '2';
      const hello = encodeCommand(['HELLO', protocol]);
      for (const peer of [mine, theirs]) {
        peer.socket.write(hello);
        await eventually(() => peer.endsWith('modules\r\n*0\r\n'));
      }
      const [skipMine, skipTheirs] = [mine.bytes, theirs.bytes];
      for (let round = 0; round < 12; round++) {
        const bytes = Buffer.concat([
          pipeline(random, own, 1 + below(random, 120)),
          encodeCommand(['ECHO', `end-${round}`]),
        ]);
        const end = `end-${round}\r\n`;
        await Promise.all([sendCut(random, mine, bytes), Promise.resolve(theirs.socket.write(bytes))]);
        await Promise.all([mine.until(end), theirs.until(end)]);
      }
      const [a, b] = [mine.received.subarray(skipMine), theirs.received.subarray(skipTheirs)];
      if (!a.equals(b)) {
        let at = 0;
        while (a[at] === b[at]) at++;
        const near = (bytes: Buffer): string =>
          JSON.stringify(bytes.toString('latin1', Math.max(0, at - 200), at + 100));
        expect(near(a), `seed ${seed} at ${at}`).toBe(near(b));
      }
      compared += a.length;
      for (const peer of [mine, theirs]) peer.socket.destroy();
    };
    for (let group = 0; group < 3; group++)
      await Promise.all(Array.from({ length: 8 }, (_, i) => one(group * 8 + i + 1)));
    expect(compared).toBeGreaterThan(500_000);
  });

  it('carry large values among small ones', async () => {
    const peer = new Peer(local.port);
    const large = Buffer.alloc(20 * 1024 * 1024, 'large value ');
    const some = Buffer.alloc(700_000, 'v');
    const parts: Buffer[] = [encodeCommand(['SET', 'big', large]), encodeCommand(['GET', 'big'])];
    for (let i = 0; i < 8; i++)
      parts.push(encodeCommand(['SET', `b${i}`, some]), encodeCommand(['GET', `b${i}`]));
    parts.push(encodeCommand(['STRLEN', 'big']));
    peer.socket.write(Buffer.concat(parts));
    const got = await peer.until(`:${large.length}\r\n`);
    const bulk = (bytes: Buffer): Buffer =>
      Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]);
    const expected: Buffer[] = [Buffer.from('+OK\r\n'), bulk(large)];
    for (let i = 0; i < 8; i++) expected.push(Buffer.from('+OK\r\n'), bulk(some));
    expected.push(Buffer.from(`:${large.length}\r\n`));
    expect(got.equals(Buffer.concat(expected))).toBe(true);
    peer.socket.destroy();
  });

  it('refuse reserved names, in reads and writes alike, and go on', async () => {
    const peer = new Peer(local.port);
    const words = [
      ['SET', 'mqkv:x', '1'],
      ['GET', 'mqkv:meta'],
      ['MGET', 'a', 'mqkv:tags'],
      ['DEL', 'mqkv:tags'],
      ['HGETALL', 'mqkv:{06S}'],
      ['SET', 'mqkv', 'fine'],
      ['GET', 'mqkv'],
    ];
    peer.socket.write(Buffer.concat(words.map((each) => encodeCommand(each))));
    const error = "-ERR key names beginning with 'mqkv:' are reserved\r\n";
    const got = await peer.until('fine\r\n');
    expect(got.toString()).toBe(`${error.repeat(5)}+OK\r\n$4\r\nfine\r\n`);
    peer.socket.destroy();
  });

  it('keep their order when the protocol changes among them', async () => {
    const peer = new Peer(local.port);
    const sets = Buffer.concat(
      Array.from({ length: 300 }, (_, i) => encodeCommand(['SET', 'turn', `a${i}`])),
    );
    for (let round = 0; round < 20; round++) {
      const protocol = round % 2 === 0 ? '3' : '2';
      peer.socket.write(
        Buffer.concat([
          sets,
          encodeCommand(['HELLO', protocol]),
          encodeCommand(['GET', 'turn']),
          encodeCommand(['ECHO', `r${round}`]),
        ]),
      );
      const text = (await peer.until(`r${round}\r\n`)).toString('latin1');
      expect(text.endsWith(`$4\r\na299\r\n$${`r${round}`.length}\r\nr${round}\r\n`)).toBe(true);
    }
    peer.socket.destroy();
  });

  it('do not wait for a client that does not read', async () => {
    const setter = new Peer(local.port);
    setter.socket.write(encodeCommand(['SET', 'heavy', Buffer.alloc(200_000, 'h')]));
    await setter.until('+OK\r\n');
    const slow = new Peer(local.port);
    slow.socket.pause();
    const count = 200;
    const gets = Buffer.concat(Array.from({ length: count }, () => encodeCommand(['GET', 'heavy'])));
    slow.socket.write(gets);
    slow.socket.write(encodeCommand(['PING']));
    for (let i = 0; i < 50; i++) {
      setter.socket.write(encodeCommand(['ECHO', `tick-${i}`]));
      await setter.until(`tick-${i}\r\n`);
    }
    slow.socket.resume();
    await slow.until('+PONG\r\n');
    expect(slow.bytes).toBe(count * (200_000 + '$200000\r\n\r\n'.length) + '+PONG\r\n'.length);
    for (const peer of [slow, setter]) peer.socket.destroy();
  });

  it('count what they execute, and show it in INFO and CLIENT LIST', async () => {
    const control = openControl(local.port);
    await control.call('CONFIG', 'RESETSTAT');
    const peer = new Peer(local.port);
    peer.socket.write(Buffer.concat(Array.from({ length: 30 }, () => encodeCommand(['HLEN', 'h']))));
    peer.socket.write(Buffer.concat(Array.from({ length: 20 }, () => encodeCommand(['SET', 'a', 'b']))));
    await peer.until('+OK\r\n'.repeat(20));
    const info = String(await control.call('INFO', 'commandstats'));
    expect(info).toMatch(/cmdstat_hlen:calls=30,/);
    expect(info).toMatch(/cmdstat_set:calls=20,/);
    expect(String(await control.call('CLIENT', 'LIST'))).toMatch(/cmd=set/);
    control.close();
    peer.socket.destroy();
  });
});

describe.skipIf(skip)('a Redis that dies under a pipeline', () => {
  it('leaves writes under way uncertain, repeats reads, and is used again once it is back', async () => {
    const behind = await startRedis();
    const local = await startRedisGateway(behind.port);
    const peer = new Peer(local.port);
    peer.socket.write(encodeCommand(['SET', 'k', 'v']));
    await peer.until('+OK\r\n');
    // The Redis stands still, so that what follows is under way for sure.
    behind.freeze();
    const before = local.gateway.counts.commands;
    peer.socket.write(
      Buffer.concat([encodeCommand(['GET', 'k']), encodeCommand(['INCR', 'n']), encodeCommand(['GET', 'n'])]),
    );
    await eventually(() => local.gateway.counts.commands === before + 3);
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert(behind.pid !== undefined, 'it runs');
    process.kill(behind.pid, 'SIGKILL');
    await behind.kill();
    await behind.restart();
    const got = (await peer.until('$-1\r\n')).toString();
    expect(got).toMatch(/^\+OK\r\n\$-1\r\n-UNCERTAIN [^\r]*\r\n\$-1\r\n$/);
    peer.socket.write(Buffer.concat([encodeCommand(['SET', 'k', 'w']), encodeCommand(['GET', 'k'])]));
    await peer.until('$1\r\nw\r\n');
    peer.socket.destroy();
    await local.close();
    await behind.stop();
  });
});
