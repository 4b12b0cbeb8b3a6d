import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { seededRandom, silentLogger, systemClock } from '../../base/index.ts';
import { encodeCommand } from '../../resp/index.ts';
import type { QueueMessage } from '../queue.ts';
import { PeerFrames } from './frames.ts';
import { LINK_SILENT_MS } from './link.ts';
import { openPeersQueue, type PeersQueue } from './peers-queue.ts';

interface End {
  readonly queue: PeersQueue;
  readonly port: number;
  readonly got: string[];
  readonly messages: QueueMessage[];
  /** Whether messages are acknowledged as they come. */
  auto: boolean;
  /** Ends it, its port too. */
  gone(): Promise<void>;
}

const closers: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A site's end: its queue behind a port that only knows MQKV.PEER HELLO. */
async function openEnd(
  site: string,
  peers: readonly number[],
  options: { readonly secret?: string; readonly port?: number } = {},
): Promise<End> {
  const queue = openPeersQueue({
    peers: peers.map((port) => ({ host: '127.0.0.1', port })),
    site,
    storeId: `id-${site}-${options.secret ?? ''}`,
    secret: options.secret === undefined ? undefined : Buffer.from(options.secret),
    clock: systemClock,
    random: seededRandom(site.length * 77 + peers.length),
    logger: silentLogger,
    address: () => '',
  });
  const server = createServer((socket) => {
    socket.once('data', (chunk: Buffer) => {
      const frames = new PeerFrames();
      frames.feed(chunk);
      const hello = (frames.next() ?? []).slice(2).map(String);
      queue.accept({ socket, head: Buffer.alloc(0), remoteAddress: '127.0.0.1' }, hello);
    });
  });
  await listening(server, options.port ?? 0);
  closers.push(
    () => queue.close(),
    () => void server.close(),
  );
  const end: End = {
    queue,
    port: (server.address() as AddressInfo).port,
    got: [],
    messages: [],
    auto: true,
    async gone() {
      await queue.close();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  await queue.subscribe(
    (message) => {
      end.got.push(message.body.toString());
      if (end.auto) message.ack();
      else end.messages.push(message);
    },
    { maxInFlight: 4 },
  );
  return end;
}

async function listening(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 10_000; !(await condition()); ) {
    if (Date.now() > end) throw new Error('waited 10 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const linked = (end: End): boolean => end.queue.brokers().some(({ connected }) => connected);

describe('peer links', () => {
  test('one link carries both ways; publish resolves when the peer has acknowledged', async () => {
    const a = await openEnd('a', []);
    const b = await openEnd('bb', [a.port]);
    await until(() => linked(a) && linked(b));
    await b.queue.publish(Buffer.from('from b'));
    expect(a.got).toEqual(['from b']);
    a.auto = false;
    b.auto = false;
    let resolved = false;
    const publish = a.queue.publish(Buffer.from('from a')).then(() => {
      resolved = true;
    });
    await until(() => b.messages.length === 1);
    expect(resolved).toBe(false);
    b.messages[0]?.ack();
    await publish;
    expect((await a.queue.stats()).brokers).toHaveLength(1);
  });

  test('without a connected peer publish resolves at once', async () => {
    const a = await openEnd('a', [1]);
    await a.queue.publish(Buffer.from('nobody'));
    await until(() => a.queue.brokers()[0]?.error !== undefined);
    expect((await a.queue.stats()).brokers[0]).toMatchObject({ connections: null });
  });

  test('two sites that dial each other end with one link', async () => {
    const a = await openEnd('a', []);
    const b = await openEnd('bb', [a.port]);
    await until(() => linked(b));
    await b.queue.close();
    const [pa, pb] = [await freePort(), await freePort()];
    const c = await openEnd('ccc', [pb], { port: pa });
    const d = await openEnd('dddd', [pa], { port: pb });
    await until(async () => linked(c) && linked(d) && (await c.queue.stats()).connections === 1);
    for (let i = 0; i < 20; i++) await c.queue.publish(Buffer.from(`m${i}`));
    expect(new Set(d.got).size).toBe(20);
    expect((await d.queue.stats()).connections).toBe(1);
  });

  test('a link is made again after a loss', async () => {
    const port = await freePort();
    const b = await openEnd('bb', [port]);
    const c = await openEnd('c', [], { port });
    await until(() => linked(b));
    await c.gone();
    await until(() => !linked(b));
    const again = await openEnd('c', [], { port });
    await until(() => linked(b) && linked(again));
    await b.queue.publish(Buffer.from('after'));
    expect(again.got).toEqual(['after']);
  });

  test('at most maxInFlight messages are delivered and unacknowledged', async () => {
    const a = await openEnd('a', []);
    const b = await openEnd('bb', [a.port]);
    await until(() => linked(a) && linked(b));
    a.auto = false;
    const body = Buffer.alloc(200_000, 'x');
    const all = Promise.all(Array.from({ length: 40 }, () => b.queue.publish(body)));
    await until(() => a.messages.length >= 4);
    expect(a.messages.length).toBeLessThan(12);
    a.auto = true;
    for (const message of a.messages) message.ack();
    await all;
    expect(a.got).toHaveLength(40);
  });

  test('the same name, another secret and a stranger are refused', async () => {
    const a = await openEnd('a', [], { secret: 'sixteen bytes ok' });
    const twin = await openEnd('a', [a.port], { secret: 'sixteen bytes ok' });
    const wrong = await openEnd('w', [a.port], { secret: 'another secret..' });
    const none = await openEnd('n', [a.port]);
    const errorOf = (end: End): string => end.queue.brokers()[0]?.error ?? '';
    await until(() => errorOf(twin) !== '' && errorOf(wrong) !== '' && errorOf(none) !== '');
    expect([errorOf(wrong), errorOf(none)].every((text) => text.includes('secret'))).toBe(true);
    expect(linked(a)).toBe(false);
    const right = await openEnd('r', [a.port], { secret: 'sixteen bytes ok' });
    await until(() => linked(right));
  });

  test('a peer that does not answer holds up the others for a few seconds only', async () => {
    const a = await openEnd('a', []);
    const b = await openEnd('bb', [a.port]);
    const mute = connect(a.port, '127.0.0.1');
    closers.push(() => void mute.destroy());
    mute.write(encodeCommand(['MQKV.PEER', 'HELLO', '1', 'mute', 'id-mute', 'nonce', '']));
    await once(mute, 'data');
    mute.write(encodeCommand(['MQKV.PEER', 'PROOF', '']));
    await once(mute, 'data');
    await until(() => linked(b) && a.queue.brokers().length === 2);
    const started = Date.now();
    await a.queue.publish(Buffer.from('m'));
    expect(b.got).toEqual(['m']);
    expect(Date.now() - started).toBeLessThan(LINK_SILENT_MS - 3_000);
    expect(a.queue.brokers()).toHaveLength(2);
  }, 20_000);

  test('a link ends when the other side has ended its half', async () => {
    const a = await openEnd('a', []);
    const half = connect({ port: a.port, host: '127.0.0.1', allowHalfOpen: true });
    closers.push(() => void half.destroy());
    half.write(encodeCommand(['MQKV.PEER', 'HELLO', '1', 'half', 'id-half', 'nonce', '']));
    await once(half, 'data');
    half.write(encodeCommand(['MQKV.PEER', 'PROOF', '']));
    await until(() => linked(a));
    half.end();
    await until(() => !linked(a));
  });

  test('a stranger cannot make a site keep large frames', () => {
    const frames = new PeerFrames();
    const head = Buffer.from('*4\r\n$9\r\nMQKV.PEER\r\n$3\r\nMSG\r\n$1\r\n1\r\n$5000\r\n');
    frames.feed(head);
    expect(() => frames.next()).toThrow(/malformed peer frame: a part of 5000 bytes/);
    const known = new PeerFrames();
    known.trust();
    known.feed(head);
    expect(known.next()).toBeUndefined();
  });

  test('rubbish on the port or the link closes it', async () => {
    const a = await openEnd('a', []);
    const socket = connect(a.port, '127.0.0.1');
    socket.write(encodeCommand(['MQKV.PEER', 'HELLO', '99', 'x', 'y', 'z', '']));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^-ERR peer link format '99' is not supported/);
    await once(socket, 'close');
    expect(() => {
      const frames = new PeerFrames();
      frames.feed(Buffer.from('*1\r\n$99999999999\r\n'));
      frames.next();
    }).toThrow(/malformed peer frame/);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await listening(server, 0);
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
