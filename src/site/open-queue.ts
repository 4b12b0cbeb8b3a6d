// From a parsed queue URL to its adapter; drivers are loaded only when they are configured.
import type { Clock, Logger, Random } from '../base/index.ts';
import { type Queue, readTls } from '../queue/index.ts';
import type { PeersQueue, TcpPeerPort } from '../queue/peers/index.ts';
import type { Config } from './config.ts';
import type { PeersUrl, QueueUrl } from './urls.ts';

/** What adapters need of the site around them. */
export interface QueueSurroundings {
  readonly config: Config;
  readonly storeId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Where peers may reach this site; empty: unknown yet. */
  readonly address: () => string;
}

/** A queue, and its other face where it takes connections of peers. */
export interface OpenedQueue {
  readonly queue: Queue;
  readonly peers: PeersQueue | undefined;
}

/** Opens the way of requests to other sites, which every site with a queue has. */
export async function openPort(around: QueueSurroundings): Promise<TcpPeerPort> {
  const { config, storeId, clock, random, logger, address } = around;
  const { openPeerPort } = await import('../queue/peers/index.ts');
  const { site, secret, queues } = config;
  const url = queues.find(({ kind }) => kind === 'peers');
  const tls = url?.tls === undefined ? undefined : await readTls(url.tls);
  return openPeerPort({ site, storeId, secret, clock, random, logger, address, tls });
}

/** Opens the adapter of a URL. Errors: MqkvError of the adapter; a broker that is away is none. */
export async function openQueue(url: QueueUrl, around: QueueSurroundings): Promise<OpenedQueue> {
  if (url.kind === 'peers') return openPeers(url, around);
  const { config, clock, random, logger } = around;
  const common = { channel: config.site, clock, random, logger };
  if (url.kind === 'nats') {
    const { openNatsQueue } = await import('../queue/nats/index.ts');
    return { queue: await openNatsQueue({ url, ...common }), peers: undefined };
  }
  if (url.kind === 'redis-streams') {
    const { openRedisStreamsQueue } = await import('../queue/redis-streams/index.ts');
    return { queue: await openRedisStreamsQueue({ url, ...common }), peers: undefined };
  }
  if (url.kind === 'kafka') {
    const { openKafkaQueue } = await import('../queue/kafka/index.ts');
    return { queue: await openKafkaQueue({ url, ...common }), peers: undefined };
  }
  const { openNsqQueue } = await import('../queue/nsq/index.ts');
  return {
    queue: await openNsqQueue({ url, ...common }),
    peers: undefined,
  };
}

async function openPeers(url: PeersUrl, around: QueueSurroundings): Promise<OpenedQueue> {
  const { config, storeId, clock, random, logger, address } = around;
  const { openPeersQueue } = await import('../queue/peers/index.ts');
  const { site, secret } = config;
  const tls = url.tls === undefined ? undefined : await readTls(url.tls);
  const common = { site, storeId, secret, clock, random, logger, address, tls };
  const queue = openPeersQueue({ peers: url.peers, ...common });
  return { queue, peers: queue };
}
