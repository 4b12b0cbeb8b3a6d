// /metrics: the site's plain counters in Prometheus' text form. Nothing is counted here: collect() reads the fields.
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { AdminHooks, OtherSite, SiteNumbers } from './hooks.ts';

interface Row {
  readonly name: string;
  readonly field: keyof SiteNumbers;
  readonly help: string;
  /** What one unit of the field is in the metric's unit. */
  readonly scale?: number;
}

/** Every metric of a site. Names ending in `_total` are counters, the others gauges. */
export const METRICS: readonly Row[] = [
  { name: 'mqkv_clients', field: 'clients', help: 'Connected clients.' },
  { name: 'mqkv_clients_total', field: 'clientsTotal', help: 'Clients accepted since the start.' },
  { name: 'mqkv_commands_total', field: 'commandsTotal', help: 'Commands executed.' },
  { name: 'mqkv_keys', field: 'keys', help: 'Keys that show something.' },
  { name: 'mqkv_tombstones', field: 'tombstones', help: 'Headers of removed or expired keys still held.' },
  { name: 'mqkv_store_bytes', field: 'storeBytes', help: 'Memory held for data and index.' },
  { name: 'mqkv_outbox_pending', field: 'outboxPending', help: 'Registers that wait to be sent.' },
  { name: 'mqkv_outbox_bytes', field: 'outboxBytes', help: 'Memory of what waits to be sent.' },
  {
    name: 'mqkv_envelopes_sent_total',
    field: 'envelopesSentTotal',
    help: 'Envelopes accepted by the queue.',
  },
  { name: 'mqkv_sent_bytes_total', field: 'bytesSentTotal', help: 'Bytes of the envelopes sent.' },
  {
    name: 'mqkv_publish_failures_total',
    field: 'publishFailuresTotal',
    help: 'Attempts to publish that failed and were repeated.',
  },
  {
    name: 'mqkv_publishes_in_flight',
    field: 'publishesInFlight',
    help: 'Envelopes handed to the queue and not yet accepted.',
  },
  {
    name: 'mqkv_envelopes_received_total',
    field: 'envelopesReceivedTotal',
    help: 'Envelopes received, own ones included.',
  },
  {
    name: 'mqkv_envelopes_own_total',
    field: 'envelopesOwnTotal',
    help: 'Own envelopes that came back and were skipped.',
  },
  {
    name: 'mqkv_envelopes_recalled_total',
    field: 'envelopesRecalledTotal',
    help: 'Envelopes that the queue still kept, merged because no site had data.',
  },
  {
    name: 'mqkv_quarantined_total',
    field: 'quarantinedTotal',
    help: 'Messages that could not be understood.',
  },
  {
    name: 'mqkv_fragments_dropped_total',
    field: 'fragmentsDroppedTotal',
    help: 'Fragments given up because others never came.',
  },
  {
    name: 'mqkv_gaps_total',
    field: 'gapsTotal',
    help: 'Messages missing 5 s after a later one, and asked for again.',
  },
  {
    name: 'mqkv_gaps_lost_total',
    field: 'gapsLostTotal',
    help: 'Messages that nobody could send again; left to repair.',
  },
  {
    name: 'mqkv_repair_rounds_total',
    field: 'repairRoundsTotal',
    help: 'Comparisons with other sites that this one asked for.',
  },
  {
    name: 'mqkv_repair_failures_total',
    field: 'repairFailuresTotal',
    help: 'Comparisons broken off.',
  },
  {
    name: 'mqkv_repair_keys_pulled_total',
    field: 'repairKeysPulledTotal',
    help: 'Keys taken from other sites by comparisons.',
  },
  {
    name: 'mqkv_repair_keys_pushed_total',
    field: 'repairKeysPushedTotal',
    help: 'Keys given to other sites by comparisons.',
  },
  {
    name: 'mqkv_repair_bytes_sent_total',
    field: 'repairBytesSentTotal',
    help: 'Bytes sent for comparisons, asked and answered.',
  },
  {
    name: 'mqkv_repair_bytes_received_total',
    field: 'repairBytesReceivedTotal',
    help: 'Bytes received for comparisons, asked and answered.',
  },
  {
    name: 'mqkv_bootstrap_bytes_sent_total',
    field: 'bootstrapBytesSentTotal',
    help: 'Bytes sent for first copies.',
  },
  {
    name: 'mqkv_bootstrap_bytes_received_total',
    field: 'bootstrapBytesReceivedTotal',
    help: 'Bytes received for first copies.',
  },
  {
    name: 'mqkv_peer_bytes_sent_total',
    field: 'peerBytesSentTotal',
    help: 'Bytes sent on connections to other sites beside the queue.',
  },
  {
    name: 'mqkv_peer_bytes_received_total',
    field: 'peerBytesReceivedTotal',
    help: 'Bytes received on connections to other sites beside the queue.',
  },
  {
    name: 'mqkv_repair_pending',
    field: 'repairPending',
    help: 'Comparisons wanted because something is known to be missing.',
  },
  {
    name: 'mqkv_merge_conflicts_total',
    field: 'mergeConflictsTotal',
    help: 'Equal versions with different content.',
  },
  {
    name: 'mqkv_lag_seconds',
    field: 'lagMs',
    scale: 0.001,
    help: 'Age of the last envelope of another site when it was merged.',
  },
  { name: 'mqkv_redis_masters', field: 'redisMasters', help: "Masters of the site's Redis in use." },
  { name: 'mqkv_cache_hits_total', field: 'cacheHitsTotal', help: 'GETs answered by the near cache.' },
  { name: 'mqkv_cache_misses_total', field: 'cacheMissesTotal', help: 'GETs that it had nothing for.' },
  { name: 'mqkv_cache_loads_total', field: 'cacheLoadsTotal', help: 'Values that it read from Redis.' },
  {
    name: 'mqkv_cache_invalidations_total',
    field: 'cacheInvalidationsTotal',
    help: 'Changes that Redis told it of.',
  },
  { name: 'mqkv_cache_entries', field: 'cacheEntries', help: 'Values that it holds.' },
  { name: 'mqkv_cache_bytes', field: 'cacheBytes', help: 'Memory of these values.' },
  {
    name: 'mqkv_redis_scripts_total',
    field: 'redisScriptsTotal',
    help: 'Script calls to the Redis of the site.',
  },
  {
    name: 'mqkv_redis_refusals_total',
    field: 'redisRefusalsTotal',
    help: 'Commands that a Redis node refused (MOVED, ASK, READONLY and the like) and that were sent again.',
  },
  {
    name: 'mqkv_merge_retries_total',
    field: 'mergeRetriesTotal',
    help: 'Merges decided anew because a key was written meanwhile.',
  },
  {
    name: 'mqkv_merge_refused_total',
    field: 'mergeRefusedTotal',
    help: 'Changes of other sites that the Redis of this site can never take; MQKV.VERIFY names the keys.',
  },
  {
    name: 'mqkv_walker_rounds_total',
    field: 'walkerRoundsTotal',
    help: 'Rounds over all slots that this gateway has walked.',
  },
  {
    name: 'mqkv_walker_resent_total',
    field: 'walkerResentTotal',
    help: 'Marks left behind that the walker sent.',
  },
  { name: 'mqkv_walker_freed_total', field: 'walkerFreedTotal', help: 'Keys that the walker freed.' },
  {
    name: 'mqkv_walker_forgotten_total',
    field: 'walkerForgottenTotal',
    help: 'Tombstones that the walker forgot.',
  },
  {
    name: 'mqkv_envelopes_doubled_total',
    field: 'doubledTotal',
    help: 'Envelopes dropped because they were applied before.',
  },
  {
    name: 'mqkv_envelopes_old_total',
    field: 'oldTotal',
    help: 'Envelopes dropped because they were older than half the horizon.',
  },
  { name: 'mqkv_resent_total', field: 'resentTotal', help: 'Envelopes sent again that a site missed.' },
  {
    name: 'mqkv_remarked_total',
    field: 'remarkedTotal',
    help: 'Envelopes that a site missed and whose keys were marked again.',
  },
  {
    name: 'mqkv_unsendable_total',
    field: 'unsendableTotal',
    help: 'Envelopes that a site missed and that are left to a comparison.',
  },
  { name: 'mqkv_streams', field: 'streams', help: 'Sending processes of other sites that are remembered.' },
  {
    name: 'mqkv_stable_age_seconds',
    field: 'stableAgeSeconds',
    help: 'Age of the newest moment whose writes are known to be applied at every site.',
  },
  { name: 'mqkv_sites', field: 'sites', help: 'Sites heard of, this one included.' },
];

/** A registry of its own (several sites may live in one process). Owns: the caller; `clear()` it at the end. */
export function openRegistry(hooks: AdminHooks): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ site: hooks.site });
  collectDefaultMetrics({ register: registry });
  for (const row of METRICS) addRow(registry, hooks, row);
  addBrokers(registry, hooks);
  for (const row of OTHERS) addOthers(registry, hooks, row);
  const build = new Gauge({
    name: 'mqkv_build_info',
    help: 'Always 1.',
    labelNames: ['version'],
    registers: [registry],
  });
  build.set({ version: hooks.version }, 1);
  return registry;
}

function addRow(registry: Registry, hooks: AdminHooks, row: Row): void {
  const read = (): number | undefined => {
    const value = hooks.numbers()[row.field];
    return value === null || value === undefined ? undefined : value * (row.scale ?? 1);
  };
  const common = { name: row.name, help: row.help, registers: [registry] };
  if (row.name.endsWith('_total')) {
    new Counter({
      ...common,
      collect() {
        this.reset();
        this.inc(read() ?? 0);
      },
    });
    return;
  }
  new Gauge({
    ...common,
    collect() {
      this.set(read() ?? Number.NaN);
    },
  });
}

function addBrokers(registry: Registry, hooks: AdminHooks): void {
  new Gauge({
    name: 'mqkv_broker_connected',
    help: 'Whether the broker or peer answers.',
    labelNames: ['broker'],
    registers: [registry],
    collect() {
      this.reset();
      for (const broker of hooks.brokers()) this.set({ broker: broker.address }, broker.connected ? 1 : 0);
    },
  });
}

interface OtherRow {
  readonly name: string;
  readonly help: string;
  readonly read: (other: OtherSite) => number | null;
}

/** What is told of each other site, in a label. */
const OTHERS: readonly OtherRow[] = [
  {
    name: 'mqkv_site_lag_seconds',
    help: 'How far this site is behind another.',
    read: ({ lagMs }) => (lagMs === null ? null : lagMs / 1000),
  },
  {
    name: 'mqkv_site_lag_envelopes',
    help: 'Envelopes of another site that are not applied here.',
    read: ({ lagEnvelopes }) => lagEnvelopes,
  },
  {
    name: 'mqkv_site_skew_seconds',
    help: "How far another site's clock is ahead of this one's.",
    read: ({ skewMs }) => (skewMs === null ? null : skewMs / 1000),
  },
];

function addOthers(registry: Registry, hooks: AdminHooks, { name, help, read }: OtherRow): void {
  new Gauge({
    name,
    help,
    labelNames: ['other'],
    registers: [registry],
    collect() {
      this.reset();
      for (const other of hooks.others()) {
        const value = read(other);
        if (value !== null) this.set({ other: other.site }, value);
      }
    },
  });
}
