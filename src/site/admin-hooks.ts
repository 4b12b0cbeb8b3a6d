// A site's facts in the shape that the admin HTTP asks for.
import type { AdminHooks, ChannelNumbers, OtherSite, SiteNumbers } from '../admin/index.ts';
import type { Queue } from '../queue/index.ts';
import type { TcpPeerPort } from '../queue/peers/index.ts';
import type { Replication } from '../replication/index.ts';
import type { RespServer } from '../server/index.ts';
import type { OpenedQueue } from './open-queue.ts';
import type { OpenedStore } from './open-store.ts';
import { sitesJson } from './replication-face.ts';

/** The running parts of a site. */
export interface SiteParts {
  readonly site: string;
  readonly version: string;
  readonly opened: OpenedStore;
  readonly server: RespServer;
  /** Those that are published to first; none: one site alone. */
  readonly queues: readonly OpenedQueue[];
  readonly replication: Replication | undefined;
  /** The way of requests to other sites; none: one site alone. */
  readonly port: TcpPeerPort | undefined;
  /** Units: Unix ms. */
  readonly nowMs: () => number;
}

/** Facts of a running site. */
export function adminHooks(parts: SiteParts): AdminHooks {
  const brokers = (): ReturnType<Queue['brokers']> => parts.queues.flatMap(({ queue }) => queue.brokers());
  return {
    site: parts.site,
    version: parts.version,
    // A store that is away is no reason to restart the process: it recovers by itself. `ready` tells.
    health: () => undefined,
    ready: () => ({ problems: problemsOf(parts), brokers: brokers(), lagMs: lagOf(parts) }),
    channels: () => Promise.all(parts.queues.map(({ queue }) => channelOf(queue))),
    numbers: () => numbersOf(parts),
    brokers,
    facts: () => ({
      store: parts.opened.store.name,
      storeId: parts.opened.store.id,
      origin: parts.opened.store.origin,
      ...parts.opened.facts(),
    }),
    sites: () => sitesJson(parts.site, parts.replication),
    others: () => othersOf(parts),
  };
}

function problemsOf({ replication, site, opened }: SiteParts): string[] {
  const isDuplicate = replication?.membership.duplicate === true;
  const duplicate = isDuplicate ? [`another site is named '${site}' and was started earlier`] : [];
  const isLoading = replication?.bootstrap.isLoading === true;
  const loading = isLoading ? ['the data of another site is being copied'] : [];
  return [...opened.problems(), ...duplicate, ...loading];
}

/** The slowest site heard lately; null: alone. */
function lagOf({ replication, site }: SiteParts): number | null {
  const lags = replication?.lags().filter(({ to }) => to === site) ?? [];
  const known = lags.flatMap(({ ms }) => (ms === null ? [] : [ms]));
  return known.length === 0 ? null : Math.max(...known);
}

function othersOf({ replication, site }: SiteParts): OtherSite[] {
  const lags = replication?.lags().filter(({ to }) => to === site) ?? [];
  const states = new Map(replication?.sites().map((state) => [state.site, state]));
  return lags.map(({ from, ms: lagMs, envelopes: lagEnvelopes }) => {
    const skewMs = states.get(from)?.skewMs ?? null;
    return { site: from, lagMs, lagEnvelopes, skewMs };
  });
}

async function channelOf(queue: Queue): Promise<ChannelNumbers> {
  return { queue: queue.name, ...(await queue.stats()) };
}

function numbersOf(parts: SiteParts): SiteNumbers {
  const { opened, server, replication } = parts;
  const { store } = opened;
  const { keys, tombstones, memoryBytes: storeBytes } = store.stats();
  const { connectionsReceived: clientsTotal, commands: commandsTotal } = server.stats;
  const numbers = {
    clients: server.connections.size,
    clientsTotal,
    commandsTotal,
    keys,
    tombstones,
    storeBytes,
    ...opened.numbers(),
  };
  if (replication === undefined) return numbers;
  const sent = replication.sender.stats();
  const received = replication.receiver.stats();
  return {
    ...numbers,
    ...repairNumbers(parts, replication),
    outboxPending: store.outbox.pending,
    outboxBytes: store.outbox.pendingBytes + sent.inFlightBytes,
    envelopesSentTotal: sent.envelopes,
    bytesSentTotal: sent.bytes,
    publishFailuresTotal: sent.failures,
    publishesInFlight: sent.inFlight,
    envelopesReceivedTotal: received.envelopes,
    envelopesOwnTotal: received.own,
    envelopesRecalledTotal: received.recalled,
    quarantinedTotal: received.quarantined,
    fragmentsDroppedTotal: received.fragmentsDropped,
    gapsTotal: received.gaps,
    gapsLostTotal: received.gapsLost,
    mergeConflictsTotal: received.conflicts,
    lagMs: received.lagMs,
    sites: replication.membership.members().length + 1,
    doubledTotal: received.doubled,
    oldTotal: received.old,
    resentTotal: sent.resent,
    remarkedTotal: sent.remarked,
    unsendableTotal: sent.lost,
    streams: received.streams,
    stableAgeSeconds: store.stableBeforeMs === 0 ? null : (parts.nowMs() - store.stableBeforeMs) / 1000,
  };
}

function repairNumbers({ port }: SiteParts, { repair }: Replication): SiteNumbers {
  const stats = repair.stats?.();
  const wire = port?.stats();
  return {
    repairRoundsTotal: stats?.rounds ?? 0,
    repairFailuresTotal: stats?.failures ?? 0,
    repairKeysPulledTotal: stats?.keysPulled ?? 0,
    repairKeysPushedTotal: stats?.keysPushed ?? 0,
    repairBytesSentTotal: stats?.bytesSent ?? 0,
    repairBytesReceivedTotal: stats?.bytesReceived ?? 0,
    bootstrapBytesSentTotal: stats?.bootstrapBytesSent ?? 0,
    bootstrapBytesReceivedTotal: stats?.bootstrapBytesReceived ?? 0,
    peerBytesSentTotal: wire?.bytesSent ?? 0,
    peerBytesReceivedTotal: wire?.bytesReceived ?? 0,
    repairPending: repair.pending,
  };
}
