// The conformance suite on peer links: every site that is opened dials those that were opened before it.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { describe, it } from 'vitest';
import { silentLogger, systemClock, systemRandom } from '../src/base/index.ts';
import { openPeersQueue, type PeersQueue } from '../src/queue/peers/index.ts';
import { PeerFrames } from '../src/queue/peers/frames.ts';
import type { Queue } from '../src/queue/index.ts';
import { eventually } from './brokers/index.ts';
import { type QueueWorld, queueConformance } from './queue-conformance.ts';

interface End {
  readonly queue: PeersQueue;
  readonly server: Server;
  readonly port: number;
}

const SECRET = 'the secret of all sites';

const never = (): Promise<never> => Promise.reject(new Error('there is no broker'));

async function open(): Promise<QueueWorld> {
  const ends: End[] = [];
  const others: End[] = [];
  const openSite = async (site: string): Promise<Queue> => {
    const end = await openEnd(site, { peers: ends.map(({ port }) => port), secret: SECRET });
    const earlier = ends.length;
    ends.push(end);
    return linkedBefore(end.queue, earlier);
  };
  return {
    url: '',
    open: openSite,
    guest: never,
    intruder: async () => {
      const honest = await openEnd('honest', { peers: [], secret: SECRET });
      const intruder = await openEnd('intruder', {
        peers: [honest.port],
        secret: 'another secret than theirs',
      });
      others.push(honest, intruder);
      return intruder.queue;
    },
    kill: never,
    restart: never,
    freeze: never,
    thaw: never,
    [Symbol.asyncDispose]: async () => {
      for (const { queue, server } of [...ends, ...others]) {
        await queue.close();
        server.close();
      }
    },
  };
}

/** A queue whose subscription exists when it is linked: nobody keeps messages for those who are not. */
function linkedBefore(queue: PeersQueue, peers: number): Queue {
  const subscribe: Queue['subscribe'] = async (handler, options) => {
    await queue.subscribe(handler, options);
    const linked = (): number => queue.brokers().filter(({ connected }) => connected).length;
    await eventually('the links', () => linked() >= peers);
  };
  return new Proxy(queue, {
    get: (target, name) => {
      if (name === 'subscribe') return subscribe;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

async function openEnd(
  site: string,
  { peers, secret }: { readonly peers: readonly number[]; readonly secret: string },
): Promise<End> {
  const queue = openPeersQueue({
    peers: peers.map((port) => ({ host: '127.0.0.1', port })),
    site: `${site}-${peers.length}`,
    storeId: `id-${site}-${peers.length}`,
    secret: Buffer.from(secret),
    clock: systemClock,
    random: systemRandom(),
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
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { queue, server, port: (server.address() as AddressInfo).port };
}

describe('peers conform to Queue', () => {
  const capabilities = {
    broker: false,
    redelivers: false,
    shares: false,
    counts: false,
    ordered: true,
    replays: false,
  };
  const skip = [
    {
      test: 'a topic that is missing and may not be made is told, and harms nobody else',
      reason: 'there are no topics',
    },
    {
      test: 'a topic that does not exist yet can be subscribed and published to',
      reason: 'there are no topics; a site dials when it subscribes',
    },
    {
      test: 'a slow consumer gets everything and holds up nobody else',
      reason: 'publish waits for every connected peer, as declared',
    },
  ];
  for (const test of queueConformance({ name: 'peers', open, capabilities, skip })) {
    it.skipIf(test.skip)(test.name, test.run);
  }
});
