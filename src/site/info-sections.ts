// The site's part of INFO.
import type { InfoSection } from '../commands/index.ts';
import type { Replication } from '../replication/index.ts';
import type { OpenedQueue } from './open-queue.ts';

/** The section `Mqkv`. */
export function infoSections(
  site: string,
  parts: { readonly queues: readonly OpenedQueue[]; readonly replication: Replication | undefined },
): InfoSection[] {
  const [first] = parts.queues;
  const { sender, receiver, membership } = parts.replication ?? {};
  const linked = first?.peers?.brokers().filter(({ connected }) => connected).length ?? 0;
  const fields: [string, string | number][] = [
    ['site', site],
    ['queue', first?.queue.name ?? 'none'],
    ['peers_linked', linked],
    ['sites_known', membership?.members().length ?? 0],
    ['outbox_empty', sender?.empty === false ? 0 : 1],
    ['envelopes_sent', sender?.stats().envelopes ?? 0],
    ['envelopes_received', receiver?.stats().envelopes ?? 0],
    ['quarantined', receiver?.stats().quarantined ?? 0],
  ];
  return [{ name: 'Mqkv', fields }];
}
