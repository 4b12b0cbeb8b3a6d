// Links against real servers: order, large values, deaths at any moment, TLS, Unix sockets, passwords.
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  eventually,
  freePorts,
  requireBroker,
  startProxy,
  startRedis,
  startRedisKind,
} from '../../test/brokers/index.ts';
import { type MqkvError, seededRandom, silentLogger, systemClock } from '../base/index.ts';
import { encodeCommand, plainReply, type Reply } from '../resp/index.ts';
import { testCertificate } from '../server/test-certificate.ts';
import type { RedisAddress } from './address.ts';
import { type Link, type LinkOptions, openLink } from './index.ts';

const { skip } = requireBroker('redis-server');
const open: Link[] = [];
afterEach(() => {
  for (const link of open.splice(0)) link.close();
});

function linkTo(address: number | RedisAddress, options: Partial<LinkOptions> = {}): Link {
  const link = openLink({
    address: typeof address === 'number' ? { host: '127.0.0.1', port: address } : address,
    protocol: 2,
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    ...options,
  });
  open.push(link);
  return link;
}

interface Outcome {
  text: string;
  count: number;
  errors: number[];
  failed: { count: number; written: boolean; code: string } | undefined;
  readonly end: Promise<void>;
}

/** Forwards and collects what comes. */
function forward(link: Link, commands: readonly (readonly (string | Buffer)[])[]): Outcome {
  let done: () => void = () => {};
  const end = new Promise<void>((resolve) => {
    done = resolve;
  });
  const outcome: Outcome = { text: '', count: 0, errors: [], failed: undefined, end };
  link.forward(commands.map(encodeCommand), commands.length, {
    replies: (bytes, count, firstError) => {
      outcome.text += bytes.toString('latin1');
      if (firstError >= 0) outcome.errors.push(outcome.count + firstError);
      outcome.count += count;
      if (outcome.count === commands.length) done();
    },
    failed: (count, written, { code }) => {
      outcome.failed = { count, written, code };
      done();
    },
  });
  return outcome;
}

const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    (value) => `resolved ${String(value)}`,
    (error: MqkvError) => error.code,
  );
const plain = async (reply: Promise<Reply>): Promise<unknown> => plainReply(await reply);

describe.skipIf(skip)(`links to redis-server${skip ? ` (${skip})` : ''}`, () => {
  it('answers pipelines in order, and tells the first error of a slice', async () => {
    await using redis = await startRedis();
    const link = linkTo(redis.port);
    const batches = Array.from({ length: 200 }, (_, i) =>
      forward(link, [
        ['INCR', 'n'],
        ['SET', `k${i}`, 'v'.repeat(i)],
        ['HGET', `k${i}`, 'f'],
        ['GET', `k${i}`],
        ['PING', `${i}`],
      ]),
    );
    await Promise.all(batches.map(({ end }) => end));
    for (const [i, { text, errors }] of batches.entries()) {
      const value = 'v'.repeat(i);
      const wrong = '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n';
      const echo = `$${String(i).length}\r\n${i}\r\n`;
      expect(text).toBe(`:${i + 1}\r\n+OK\r\n${wrong}$${i}\r\n${value}\r\n${echo}`);
      expect(errors[0]).toBe(2);
    }
  });

  it('keeps the order of calls and forwards, also when flushed by hand', async () => {
    await using redis = await startRedis();
    const link = linkTo(redis.port);
    const calls = Array.from({ length: 50 }, (_, i) => {
      if (i % 7 === 0) link.flush();
      return plain(link.call(['APPEND', 'k', 'x']));
    });
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  });

  it('values of 64 MB both ways, small commands around them', async () => {
    await using redis = await startRedis();
    const link = linkTo(redis.port);
    const value = Buffer.alloc(64 * 1024 * 1024, 'ab\r\n$3\r\n');
    const set = link.call(['SET', 'big', value]);
    const ping = plain(link.call(['PING']));
    const got = link.call(['GET', 'big']);
    const after = plain(link.call(['PING', 'after']));
    expect(plainReply(await set)).toBe('OK');
    expect(await ping).toBe('PONG');
    const reply = await got;
    expect(reply.kind === 'bulk' && reply.bytes.equals(value)).toBe(true);
    expect(await after).toBe('after');
  });

  it('kill -9 in flight: written commands fail as uncertain, later ones wait for the next connection', async () => {
    await using redis = await startRedis();
    const link = linkTo(redis.port);
    expect(await plain(link.call(['PING']))).toBe('PONG');
    const blocked = forward(link, [
      ['PING', 'a'],
      ['BLPOP', 'never', '0'],
      ['GET', 'x'],
    ]);
    await eventually('the first reply', () => blocked.count === 1);
    await redis.kill();
    await blocked.end;
    expect(blocked.failed).toEqual({ count: 2, written: true, code: 'UNCERTAIN' });
    expect(blocked.text).toBe('$1\r\na\r\n');
    await eventually('the link is down', () => link.state !== 'ready');
    const waiting = plain(link.call(['SET', 'k', 'v']));
    await redis.restart();
    expect(await waiting).toBe('OK');
    expect(link.state).toBe('ready');
  });

  it('what finds no connection within the time fails as not written, with the reason', async () => {
    const [port] = await freePorts(1);
    const link = linkTo(port, { waitMs: 100 });
    const outcome = forward(link, [
      ['GET', 'a'],
      ['GET', 'b'],
    ]);
    await outcome.end;
    expect(outcome.failed).toEqual({ count: 2, written: false, code: 'UNAVAILABLE' });
    await expect(link.call(['PING'])).rejects.toThrow(/ECONNREFUSED/);
    link.close();
    expect(await code(link.call(['PING']))).toBe('UNAVAILABLE');
    expect(link.state).toBe('closed');
  });

  it('a full queue refuses at once', async () => {
    const [port] = await freePorts(1);
    const link = linkTo(port, { queuedBytesMax: 1000, waitMs: 60_000 });
    const first = code(link.call(['SET', 'k', 'x'.repeat(2000)]));
    await expect(link.call(['PING'])).rejects.toThrow(/more than 1000 bytes wait/);
    link.close();
    expect(await first).toBe('UNAVAILABLE');
  });

  it('a reply beyond the bound ends the connection, not the process', async () => {
    await using redis = await startRedis();
    const link = linkTo(redis.port, { replyBytesMax: 1024 * 1024 });
    await link.call(['SET', 'k', Buffer.alloc(2 * 1024 * 1024)]);
    await expect(link.call(['GET', 'k'])).rejects.toThrow(/one reply is larger than 1048576 bytes/);
    expect(await plain(link.call(['STRLEN', 'k']))).toBe(2 * 1024 * 1024);
  });

  it('dropQueued gives up what was not written', async () => {
    const [port] = await freePorts(1);
    const link = linkTo(port);
    const waiting = link.call(['SET', 'k', 'v']);
    link.dropQueued(Object.assign(new Error('x'), { code: 'ORIGIN_CHANGED' }) as MqkvError);
    expect(await code(waiting)).toBe('ORIGIN_CHANGED');
    expect(link.pending).toBe(0);
  });

  it('a silent server is left after the hang timeout and dialled again', async () => {
    await using redis = await startRedis();
    const link = linkTo(redis.port, { hangTimeoutMs: 300 });
    expect(await plain(link.call(['PING']))).toBe('PONG');
    redis.freeze();
    expect(await code(link.call(['GET', 'k']))).toBe('UNCERTAIN');
    expect(link.lastError?.message).toMatch(/no answer for 300 ms/);
    redis.thaw();
    await eventually('ready again', () => link.state === 'ready');
    expect(await plain(link.call(['PING']))).toBe('PONG');
  });

  it('an idle link notices a server that has gone silent', async () => {
    await using redis = await startRedis();
    const link = linkTo(redis.port, { hangTimeoutMs: 200 });
    expect(await plain(link.call(['PING']))).toBe('PONG');
    redis.freeze();
    await eventually('the link ends', () => link.lastError?.message.includes('no answer for 200 ms'));
    redis.thaw();
    await eventually('ready again', () => link.state === 'ready');
  });

  it('a link for blocking commands endures silence', async () => {
    await using redis = await startRedis();
    const other = linkTo(redis.port, { hangTimeoutMs: 100 });
    const link = linkTo(redis.port, { hangTimeoutMs: 0 });
    const popped = plain(link.call(['BLPOP', 'list', '0']));
    const cut = code(other.call(['BLPOP', 'elsewhere', '0']));
    expect(await cut).toBe('UNCERTAIN');
    await eventually('other is ready again', () => other.state === 'ready');
    await other.call(['RPUSH', 'list', 'v']);
    expect(await popped).toEqual(['list', 'v']);
  });

  it('reconnects through cuts, with order kept and nothing answered twice', async () => {
    await using redis = await startRedis();
    await using proxy = await startProxy(redis.port);
    const link = linkTo(proxy.port);
    const control = linkTo(redis.port);
    let ok = 0;
    let uncertain = 0;
    for (let round = 0; round < 10; round++) {
      const outcomes = Array.from({ length: 50 }, () => forward(link, [['INCR', 'n']]));
      await eventually('something was answered', () => outcomes.some(({ count }) => count > 0));
      proxy.cut();
      proxy.mend();
      const more = Array.from({ length: 50 }, () => forward(link, [['INCR', 'n']]));
      for (const outcome of [...outcomes, ...more]) {
        await outcome.end;
        if (outcome.failed === undefined) ok++;
        else if (outcome.failed.written) uncertain++;
        expect(outcome.count + (outcome.failed?.count ?? 0)).toBe(1);
      }
    }
    const n = Number(await plain(control.call(['GET', 'n'])));
    expect(n).toBeGreaterThanOrEqual(ok);
    expect(n).toBeLessThanOrEqual(ok + uncertain);
    expect(ok).toBeGreaterThan(100);
    expect(proxy.accepted).toBeGreaterThan(5);
  });

  it('onReady runs before anything that waits; when it fails the connection is made again', async () => {
    await using redis = await startRedis();
    let attempts = 0;
    const link = linkTo(redis.port, {
      onReady: async (setup) => {
        if (++attempts === 1) throw Object.assign(new Error('not yet'), { code: 'X' });
        await setup.call(['SET', 'k', 'first']);
      },
    });
    expect(await plain(link.call(['APPEND', 'k', '!']))).toBe(6);
    expect(attempts).toBe(2);
  });

  it('speaks RESP3: maps, and pushes between replies', async () => {
    await using redis = await startRedis();
    const link = linkTo(redis.port, { protocol: 3, clientName: 'tester', db: 3 });
    const pushed: unknown[] = [];
    link.onPush = (reply) => pushed.push(plainReply(reply));
    await link.call(['CLIENT', 'TRACKING', 'ON', 'BCAST', 'NOLOOP']);
    await link.call(['HSET', 'h', 'f', 'v']);
    expect(await plain(link.call(['HGETALL', 'h']))).toEqual([['f', 'v']]);
    expect(String(await plain(link.call(['CLIENT', 'LIST'])))).toMatch(/name=tester .* db=3 .* resp=3/);
    const other = linkTo(redis.port, { db: 3 });
    await other.call(['SET', 'k', 'v']);
    await eventually('an invalidation', () => pushed.length > 0);
    expect(pushed).toEqual([['invalidate', ['k']]]);
    link.forward(encodeCommand(['SUBSCRIBE', 'c']), 0, { replies: () => {}, failed: () => {} });
    await eventually('subscribed', () => pushed.length > 1);
    await other.call(['PUBLISH', 'c', 'hello']);
    await eventually('a message', () => pushed.length > 2);
    expect(pushed.slice(1)).toEqual([
      ['subscribe', 'c', 1],
      ['message', 'c', 'hello'],
    ]);
  });

  it('TLS, and a certificate that is not trusted', async () => {
    await using redis = await startRedisKind({ tls: true });
    const address = { host: 'localhost', port: redis.port };
    const link = linkTo(address, { tls: { ca: testCertificate }, protocol: 3 });
    expect(await plain(link.call(['PING']))).toBe('PONG');
    const distrustful = linkTo(address, { tls: {}, waitMs: 500 });
    await expect(distrustful.call(['PING'])).rejects.toThrow(/self-signed certificate/);
  });

  it('a Unix socket', async () => {
    await using redis = await startRedisKind();
    const link = linkTo({ path: redis.path });
    await eventually('answers', async () => (await plain(link.call(['PING']))) === 'PONG');
  });

  it('passwords: with and without a user; wrong ones are told clearly and tried again', async () => {
    const users = ['user default on >sesame ~* &* +@all', 'user app on >other ~* &* +@all'];
    await using redis = await startRedisKind({ users });
    expect(await plain(linkTo(redis.port, { password: 'sesame' }).call(['PING']))).toBe('PONG');
    const app = linkTo(redis.port, { user: 'app', password: 'other', protocol: 3 });
    expect(await plain(app.call(['ACL', 'WHOAMI']))).toBe('app');
    const wrong = linkTo(redis.port, { user: 'app', password: 'new', waitMs: 200 });
    await expect(wrong.call(['PING'])).rejects.toThrow(/refused the user or password: WRONGPASS/);
    expect(wrong.lastError?.code).toBe('REDIS_AUTH');
    const none = linkTo(redis.port, { protocol: 3, waitMs: 200 });
    await expect(none.call(['PING'])).rejects.toThrow(/wants a password/);
    await app.call(['ACL', 'SETUSER', 'app', '>new']);
    await eventually('logged in', () => wrong.state === 'ready');
  });

  it('a port that speaks another protocol is told so', async () => {
    const server = net.createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    const link = linkTo(port, { protocol: 3, waitMs: 500 });
    await expect(link.call(['PING'])).rejects.toThrow(/malformed reply/);
    server.close();
  });
});
