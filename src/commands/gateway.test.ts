// The gateway on a real server: connection state, transactions, pub/sub, passwords, reserved names, hooks.
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { RawPeer, type LocalServer, startLocal } from '../../test/differential/peers.ts';
import type { GatewayOptions } from './shared.ts';

let local: LocalServer | undefined;
const peers: RawPeer[] = [];

async function start(options: Partial<GatewayOptions> = {}): Promise<LocalServer> {
  local = await startLocal(options);
  return local;
}

async function open(): Promise<RawPeer> {
  const peer = await RawPeer.open(local?.port ?? 0);
  peers.push(peer);
  return peer;
}

async function heads(peer: RawPeer, ...lines: string[]): Promise<string[]> {
  const replies = await peer.exchange(lines.map((line) => line.split(' ')));
  return replies.map((reply) => reply.head);
}

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.close();
  await local?.close();
  local = undefined;
});

describe('transactions', () => {
  it('a watched key that another connection changes breaks EXEC, at once and not for the next', async () => {
    await start();
    const [a, b] = [await open(), await open()];
    await heads(a, 'SET k 1', 'WATCH k');
    await heads(b, 'SET k 2');
    expect(await heads(a, 'MULTI', 'SET k 3', 'EXEC', 'GET k')).toEqual([
      '+OK',
      '+QUEUED',
      '*-1',
      '$1\r\n2\r\n',
    ]);
    expect(await heads(a, 'MULTI', 'SET k 3', 'EXEC', 'GET k')).toEqual([
      '+OK',
      '+QUEUED',
      '*1',
      '$1\r\n3\r\n',
    ]);
  });

  it('a command refused while queueing aborts EXEC and nothing is executed', async () => {
    await start();
    const a = await open();
    expect(await heads(a, 'MULTI', 'SET k 1', 'NOSUCH', 'EXEC', 'EXISTS k')).toEqual([
      '+OK',
      '+QUEUED',
      "-ERR unknown command 'NOSUCH', with args beginning with: ",
      '-EXECABORT Transaction discarded because of previous errors.',
      ':0',
    ]);
  });

  it('is one group of the outbox over all its keys', async () => {
    const { store } = await start();
    const a = await open();
    await heads(a, 'MULTI', 'SET a 1', 'SET b 2', 'HSET c f 3', 'EXEC');
    expect(store.outbox.takeDeltas(1)?.length).toBeGreaterThan(0);
    expect(store.outbox.takeDeltas(1)).toBeUndefined();
  });
});

describe('expiry', () => {
  it('a watched key that expires breaks EXEC', async () => {
    await start();
    const [a, b] = [await open(), await open()];
    await heads(a, 'SET k v PX 30', 'WATCH k');
    while ((await heads(b, 'EXISTS k'))[0] === ':1');
    expect(await heads(a, 'MULTI', 'SET k w', 'EXEC')).toEqual(['+OK', '+QUEUED', '*-1']);
  });
});

describe('reserved names', () => {
  it.each([
    'SET mqkv:x 1',
    'HSET mqkv:x f v',
    'SADD mqkv:x m',
    'INCR mqkv:x',
    'MSET a 1 mqkv:x 2',
    'RENAME a mqkv:x',
  ])('%s is refused and changes nothing', async (line) => {
    await start();
    const a = await open();
    expect(await heads(a, line, 'DBSIZE')).toEqual([
      "-ERR key names beginning with 'mqkv:' are reserved",
      ':0',
    ]);
    expect(await heads(a, 'SET mqkvx 1', 'GET mqkv:x')).toEqual(['+OK', '$-1']);
  });
});

describe('passwords', () => {
  it('nothing but AUTH, HELLO, RESET and QUIT before the password', async () => {
    await start({ password: 'secret' });
    const a = await open();
    expect(await heads(a, 'GET k', 'AUTH wrong', 'PING')).toEqual([
      '-NOAUTH Authentication required.',
      '-WRONGPASS invalid username-password pair or user is disabled.',
      '-NOAUTH Authentication required.',
    ]);
    expect(await heads(a, 'AUTH secret', 'PING', 'GET k')).toEqual(['+OK', '+PONG', '$-1']);
    const b = await open();
    expect(await heads(b, 'HELLO 3 AUTH default secret', 'GET k')).toEqual(['%7', '_']);
  });
});

describe('publish and subscribe', () => {
  it('delivers to channels and patterns, tells the hook, and takes messages of other sites', async () => {
    const published: string[] = [];
    const { gateway } = await start({
      publish: (channel, message) => published.push(`${channel}=${message.toString('latin1')}`),
    });
    const [a, b] = [await open(), await open()];
    await heads(a, 'SUBSCRIBE news', 'PSUBSCRIBE n*');
    expect(await heads(b, 'PUBLISH news hello')).toEqual([':2']);
    const got = await a.take(2);
    expect(got.map((node) => node.items.map((item) => item.head))).toEqual([
      ['$7\r\nmessage\r\n', '$4\r\nnews\r\n', '$5\r\nhello\r\n'],
      ['$8\r\npmessage\r\n', '$2\r\nn*\r\n', '$4\r\nnews\r\n', '$5\r\nhello\r\n'],
    ]);
    expect(published).toEqual(['news=hello']);
    expect(gateway.deliver('news', Buffer.from('far'))).toBe(2);
    expect((await a.take(2))[0].items[2].head).toBe('$3\r\nfar\r\n');
    expect(published).toEqual(['news=hello']);
    expect(await heads(a, 'GET k')).toEqual([
      "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
    ]);
  });
});

describe('connections', () => {
  it('CLIENT REPLY SKIP and OFF leave replies out, in order', async () => {
    await start();
    const a = await open();
    for (const line of ['CLIENT REPLY SKIP', 'SET k 1', 'GET k']) a.send([line.split(' ')]);
    expect((await a.take(1))[0].head).toBe('$1\r\n1\r\n');
    a.send([['CLIENT', 'REPLY', 'OFF'], ['GET', 'k'], ['CLIENT', 'REPLY', 'ON'], ['PING']]);
    expect((await a.take(2)).map((node) => node.head)).toEqual(['+OK', '+PONG']);
  });

  it('CLIENT LIST shows the others, CLIENT KILL ends them', async () => {
    await start();
    const [a, b] = [await open(), await open()];
    await heads(b, 'CLIENT SETNAME victim');
    const [id] = await heads(b, 'CLIENT ID');
    expect((await heads(a, 'CLIENT LIST'))[0]).toContain('name=victim');
    expect(await heads(a, `CLIENT KILL ID ${id.slice(1)}`)).toEqual([':1']);
    await expect(b.take(1)).rejects.toThrow('connection ended');
  });

  it('MONITOR sees commands, not passwords', async () => {
    await start();
    const [a, b] = [await open(), await open()];
    await heads(a, 'MONITOR');
    await heads(b, 'AUTH default hush', 'SET k v"');
    expect((await a.take(1))[0].head).toMatch(/^\+[0-9.]+ \[0 127\.0\.0\.1:[0-9]+\] "SET" "k" "v\\""$/);
  });

  it('a site that is not ready refuses data commands and still answers PING and INFO', async () => {
    let refusal: string | undefined = 'LOADING mqkv is copying a peer';
    await start({ refusal: () => refusal });
    const a = await open();
    expect(await heads(a, 'GET k', 'PING')).toEqual(['-LOADING mqkv is copying a peer', '+PONG']);
    refusal = undefined;
    expect(await heads(a, 'GET k')).toEqual(['$-1']);
  });

  it('WAIT asks its hook and later commands keep their place', async () => {
    await start({ wait: (_connection, sites) => Promise.resolve(sites + 1) });
    const a = await open();
    expect(await heads(a, 'SET k v', 'WAIT 2 100', 'GET k')).toEqual(['+OK', ':3', '$1\r\nv\r\n']);
  });

  it('a value above the limit is refused', async () => {
    await start({ maxValueBytes: 10 });
    const a = await open();
    const error = '-ERR string exceeds maximum allowed size (proto-max-bulk-len)';
    expect(await heads(a, 'SET k 12345678901', 'SET k 1234567890', 'APPEND k x', 'SETRANGE k 10 x')).toEqual([
      error,
      '+OK',
      error,
      error,
    ]);
  });
});

describe('scans', () => {
  it('SCAN with a small COUNT sees every key once, HSCAN and SSCAN every element of a large one', async () => {
    await start();
    const a = await open();
    const names = Array.from({ length: 2000 }, (_, i) => `n${i}`);
    await a.exchange([
      ['MSET', ...names.flatMap((name) => [name, 'v'])],
      ['SADD', 's', ...names],
      ['HSET', 'h', ...names.flatMap((name) => [name, 'v'])],
    ]);
    for (const [words, width, extra] of [
      [['SCAN'], 1, ['s', 'h']],
      [['SSCAN', 's'], 1, []],
      [['HSCAN', 'h'], 2, []],
    ] as const) {
      const seen = new Set<string>();
      let cursor = '0';
      let calls = 0;
      do {
        const [reply] = await a.exchange([[...words, cursor, 'COUNT', '50']]);
        cursor = reply.items[0].head.split('\r\n')[1];
        reply.items[1].items.forEach((item, i) => {
          if (i % width === 0) seen.add(item.head.split('\r\n')[1]);
        });
        calls++;
      } while (cursor !== '0');
      expect([...seen].sort()).toEqual([...names, ...extra].sort());
      expect(calls).toBeGreaterThan(10);
    }
  });
});

describe('HTTP on the port', () => {
  it.each(['POST / HTTP/1.1', 'Host: localhost'])(
    '%s ends the connection, nothing after it is executed',
    async (line) => {
      await start();
      const socket = connect(local?.port ?? 0, '127.0.0.1');
      socket.write(`${line}\r\nSET k v\r\n`);
      await once(socket, 'close');
      expect(await heads(await open(), 'EXISTS k')).toEqual([':0']);
    },
  );
});
