// Opens the topology that a URL asks for.
import type { RedisUrl } from '../url-type.ts';
import { openCluster } from './cluster.ts';
import { openSentinel } from './sentinel.ts';
import { openStandalone } from './standalone.ts';
import type { Around, OpenTopology, Topology } from './topology.ts';

const KINDS: Readonly<Record<RedisUrl['mode'], OpenTopology>> = {
  standalone: openStandalone,
  sentinel: openSentinel,
  cluster: openCluster,
};

/**
 * Resolves when the masters are known and ready.
 * Errors: MqkvError EVICTION_POLICY, REDIS_VERSION, REDIS_AUTH, REDIS_DB, REDIS_MODE, REDIS_PERMISSION at once; UNAVAILABLE when
 * nothing is reachable within `openTimeoutMs`.
 */
export function openTopology(url: RedisUrl, around: Around): Promise<Topology> {
  return KINDS[url.mode](url, around);
}
