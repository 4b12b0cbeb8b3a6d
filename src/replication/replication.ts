// One site's replication: sender, receiver, heartbeats and what is known from them over one queue; repair and bootstrap beside them.
import {
  type Clock,
  CONSUMER_IN_FLIGHT_MAX,
  HORIZON_MS,
  type Latin1,
  type Logger,
  messageOf,
  type Random,
} from '../base/index.ts';
import type { Queue } from '../queue/index.ts';
import type { Store } from '../store/index.ts';
import { Core, type Freeze } from './core.ts';
import type { Levels } from './levels.ts';
import type { Membership } from './membership.ts';
import type { PeerPort } from './peer-port.ts';
import type { Receiver } from './receiver.ts';
import { peerRepair } from './repair/index.ts';
import type { Bootstrap, Repair, RepairOpeners } from './repair-hooks.ts';
import type { Sender } from './sender.ts';
import type { SiteLag, SiteState } from './site-view.ts';

export interface ReplicationOptions {
  readonly site: string;
  readonly store: Store;
  readonly queue: Queue;
  /** Further queues that are only consumed (`--subscribe`). */
  readonly subscribed?: readonly Queue[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Where peers may reach this site; empty: not known. */
  readonly address: () => string;
  /** A PUBLISH that came from another site. */
  readonly onPublish: (channel: Latin1, message: Latin1) => void;
  /** The way to other sites beside the queue. */
  readonly port?: PeerPort | undefined;
  /** Units: ms. Default: HORIZON_MS. */
  readonly horizonMs?: number | undefined;
  /** Data commands are answered while the first copy is made. Default: false. */
  readonly serveWhileLoading?: boolean | undefined;
  /** Repair and bootstrap; tests of the core alone give others. */
  readonly openers?: RepairOpeners | undefined;
}

/** What `openReplication` gives. */
export interface Replication {
  readonly sender: Sender;
  readonly receiver: Receiver;
  readonly membership: Membership;
  readonly repair: Repair;
  readonly bootstrap: Bootstrap;
  /** WAIT and MQKV.ACK. */
  readonly levels: Levels;
  /** What of the site's replication stands still (MQKV.FREEZE). */
  readonly frozen: { readonly in: boolean; readonly out: boolean };
  /** MQKV.FREEZE, at all gateways of the site. */
  freeze(what: Freeze): void;
  /** This site and the others. */
  sites(): SiteState[];
  /** How far each site is behind each other. */
  lags(): SiteLag[];
  /** Publishes what is pending for at most `timeoutMs`, then stops. Result: whether all of it was accepted. Does not close the queue. */
  close(timeoutMs: number): Promise<boolean>;
}

/** Starts replication; the subscription exists or is being tried when this resolves. Errors: those of reading the store's notes. */
export async function openReplication(options: ReplicationOptions): Promise<Replication> {
  const { site, store, queue, clock, random, logger, port, serveWhileLoading = false } = options;
  const horizonMs = options.horizonMs ?? HORIZON_MS;
  const core = new Core({ ...options, horizonMs });
  await core.read();
  const { sender, receiver, membership, levels } = core;
  const beat = (): void => core.beats.soon();
  const sources = [queue, ...(options.subscribed ?? [])];
  const context = {
    site,
    store,
    clock,
    random,
    logger,
    port,
    sender,
    receiver,
    membership,
    horizonMs,
    serveWhileLoading,
    hasQueue: true,
    recall: recallOf(sources, () => clock.now() - horizonMs / 2),
    ownSequences: () => core.ownSequences(),
    beat,
  };
  const openers = options.openers ?? peerRepair;
  const repair = openers.openRepair(context);
  core.repair = repair;
  for (const source of sources)
    await source.subscribe((message) => void receiver.receive(message), {
      maxInFlight: CONSUMER_IN_FLIGHT_MAX,
    });
  const bootstrap = openers.openBootstrap(context, repair);
  core.bootstrap = bootstrap;
  core.start();
  return {
    sender,
    receiver,
    membership,
    repair,
    bootstrap,
    levels,
    get frozen() {
      return { in: receiver.isFrozen, out: sender.isFrozen };
    },
    freeze: (what) => core.freeze(what, true),
    sites: () => core.sites(),
    lags: () => core.lags(),
    async close(timeoutMs) {
      core.stop();
      await Promise.all([repair.close(), bootstrap.close()]).catch((error: unknown) =>
        logger.warn({ error: messageOf(error) }, 'repair did not end in order'),
      );
      return core.close(timeoutMs);
    },
  };
}

/** Older messages are not merged any more (R5 of receiver.ts). */
function recallOf(sources: readonly Queue[], sinceMs: () => number): (() => Promise<void>) | undefined {
  const kept = sources.filter(({ capabilities }) => capabilities.replayable);
  if (kept.length === 0) return undefined;
  return async () => {
    for (const source of kept) await source.replay?.(sinceMs());
  };
}
