// The server over real sockets: raw bytes in, raw bytes out.
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer as createNetServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Clock } from '../base/index.ts';
import { encodeCommand } from '../resp/index.ts';
import { createServer, type Handler, Mux, PubSub, type RespServer, type ServerOptions } from './index.ts';
import { testCertificate, testKey } from './test-certificate.ts';
import { eventually, listLogger, type RawClient, rawClient } from './testing.ts';

const servers: RespServer[] = [];

function serverOf(handler: Handler, options: Partial<ServerOptions> = {}): RespServer {
  const server = createServer({ handler, ...options });
  servers.push(server);
  return server;
}

async function opened(
  handler: Handler,
  options: Partial<ServerOptions> = {},
): Promise<{ server: RespServer; client: RawClient }> {
  const server = serverOf(handler, options);
  return { server, client: await rawClient(await server.listen()) };
}

/** As `opened`, with the server's end of the socket in the test's hands. */
async function served(handler: Handler, options: Partial<ServerOptions> = {}) {
  const server = serverOf(handler, options);
  const accepted: Socket[] = [];
  const listener = createNetServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket);
    server.serve(socket);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = await rawClient({ host: '127.0.0.1', port, path: '' });
  await eventually(() => accepted.length === 1);
  listener.close();
  return { server, client, socket: accepted[0] };
}

function basicMux(): Mux {
  return new Mux()
    .command('ping', ({ reply }) => reply.simple('PONG'))
    .command('echo', ({ reply, arg }) => reply.bulk(arg(1)))
    .command('fail', () => {
      throw new Error('as asked');
    })
    .command('half', ({ reply }) => {
      reply.array(3);
      reply.latin1('one');
      throw new Error('half a reply');
    })
    .command('quit', ({ reply, connection }) => {
      reply.ok();
      connection.close(true);
    });
}

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close({ graceMs: 0 });
});

describe('replies', () => {
  it('answers a pipeline in order and in one write', async () => {
    const { server, client, socket } = await served(basicMux());
    const write = vi.spyOn(socket, 'write');
    let expected = '';
    const commands: Buffer[] = [];
    for (let i = 0; i < 500; i++) {
      commands.push(encodeCommand(['ECHO', `value-${i}`]));
      expected += `$${`value-${i}`.length}\r\nvalue-${i}\r\n`;
    }
    client.send(Buffer.concat(commands));
    expect(await client.until('value-499\r\n')).toBe(expected);
    expect(write).toHaveBeenCalledTimes(1);
    expect(server.stats.commands).toBe(500);
  });

  it('says what is unknown', async () => {
    const { client } = await opened(basicMux());
    client.send('nope a "b c"\r\n');
    expect(await client.until('\r\n')).toBe(
      "-ERR unknown command 'nope', with args beginning with: 'a' 'b c' \r\n",
    );
  });

  it('answers, then closes, on malformed input', async () => {
    const { client } = await opened(basicMux());
    client.send('PING\r\n*1\r\n$x\r\nPING\r\n');
    expect(await client.closed()).toBe('+PONG\r\n-ERR Protocol error: invalid bulk length\r\n');
  });

  it('turns an exception into an error reply, logged, with half replies taken back', async () => {
    const logger = listLogger();
    const { client } = await opened(basicMux(), { logger });
    client.send('PING\r\nFAIL\r\nHALF\r\nPING\r\n');
    expect(
      await client.until('+PONG\r\n-ERR internal error\r\n-ERR internal error\r\n+PONG\r\n'),
    ).toBeTruthy();
    expect(logger.lines.filter((line) => line.level === 'error').map((line) => line.fields)).toMatchObject([
      { error: 'as asked', command: 'FAIL' },
      { error: 'half a reply', command: 'HALF' },
    ]);
  });

  it('closes after the reply to QUIT and executes nothing after it', async () => {
    const seen: string[] = [];
    const mux = basicMux().use((context, next) => {
      seen.push(context.name);
      return next();
    });
    const { client } = await opened(mux);
    client.send('PING\r\nQUIT\r\nPING\r\n');
    expect(await client.closed()).toBe('+PONG\r\n+OK\r\n');
    expect(seen).toEqual(['PING', 'QUIT']);
  });

  it('answers what came before the client closed its side', async () => {
    const mux = basicMux().command('slow', async ({ reply }) => {
      await new Promise((resolve) => setImmediate(resolve));
      reply.simple('late');
    });
    const { client } = await opened(mux);
    client.socket.end('SLOW\r\nPING\r\n');
    expect(await client.closed()).toBe('+late\r\n+PONG\r\n');
  });

  it('writes RESP3 from HELLO on', async () => {
    const mux = basicMux()
      .command('hello', ({ connection, reply }) => {
        connection.protocol = 3;
        reply.map(0);
      })
      .command('nil', ({ reply }) => reply.null());
    const { client } = await opened(mux);
    client.send('NIL\r\nHELLO 3\r\nNIL\r\n');
    expect(await client.until('_\r\n')).toBe('$-1\r\n%0\r\n_\r\n');
    client.send('NIL\r\n');
    expect(await client.until('_\r\n_\r\n')).toBeTruthy();
  });

  it('prepares groups of up to 32', async () => {
    const groups: [number, number][] = [];
    const mux = basicMux();
    const handler: Handler = {
      prepare: (_connection, _batch, from, to) => void groups.push([from, to]),
      handle: (connection, batch, index, reply) => mux.handle(connection, batch, index, reply),
    };
    const { client } = await opened(handler);
    client.send('PING\r\n'.repeat(70));
    await client.until('+PONG\r\n'.repeat(70));
    expect(groups).toEqual([
      [0, 32],
      [32, 64],
      [64, 70],
    ]);
  });
});

describe('async handlers', () => {
  interface Gate {
    readonly mux: Mux;
    readonly waiting: ((text: string) => void)[];
  }

  function gated(): Gate {
    const waiting: ((text: string) => void)[] = [];
    const mux = basicMux().command('wait', async ({ reply, text }) => {
      const word = text(1);
      const answer = await new Promise<string>((resolve) => waiting.push(resolve));
      if (answer === 'fail') throw new Error('late failure');
      reply.simple(`${word}:${text(1)}:${answer}`);
    });
    return { mux, waiting };
  }

  it('keeps the order of replies and sends what is ready', async () => {
    const { mux, waiting } = gated();
    const { server, client } = await opened(mux);
    const other = await rawClient(server.addresses[0]);
    client.send('PING\r\nWAIT a\r\nECHO x\r\nWAIT b\r\nECHO y\r\n');
    await client.until('+PONG\r\n');
    await eventually(() => waiting.length === 1);
    other.send('ECHO other\r\n'.repeat(100));
    await other.until('other\r\n'.repeat(1));
    client.send('ECHO z\r\n');
    waiting[0]('1');
    await client.until('+PONG\r\n+a:a:1\r\n$1\r\nx\r\n');
    await eventually(() => waiting.length === 2);
    waiting[1]('fail');
    expect(await client.until('z\r\n')).toBe(
      '+PONG\r\n+a:a:1\r\n$1\r\nx\r\n-ERR internal error\r\n$1\r\ny\r\n$1\r\nz\r\n',
    );
  });

  it('keeps many connections apart', async () => {
    const mux = basicMux().command('later', async ({ reply, text }) => {
      const before = text(1);
      await new Promise((resolve) => setImmediate(resolve));
      reply.simple(before + text(1));
    });
    const server = serverOf(mux);
    const address = await server.listen();
    const clients = await Promise.all(Array.from({ length: 20 }, () => rawClient(address)));
    for (const [c, client] of clients.entries()) {
      for (let i = 0; i < 20; i++) client.send(`LATER ${c}.${i}\r\nECHO ${c}-${i}\r\n`);
    }
    for (const [c, client] of clients.entries()) {
      let expected = '';
      for (let i = 0; i < 20; i++)
        expected += `+${c}.${i}${c}.${i}\r\n$${`${c}-${i}`.length}\r\n${c}-${i}\r\n`;
      expect(await client.until(`${c}-19\r\n`)).toBe(expected);
    }
  });

  it('reads no more than a bound while a handler waits', async () => {
    const { mux, waiting } = gated();
    const { client, server, socket } = await served(mux, { limits: { inputPauseBytes: 100_000 } });
    client.send('WAIT a\r\n');
    await eventually(() => waiting.length === 1);
    const line = encodeCommand(['ECHO', 'x'.repeat(50_000)]);
    for (let i = 0; i < 400; i++) client.send(line);
    await eventually(() => socket.isPaused());
    expect(server.stats.inputBytes).toBeLessThan(400_000);
    client.send('ECHO end\r\n');
    waiting[0]('1');
    const text = await client.until('$3\r\nend\r\n');
    expect(text.length).toBe(
      '+a:a:1\r\n'.length + 400 * '$50000\r\n\r\n'.length + 400 * 50_000 + '$3\r\nend\r\n'.length,
    );
  });

  it('pushes out-of-band output between replies', async () => {
    const { mux, waiting } = gated();
    const { client, server } = await opened(mux);
    client.send('PING\r\nWAIT a\r\n');
    await client.until('+PONG\r\n');
    await eventually(() => waiting.length === 1);
    const [connection] = server.connections.values();
    connection.push((reply) => reply.simple('pushed'));
    await client.until('+pushed\r\n');
    waiting[0]('1');
    expect(await client.until('+a:a:1\r\n')).toBe('+PONG\r\n+pushed\r\n+a:a:1\r\n');
  });

  it('forgets a client that has gone while its handler waits', async () => {
    const { mux, waiting } = gated();
    const { client, server } = await opened(mux);
    client.send('WAIT a\r\nPING\r\n');
    await eventually(() => waiting.length === 1);
    const [connection] = server.connections.values();
    const { signal } = connection;
    expect(signal.aborted).toBe(false);
    client.socket.destroy();
    await eventually(() => server.connections.size === 0);
    expect([signal.aborted, connection.closed]).toEqual([true, true]);
    waiting[0]('1');
    const next = await rawClient(server.addresses[0]);
    next.send('PING\r\n');
    expect(await next.until('\r\n')).toBe('+PONG\r\n');
  });
});

describe('bounds', () => {
  it('stops executing for a client that does not read, and goes on when it does', async () => {
    let executed = 0;
    const value = Buffer.alloc(500_000, 'v');
    const mux = new Mux().command('get', ({ reply }) => {
      executed++;
      reply.bulk(value);
    });
    const { client, server } = await opened(mux);
    client.socket.pause();
    client.send('GET\r\n'.repeat(300));
    const [connection] = server.connections.values();
    await eventually(() => connection.bytesQueued > 1_000_000);
    expect(executed).toBeLessThan(100);
    expect(connection.bytesQueued).toBeLessThan(8_000_000);
    client.socket.resume();
    await eventually(() => client.received().length === 300 * (value.length + 11));
    expect(executed).toBe(300);
    client.send('GET\r\n');
    await eventually(() => client.received().length === 301 * (value.length + 11));
  });

  it('disconnects a subscriber that does not read', async () => {
    const { client, server } = await opened(basicMux(), { limits: { outputBytesMax: 3_000_000 } });
    client.socket.pause();
    await eventually(() => server.connections.size === 1);
    const [connection] = server.connections.values();
    let pushes = 0;
    while (!connection.closed) {
      connection.push((reply) => reply.bulk(Buffer.alloc(100_000)));
      pushes++;
      await new Promise((resolve) => setImmediate(resolve));
      expect(connection.bytesQueued).toBeLessThan(3_200_000);
    }
    expect(pushes).toBeGreaterThan(20);
    expect(server.connections.size).toBe(0);
  });

  it('refuses clients beyond the limit', async () => {
    const { client, server } = await opened(basicMux(), { limits: { clientsMax: 1 } });
    const second = await rawClient(server.addresses[0]);
    expect(await second.closed()).toBe('-ERR max number of clients reached\r\n');
    client.send('PING\r\n');
    await client.until('+PONG\r\n');
    expect(server.stats).toMatchObject({ connectionsReceived: 2, connectionsRejected: 1 });
  });

  it('closes idle clients, but not subscribers', async () => {
    let now = 1_000_000;
    const ticks: (() => void)[] = [];
    const clock: Clock = {
      now: () => now,
      after: () => ({ cancel: () => {} }),
      every(_period, task) {
        ticks.push(task);
        return { cancel: () => {} };
      },
    };
    const { client, server } = await opened(basicMux(), { clock, limits: { idleTimeoutMs: 5000 } });
    const subscriber = await rawClient(server.addresses[0]);
    await eventually(() => server.connections.size === 2);
    const subscribed = [...server.connections.values()][1];
    subscribed.keepOpen = true;
    now += 4000;
    for (const tick of ticks) tick();
    expect(server.connections.size).toBe(2);
    now += 2000;
    for (const tick of ticks) tick();
    await client.closed();
    subscriber.send('PING\r\n');
    expect(await subscriber.until('\r\n')).toBe('+PONG\r\n');
  });

  it('takes small commands only before authentication', async () => {
    const mux = basicMux()
      .onOpened((connection) => {
        connection.authenticated = false;
      })
      .command('auth', ({ connection, reply }) => {
        connection.authenticated = true;
        reply.ok();
      });
    const { client, server } = await opened(mux);
    const large = encodeCommand(['ECHO', 'x'.repeat(20_000)]);
    client.send(Buffer.concat([Buffer.from('PING\r\nAUTH x\r\n'), large]));
    await client.until(`${'x'.repeat(20_000)}\r\n`);
    const stranger = await rawClient(server.addresses[0]);
    stranger.send(Buffer.concat([Buffer.from('PING\r\n'), large]));
    expect(await stranger.closed()).toBe('+PONG\r\n-ERR Protocol error: unauthenticated bulk length\r\n');
  });
});

describe('lifetimes', () => {
  it('hands the socket over with the input that follows, as it was sent', async () => {
    let taken: { socket: Socket; head: Buffer } | undefined;
    const mux = basicMux().command('detach', ({ connection, reply }) => {
      reply.ok();
      taken = connection.detach();
      taken.socket.write('mine\r\n');
    });
    const { client, server } = await opened(mux);
    client.send('PING\r\nDETACH\r\nSET "a\\x41" b\r\nleft');
    await client.until('mine\r\n');
    expect(client.received()).toBe('+PONG\r\n+OK\r\nmine\r\n');
    expect(taken?.head.toString()).toBe('SET "a\\x41" b\r\nleft');
    expect(server.connections.size).toBe(0);
    const later = new Promise((resolve) => taken?.socket.on('data', resolve));
    taken?.socket.resume();
    client.send('to the new owner');
    expect(String(await later)).toBe('to the new owner');
    taken?.socket.destroy();
  });

  it('closes gracefully: what is in is answered, then the connection ends', async () => {
    let release = (): void => {};
    const mux = basicMux().command('wait', async ({ reply }) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      reply.simple('done');
    });
    const { client, server } = await opened(mux);
    client.send('WAIT\r\n');
    await eventually(() =>
      [...server.connections.values()].some((connection) => connection.lastCommand === 'wait'),
    );
    client.send('PING\r\n');
    await eventually(() => server.stats.inputBytes === 12);
    const closing = server.close({ graceMs: 10_000 });
    expect(server.close()).toBe(closing);
    await new Promise((resolve) => setImmediate(resolve));
    release();
    expect(await client.closed()).toBe('+done\r\n+PONG\r\n');
    await closing;
    await expect(rawClient(server.addresses[0])).rejects.toThrow('ECONNREFUSED');
  });

  it('cuts off what does not end within the grace time', async () => {
    const mux = basicMux().command('never', () => new Promise<void>(() => {}));
    const { client, server } = await opened(mux);
    client.send('NEVER\r\n');
    await eventually(() => server.stats.commands === 1);
    await server.close({ graceMs: 20 });
    expect(await client.closed()).toBe('');
    expect(server.connections.size).toBe(0);
  });

  it('closes when its signal aborts', async () => {
    const controller = new AbortController();
    const { client } = await opened(basicMux(), { signal: controller.signal });
    client.send('PING\r\n');
    await client.until('\r\n');
    controller.abort();
    expect(await client.closed()).toBe('+PONG\r\n');
  });

  it('listens on Unix sockets, replacing the file of a server that died', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'mqkv-server-')), 's.sock');
    const server = serverOf(basicMux());
    const client = await rawClient(await server.listen({ path }));
    client.send('PING\r\n');
    expect(await client.until('\r\n')).toBe('+PONG\r\n');
    const [connection] = server.connections.values();
    expect(connection.remoteAddress).toBe(`${path}:0`);
    await expect(serverOf(basicMux()).listen({ path })).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
    writeFileSync(`${path}.plain`, '');
    await expect(serverOf(basicMux()).listen({ path: `${path}.plain` })).rejects.toMatchObject({
      code: 'ADDRESS_IN_USE',
    });
  });

  it('serves TLS', async () => {
    const server = serverOf(basicMux(), { tls: { key: testKey, cert: testCertificate } });
    const { host, port } = await server.listen();
    const plain = await rawClient(server.addresses[0]);
    plain.send('PING\r\n');
    expect(await plain.closed()).not.toContain('PONG');
    const socket = connectTls({ host, port, rejectUnauthorized: false });
    const client = await rawClient({ host, port, path: '' }, socket);
    await once(socket, 'secureConnect');
    const value = 'v'.repeat(300_000);
    client.send(
      Buffer.concat([Buffer.from('PING\r\n'), encodeCommand(['ECHO', value]), Buffer.from('QUIT\r\n')]),
    );
    expect((await client.closed()) === `+PONG\r\n$300000\r\n${value}\r\n+OK\r\n`).toBe(true);
  });

  it('may be closed by its handler as soon as it opens, with a last word', async () => {
    const mux = basicMux().onOpened((connection) => {
      connection.push((reply) => reply.error('DENIED not here'));
      connection.close(true);
    });
    const { client, server } = await opened(mux);
    client.send('PING\r\n');
    expect(await client.closed()).toBe('-DENIED not here\r\n');
    await eventually(() => server.connections.size === 0);
  });

  it('says when the port is taken', async () => {
    const other = createNetServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(serverOf(basicMux()).listen({ port })).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
    other.close();
  });
});

describe('Mux', () => {
  it('runs middleware around commands, sync and async', async () => {
    const order: string[] = [];
    const mux = basicMux()
      .use(async (context, next) => {
        order.push(`> ${context.name}`);
        await next();
        order.push(`< ${context.name}`);
      })
      .use((context, next) => (context.name === 'ECHO' ? context.reply.error('NOPERM') : next()));
    const { client } = await opened(mux);
    client.send('PING\r\nECHO x\r\nNOPE\r\n');
    const text = await client.until('beginning with: \r\n');
    expect(text).toMatch(/^\+PONG\r\n-NOPERM\r\n-ERR unknown command 'NOPE'/);
    expect(order).toEqual(['> PING', '< PING', '> ECHO', '< ECHO', '> NOPE', '< NOPE']);
  });
});

describe('PubSub', () => {
  it('subscribes, publishes, matches patterns, unsubscribes, and forgets who leaves', async () => {
    const pubsub = new PubSub();
    const mux = basicMux()
      .command('subscribe', ({ connection, reply, text }) => pubsub.subscribe(connection, text(1), reply))
      .command('psubscribe', ({ connection, reply, text }) => pubsub.psubscribe(connection, text(1), reply))
      .command('unsubscribe', ({ connection, reply }) => pubsub.unsubscribe(connection, [], reply))
      .command('publish', ({ reply, text, arg }) => reply.integer(pubsub.publish(text(1), arg(2))));
    const { client, server } = await opened(mux);
    client.send('SUBSCRIBE news\r\nPSUBSCRIBE n*\r\n');
    await client.until('$2\r\nn*\r\n:2\r\n');
    const publisher = await rawClient(server.addresses[0]);
    publisher.send('PUBLISH news hello\r\nPUBLISH nothing x\r\nPUBLISH other x\r\n');
    expect(await publisher.until(':0\r\n')).toBe(':2\r\n:1\r\n:0\r\n');
    const head = '*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n*3\r\n$10\r\npsubscribe\r\n$2\r\nn*\r\n:2\r\n';
    const messages =
      '*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$5\r\nhello\r\n' +
      '*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$7\r\nnothing\r\n$1\r\nx\r\n';
    expect(await client.until('$7\r\nnothing\r\n$1\r\nx\r\n')).toBe(head + messages);
    client.send('UNSUBSCRIBE\r\nUNSUBSCRIBE\r\nPUBLISH n me\r\n');
    const tail =
      '*3\r\n$11\r\nunsubscribe\r\n$4\r\nnews\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:1\r\n' +
      '*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$1\r\nn\r\n$2\r\nme\r\n:1\r\n';
    expect(await client.until('$2\r\nme\r\n:1\r\n')).toBe(head + messages + tail);
    expect([pubsub.names('channel'), pubsub.names('pattern'), pubsub.patterns]).toEqual([[], ['n*'], 1]);
    client.socket.destroy();
    await eventually(() => pubsub.patterns === 0);
  });
});
