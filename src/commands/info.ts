// INFO: facts and numbers in Redis' sections and names, and a section of mqkv's own.
import type { Call, CommandHandler } from './call.ts';
import { REDIS_VERSION } from './connection.ts';
import { attached } from './pubsub.ts';
import type { InfoSection, Shared } from './shared.ts';

type Fields = (readonly [string, string | number])[];
type Section = (c: Call, shared: Shared) => Fields;

function server(c: Call, { options, startedAtMs, runId }: Shared): Fields {
  const now = c.ctx.clock.now();
  const uptime = Math.max(0, Math.floor((now - startedAtMs) / 1000));
  return [
    ['redis_version', REDIS_VERSION],
    ['redis_mode', 'standalone'],
    ['mqkv_version', options.version],
    ['os', `${process.platform} ${process.arch}`],
    ['arch_bits', 64],
    ['process_id', process.pid],
    ['run_id', runId],
    ['server_time_usec', now * 1000],
    ['uptime_in_seconds', uptime],
    ['uptime_in_days', Math.floor(uptime / 86_400)],
  ];
}

function clients(_c: Call, { sessions, settings, pubsub, gauges }: Shared): Fields {
  const subscribed = [...sessions.values()].filter((s) => pubsub.isSubscribed(s.connection)).length;
  return [
    ['connected_clients', sessions.size],
    ['maxclients', settings.get('maxclients') ?? ''],
    ['blocked_clients', gauges.blocked],
    ['tracking_clients', gauges.tracking],
    ['pubsub_clients', subscribed],
  ];
}

function human(bytes: number): string {
  const units = ['B', 'K', 'M', 'G', 'T'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes}B` : `${value.toFixed(2)}${units[unit]}`;
}

function memory(_c: Call, { options, settings }: Shared): Fields {
  const used = options.store.stats().memoryBytes;
  const { rss } = process.memoryUsage();
  return [
    ['used_memory', used],
    ['used_memory_human', human(used)],
    ['used_memory_rss', rss],
    ['used_memory_rss_human', human(rss)],
    ['maxmemory', settings.get('maxmemory') ?? '0'],
    ['maxmemory_policy', 'noeviction'],
  ];
}

function persistence(): Fields {
  return [
    ['loading', 0],
    ['rdb_bgsave_in_progress', 0],
    ['aof_enabled', 0],
  ];
}

function stats(_c: Call, { statistics, pubsub }: Shared): Fields {
  const totals = statistics.totals();
  return [
    ['total_connections_received', statistics.connectionsReceived],
    ['total_commands_processed', totals.commands],
    ['total_error_replies', statistics.errors],
    ['keyspace_hits', totals.hits],
    ['keyspace_misses', totals.misses],
    ['evicted_keys', 0],
    ['pubsub_channels', pubsub.names('channel').length],
    ['pubsub_patterns', pubsub.patterns],
    ['pubsubshard_channels', pubsub.names('shard').length],
  ];
}

function replication(_c: Call, { runId }: Shared): Fields {
  return [
    ['role', 'master'],
    ['connected_slaves', 0],
    ['master_replid', runId],
    ['master_repl_offset', 0],
  ];
}

function cpu(): Fields {
  const { user, system } = process.cpuUsage();
  return [
    ['used_cpu_sys', (system / 1e6).toFixed(6)],
    ['used_cpu_user', (user / 1e6).toFixed(6)],
  ];
}

function commandstats(_c: Call, { statistics }: Shared): Fields {
  return [...statistics.commands()].map(([name, n]) => {
    const perCall = n.calls === 0 ? 0 : n.microseconds / n.calls;
    return [
      `cmdstat_${name}`,
      `calls=${n.calls},usec=${n.microseconds},usec_per_call=${perCall.toFixed(2)},rejected_calls=${n.rejected},failed_calls=${n.failed}`,
    ];
  });
}

function keyspace(c: Call): Fields {
  const { size } = c.keyspace;
  return size === 0 ? [] : [['db0', `keys=${size},expires=0,avg_ttl=0`]];
}

function mqkv(_c: Call, { options }: Shared): Fields {
  const { store } = options;
  const stats = store.stats();
  const own: Fields = [
    ['mqkv_version', options.version],
    ['store', store.name],
    ['store_id', store.id],
    ['origin', store.origin],
    ['outbox_pending', store.outbox.pending],
    ['outbox_pending_bytes', store.outbox.pendingBytes],
    ['tombstones', stats.tombstones],
  ];
  for (const section of extra(options.info?.(), true)) own.push(...section.fields);
  return own;
}

function extra(sections: readonly InfoSection[] | undefined, isOwn: boolean): InfoSection[] {
  return (sections ?? []).filter((section) => (section.name.toLowerCase() === 'mqkv') === isOwn);
}

const SECTIONS: readonly (readonly [string, Section])[] = [
  ['Server', server],
  ['Clients', clients],
  ['Memory', memory],
  ['Persistence', persistence],
  ['Stats', stats],
  ['Replication', replication],
  ['CPU', cpu],
  ['Commandstats', commandstats],
  ['Cluster', () => [['cluster_enabled', 0]]],
  ['Keyspace', keyspace],
  ['Mqkv', mqkv],
];

function isWanted(name: string, asked: readonly string[]): boolean {
  if (asked.includes('all') || asked.includes('everything')) return true;
  const isDefault = asked.length === 0 || asked.includes('default');
  return (isDefault && name !== 'Commandstats') || asked.includes(name.toLowerCase());
}

/** Writes INFO. `elsewhere`: texts (lines that end in CRLF) in place of the sections of those names. */
export function writeInfo(c: Call, elsewhere: ReadonlyMap<string, string>): void {
  const on = attached(c);
  if (on === undefined) return;
  const asked = c.rest(1).map((name) => name.toLowerCase());
  const parts: string[] = [];
  const add = (name: string, fields: Fields): void => {
    parts.push([`# ${name}`, ...fields.map(([field, value]) => `${field}:${value}`), ''].join('\r\n'));
  };
  for (const [name, section] of SECTIONS) {
    const text = elsewhere.get(name);
    if (!isWanted(name, asked)) continue;
    if (text === undefined) add(name, section(c, on.shared));
    else parts.push(`# ${name}\r\n${text}`);
  }
  for (const { name, fields } of extra(on.shared.options.info?.(), false))
    if (isWanted(name, asked)) add(name, [...fields]);
  c.reply.verbatim('txt', Buffer.from(parts.join('\r\n')).toString('latin1'));
}

export const infoCommands: Readonly<Record<string, CommandHandler>> = {
  info: (c) => writeInfo(c, new Map()),
};
