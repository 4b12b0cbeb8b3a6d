// A site's facts in the shape that the admin HTTP asks for.
import type { AdminHooks, ChannelNumbers, SiteNumbers } from '../admin/index.ts';
import type { Queue } from '../queue/index.ts';
import type { Replication } from '../replication/index.ts';
import type { RespServer } from '../server/index.ts';
import type { Store } from '../store/index.ts';

/** The running parts of a site. */
export interface SiteParts {
  readonly site: string;
  readonly version: string;
  readonly store: Store;
  readonly server: RespServer;
  /** The queue that is published to first; none: one site alone. */
  readonly queues: readonly Queue[];
  readonly replication: Replication | undefined;
}

/** Facts of a running site. */
export function adminHooks(parts: SiteParts): AdminHooks {
  const brokers = (): ReturnType<Queue['brokers']> => parts.queues.flatMap((queue) => queue.brokers());
  return {
    site: parts.site,
    version: parts.version,
    health: () => undefined,
    ready: () => ({ problems: problemsOf(parts), brokers: brokers(), lagMs: lagOf(parts) }),
    channels: () => Promise.all(parts.queues.map(channelOf)),
    numbers: () => numbersOf(parts),
    brokers,
    facts: () => ({
      storeId: parts.store.id,
      origin: parts.store.origin,
      sites: parts.replication?.membership.members() ?? [],
    }),
  };
}

function problemsOf({ replication, site }: SiteParts): string[] {
  return replication?.membership.duplicate === true
    ? [`another site is named '${site}' and was started earlier`]
    : [];
}

/** The slowest site heard lately; null: alone. */
function lagOf({ replication }: SiteParts): number | null {
  const members = replication?.membership.members() ?? [];
  return members.length === 0 ? null : Math.max(...members.map(({ lagMs }) => lagMs));
}

async function channelOf(queue: Queue): Promise<ChannelNumbers> {
  return { queue: queue.name, ...(await queue.stats()) };
}

function numbersOf(parts: SiteParts): SiteNumbers {
  const { store, server, replication } = parts;
  const { keys, tombstones, memoryBytes: storeBytes } = store.stats();
  const { connectionsReceived: clientsTotal, commands: commandsTotal } = server.stats;
  const numbers = {
    clients: server.connections.size,
    clientsTotal,
    commandsTotal,
    keys,
    tombstones,
    storeBytes,
  };
  if (replication === undefined) return numbers;
  const sent = replication.sender.stats();
  const received = replication.receiver.stats();
  return {
    ...numbers,
    outboxPending: store.outbox.pending,
    outboxBytes: store.outbox.pendingBytes + sent.inFlightBytes,
    envelopesSentTotal: sent.envelopes,
    bytesSentTotal: sent.bytes,
    publishFailuresTotal: sent.failures,
    publishesInFlight: sent.inFlight,
    envelopesReceivedTotal: received.envelopes,
    envelopesOwnTotal: received.own,
    quarantinedTotal: received.quarantined,
    fragmentsDroppedTotal: received.fragmentsDropped,
    mergeConflictsTotal: received.conflicts,
    lagMs: received.lagMs,
    sites: replication.membership.members().length,
  };
}
