// What INFO replication tells of a server: whether it is a master, and of which history.
import { REPLICAS_MAX } from '../../../base/index.ts';
import { plainReply, type Reply } from '../../../resp/index.ts';
import type { HostPort } from './slot-map.ts';

/** The part that the topology needs. */
export interface ReplicationInfo {
  readonly isMaster: boolean;
  /** The first 32 bits of master_replid. Range: 1 .. 2^32 - 2; 0 and ffffffff are taken as 1 and fffffffe. */
  readonly origin: number;
  /** A replica that follows its master. */
  readonly isInSync: boolean;
  /** A master's replicas that are online. */
  readonly replicas: readonly HostPort[];
}

/** Parses INFO replication. undefined: another reply, or one without a replication id. */
export function parseReplication(reply: Reply): ReplicationInfo | undefined {
  if (reply.kind === 'error') return undefined;
  const text = String(plainReply(reply));
  const field = (name: string): string => new RegExp(`^${name}:(\\S*)`, 'm').exec(text)?.[1] ?? '';
  const id = field('master_replid');
  if (!/^[0-9a-f]{40}$/.test(id)) return undefined;
  const origin = Math.min(0xfffffffe, Math.max(1, Number.parseInt(id.slice(0, 8), 16)));
  const isMaster = field('role') === 'master';
  const isInSync = !isMaster && field('master_link_status') === 'up';
  return { isMaster, origin, isInSync, replicas: replicasOf(text) };
}

/** Shape of a line: `slave0:ip=10.0.0.1,port=6379,state=online,offset=1,lag=0`. */
function replicasOf(text: string): readonly HostPort[] {
  const lines = text.matchAll(/^slave\d+:ip=([^,\s]+),port=(\d+),state=online\b/gm);
  return Array.from(lines, ([, host, port]) => ({ host, port: Number(port) })).slice(0, REPLICAS_MAX);
}
