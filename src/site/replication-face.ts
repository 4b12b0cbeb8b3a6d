// Replication as clients and the admin HTTP see it: facts by name.
import type { Facts, GatewayOptions, ReplicationFace } from '../commands/index.ts';
import type { Replication, SiteLag, SiteState } from '../replication/index.ts';

/** The hooks of a gateway about other sites. `replication`: undefined while there is none. */
export function replicationHooks(
  replication: () => Replication | undefined,
): Pick<GatewayOptions, 'wait' | 'replication'> {
  return {
    wait(connection, sites, timeoutMs) {
      const levels = replication()?.levels;
      if (levels === undefined) return 0;
      return timeoutMs === undefined ? levels.count() : levels.wait(sites, timeoutMs, connection.signal);
    },
    replication: () => faceOf(replication()),
  };
}

function faceOf(replication: Replication | undefined): ReplicationFace | undefined {
  if (replication === undefined) return undefined;
  return {
    accepted: (timeoutMs) => replication.levels.accepted(timeoutMs),
    freeze: (what) => replication.freeze(what),
    sites: () => replication.sites().map(siteFacts),
    lags: () => replication.lags().map(lagFacts),
  };
}

/** One site, for MQKV.SITES. */
export function siteFacts(state: SiteState): Facts {
  return {
    site: state.site,
    store: state.storeId,
    address: state.address,
    origins: state.origins,
    self: state.isSelf,
    started: state.startedAtMs,
    silent_ms: state.silentMs,
    skew_ms: state.skewMs,
    outbox_empty: state.outboxEmpty,
    complete: state.complete,
    loading: state.loading,
    lacking: state.lacking,
    streams: state.streams,
    applied: state.applied,
  };
}

/** One pair of sites, for MQKV.LAG. */
export function lagFacts({ from, to, ms, envelopes }: SiteLag): Facts {
  return { from, to, ms, envelopes };
}

/** All that `/api/v1/sites` tells. */
export function sitesJson(site: string, replication: Replication | undefined): unknown {
  const { frozen = { in: false, out: false } } = replication ?? {};
  return {
    site,
    sites: replication?.sites().map(siteFacts) ?? [],
    lags: replication?.lags().map(lagFacts) ?? [],
    frozen,
  };
}
