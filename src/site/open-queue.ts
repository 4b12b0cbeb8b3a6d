// From a parsed queue URL to its adapter; drivers are loaded only when they are configured.
import type { Clock, Logger, Random } from '../base/index.ts';
import type { PeersQueue } from '../queue/peers/index.ts';
import type { Queue } from '../queue/index.ts';
import type { Config } from './config.ts';
import type { QueueUrl } from './urls.ts';

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

/** Opens the adapter of a URL. Errors: MqkvError of the adapter. */
export async function openQueue(url: QueueUrl, around: QueueSurroundings): Promise<OpenedQueue> {
  const { config, clock, random, logger } = around;
  if (url.kind === 'peers') return openPeers(url.peers, around);
  const { openNsqQueue } = await import('../queue/nsq/index.ts');
  const { nsqd, lookupd, http, topic } = url;
  const queue = await openNsqQueue({
    nsqd,
    lookupd,
    http,
    topic,
    channel: config.site,
    clock,
    random,
    logger,
  });
  return { queue, peers: undefined };
}

async function openPeers(
  peers: readonly { readonly host: string; readonly port: number }[],
  around: QueueSurroundings,
): Promise<OpenedQueue> {
  const { config, storeId, clock, random, logger, address } = around;
  const { openPeersQueue } = await import('../queue/peers/index.ts');
  const queue = openPeersQueue({
    peers,
    site: config.site,
    storeId,
    secret: config.secret,
    clock,
    random,
    logger,
    address,
  });
  return { queue, peers: queue };
}
