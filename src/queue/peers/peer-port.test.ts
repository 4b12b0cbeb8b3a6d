import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { seededRandom, silentLogger, systemClock } from '../../base/index.ts';
import { PeerFrames } from './frames.ts';
import { openPeerPort, type TcpPeerPort } from './peer-port.ts';

interface End {
  readonly port: TcpPeerPort;
  readonly to: { readonly site: string; readonly storeId: string; readonly address: string };
  /** Ends every connection that was accepted. */
  cut(): void;
  accepted: number;
}

const closers: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A site's port behind a door that only knows MQKV.PEER HELLO. */
async function open(site: string, secret?: string, storeId = `id-${site}`): Promise<End> {
  const around = { clock: systemClock, random: seededRandom(site.length), logger: silentLogger };
  const key = secret === undefined ? undefined : Buffer.from(secret);
  const port = openPeerPort({ site, storeId, secret: key, ...around, address: () => '' });
  const sockets = new Set<{ destroy(): unknown }>();
  const server = createServer((socket) => {
    end.accepted++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', (chunk: Buffer) => {
      const frames = new PeerFrames();
      frames.feed(chunk);
      const hello = (frames.next() ?? []).slice(2).map(String);
      port.accept({ socket, head: Buffer.alloc(0), remoteAddress: '127.0.0.1' }, hello);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(
    () => port.close(),
    () => void server.close(),
  );
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const end: End = {
    port,
    to: {
      site,
      storeId,
      address,
    },
    accepted: 0,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
  };
  return end;
}

describe('requests to other sites', () => {
  test('questions and answers of any size share one connection, in any order', async () => {
    const [a, b] = [await open('a'), await open('bb')];
    const waiting: (() => void)[] = [];
    b.port.answer = async (from, request) => {
      if (request.toString() === 'slow') await new Promise<void>((resolve) => waiting.push(resolve));
      return Buffer.concat([Buffer.from(`${from.site} `), request]);
    };
    const slow = a.port.ask(b.to, Buffer.from('slow'));
    const large = await a.port.ask(b.to, Buffer.alloc(3_000_000, 'x'));
    expect(large.length).toBe(3_000_002);
    expect((await a.port.ask(b.to, Buffer.alloc(0))).toString()).toBe('a ');
    for (const resolve of waiting) resolve();
    expect((await slow).toString()).toBe('a slow');
    expect(b.accepted).toBe(1);
    const { bytesSent, bytesReceived, answered } = b.port.stats();
    expect(answered).toBe(3);
    expect(bytesReceived).toBeGreaterThan(3_000_000);
    expect(a.port.stats().bytesReceived).toBe(bytesSent);
  });

  test("the other side's failure comes back in its words", async () => {
    const [a, b] = [await open('a'), await open('bb')];
    b.port.answer = () => Promise.reject(new Error('no such thing'));
    await expect(a.port.ask(b.to, Buffer.from('?'))).rejects.toMatchObject({
      code: 'PEER_FAILED',
      message: 'no such thing',
    });
  });

  test('a lost connection fails what waits, and the next question makes another one', async () => {
    const [a, b] = [await open('a'), await open('bb')];
    let isMute = true;
    b.port.answer = () => (isMute ? new Promise(() => {}) : Promise.resolve(Buffer.from('here')));
    const asked = a.port.ask(b.to, Buffer.from('?'));
    while (b.accepted === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    b.cut();
    await expect(asked).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
    isMute = false;
    expect((await a.port.ask(b.to, Buffer.from('?'))).toString()).toBe('here');
    expect(b.accepted).toBe(2);
  });

  test('a signal gives a question up', async () => {
    const [a, b] = [await open('a'), await open('bb')];
    b.port.answer = () => new Promise(() => {});
    const controller = new AbortController();
    const asked = a.port.ask(b.to, Buffer.from('?'), controller.signal);
    while (b.accepted === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    controller.abort();
    await expect(asked).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
  });

  test('another secret, another store and a closed address are refused', async () => {
    const a = await open('a', 'sixteen bytes ok');
    const b = await open('bb', 'another secret..');
    const c = await open('ccc', 'sixteen bytes ok');
    for (const { port } of [a, b, c]) port.answer = () => Promise.resolve(Buffer.from('yes'));
    const ask = (to: End['to']): Promise<Buffer> => a.port.ask(to, Buffer.from('?'));
    await expect(ask(b.to)).rejects.toMatchObject({ code: 'PEER_REFUSED' });
    await expect(ask({ ...c.to, storeId: 'id-of-another' })).rejects.toMatchObject({ code: 'PEER_REFUSED' });
    await expect(ask({ ...c.to, address: '127.0.0.1:1' })).rejects.toMatchObject({
      code: 'PEER_UNREACHABLE',
    });
    await expect(ask({ ...c.to, address: '' })).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' });
    expect((await ask(c.to)).toString()).toBe('yes');
  });

  test('a site that does not answer yet refuses', async () => {
    const [a, b] = [await open('a'), await open('bb')];
    await expect(a.port.ask(b.to, Buffer.from('?'))).rejects.toMatchObject({ code: 'PEER_REFUSED' });
  });
});
