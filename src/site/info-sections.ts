// The site's part of INFO.
import type { InfoSection } from '../commands/index.ts';
import type { Replication } from '../replication/index.ts';
import type { SiteNumbers } from '../admin/index.ts';
import type { OpenedQueue } from './open-queue.ts';

/** The section `Mqkv`. */
export function infoSections(
  site: string,
  parts: {
    readonly queues: readonly OpenedQueue[];
    readonly replication: Replication | undefined;
    readonly numbers: SiteNumbers;
  },
): InfoSection[] {
  const { sender, receiver, membership } = parts.replication ?? {};
  const names = parts.queues.map(({ queue }) => queue.name);
  const peers = parts.queues.find((opened) => opened.peers !== undefined)?.peers;
  const linked = peers?.brokers().filter(({ connected }) => connected).length ?? 0;
  const fields: [string, string | number][] = [
    ['site', site],
    ['queue', names.length === 0 ? 'none' : names.join(',')],
    ['peers_linked', linked],
    ['sites_known', membership?.members().length ?? 0],
    ['outbox_empty', sender?.empty === false ? 0 : 1],
    ['envelopes_sent', sender?.stats().envelopes ?? 0],
    ['envelopes_received', receiver?.stats().envelopes ?? 0],
    ['quarantined', receiver?.stats().quarantined ?? 0],
    ...replicationFields(parts.replication),
  ];
  return [{ name: 'Mqkv', fields: [...fields, ...cacheFields(parts.numbers)] }];
}

function replicationFields(replication: Replication | undefined): [string, string | number][] {
  if (replication === undefined) return [];
  const { gaps, gapsLost, doubled, old } = replication.receiver.stats();
  const { resent, remarked, lost } = replication.sender.stats();
  const { bootstrap, repair, frozen } = replication;
  const still = `${frozen.in ? 'in' : ''}${frozen.out ? 'out' : ''}`;
  return [
    ['gaps', gaps],
    ['gaps_lost', gapsLost],
    ['doubled', doubled],
    ['old', old],
    ['resent', resent],
    ['remarked', remarked],
    ['unsendable', lost],
    ['complete', bootstrap.isComplete ? 1 : 0],
    ['loading', bootstrap.isLoading ? 1 : 0],
    ['repairs_pending', repair.pending],
    ['frozen', still === '' ? 'off' : still],
  ];
}

function cacheFields(numbers: SiteNumbers): [string, number][] {
  const { cacheHitsTotal: hits, cacheMissesTotal: misses = 0, cacheLoadsTotal: loads = 0 } = numbers;
  if (hits === undefined) return [];
  const { cacheEntries: entries = 0, cacheBytes: bytes = 0 } = numbers;
  return [
    ['cache_hits', hits],
    ['cache_misses', misses],
    ['cache_loads', loads],
    ['cache_entries', entries],
    ['cache_bytes', bytes],
  ];
}
