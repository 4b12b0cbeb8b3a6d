// What a cluster tells of itself: which node serves which slots, and under which addresses its nodes are known.
//
// CLUSTER SLOTS = *( [ first, last, node, *replica ] )
// node          = [ endpoint / null / "" / "?", port, id, [ *( name, value ) ] ]      endpoint missing: where we asked; the list since 7.0
// CLUSTER NODES = *( line LF )
// line          = id SP address SP flags SP master SP ping SP pong SP epoch SP link *( SP ( slot / slot "-" slot / moving ) )
// address       = ip ":" port [ "@" busPort ] [ "," hostname ] *( "," name "=" value )
// moving        = "[" slot ( "->-" / "-<-" ) id "]"
import type { Reply } from '../../../resp/index.ts';

/** A node's TCP address. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** A node as CLUSTER SLOTS names it. */
export interface ClusterMember extends HostPort {
  /** 40 hex digits. */
  readonly id: string;
}

/** One master and what it serves. */
export interface Shard {
  readonly master: ClusterMember;
  readonly replicas: readonly ClusterMember[];
  /** Range: 0 .. 16383, both ends belong to it. */
  readonly ranges: readonly (readonly [first: number, last: number])[];
}

/** Parses CLUSTER SLOTS. `asked` is the node that answered: it stands for endpoints left empty. undefined: not such an answer. */
export function parseClusterSlots(reply: Reply, asked: HostPort): readonly Shard[] | undefined {
  if (reply.kind !== 'array') return undefined;
  const shards = new Map<
    string,
    { master: ClusterMember; replicas: ClusterMember[]; ranges: [number, number][] }
  >();
  for (const entry of reply.items) {
    if (entry.kind !== 'array') return undefined;
    const [first, last, ...nodes] = entry.items;
    const members = nodes.map((node) => memberOf(node, asked)).filter((member) => member !== undefined);
    const [master, ...replicas] = members;
    if (master === undefined || first?.kind !== 'integer' || last?.kind !== 'integer') continue;
    const shard = shards.get(master.id) ?? { master, replicas, ranges: [] };
    shard.ranges.push([Number(first.value), Number(last.value)]);
    shards.set(master.id, shard);
  }
  return [...shards.values()];
}

function memberOf(node: Reply, asked: HostPort): ClusterMember | undefined {
  if (node.kind !== 'array') return undefined;
  const [endpoint, port, id, more] = node.items;
  if (port?.kind !== 'integer' || id?.kind !== 'bulk') return undefined;
  const named = endpoint === undefined ? '' : textOf(endpoint);
  const host = isHost(named) ? named : (metadata(more).find(isHost) ?? asked.host);
  return { host, port: Number(port.value), id: id.bytes.toString('latin1') };
}

/** `?` stands for a host name that was preferred but not set. */
function isHost(text: string): boolean {
  return text !== '' && text !== '?';
}

function metadata(more: Reply | undefined): readonly string[] {
  if (more?.kind === 'map') return pick(more.entries.flat());
  return more?.kind === 'array' ? pick(more.items) : [];
}

/** The values of `ip`, then `hostname`. */
function pick(items: readonly Reply[]): readonly string[] {
  const texts = items.map(textOf);
  return ['ip', 'hostname'].flatMap((name) => texts.filter((_, i) => i % 2 === 1 && texts[i - 1] === name));
}

function textOf(reply: Reply): string {
  return reply.kind === 'bulk' ? reply.bytes.toString('latin1') : reply.kind === 'simple' ? reply.text : '';
}

/** A node's names, from CLUSTER NODES. */
export interface KnownNode {
  readonly id: string;
  readonly port: number;
  /** IP address and host name, those that it has. */
  readonly hosts: readonly string[];
  /** Shape: `master`, `slave`, `fail`, `handshake`, … */
  readonly flags: readonly string[];
  /** What it serves, as the node that was asked sees it. */
  readonly ranges: readonly (readonly [first: number, last: number])[];
  /** Slots being moved away, and the ids of their next nodes; told by a node of itself only. */
  readonly migrating: readonly { readonly slot: number; readonly to: string }[];
}

/** Parses CLUSTER NODES: masters without slots (which import their first) are only named there. */
export function parseClusterNodes(text: string): readonly KnownNode[] {
  const nodes: KnownNode[] = [];
  for (const line of text.split('\n')) {
    const [id, address, flags, , , , , , ...served] = line.split(' ');
    if (flags === undefined) continue;
    const [ipAndPorts, ...names] = address.split(',');
    const [ipAndPort] = ipAndPorts.split('@');
    const colon = ipAndPort.lastIndexOf(':');
    const hostname = names.find((name) => name !== '' && !name.includes('='));
    const hosts = [ipAndPort.slice(0, colon), hostname ?? ''].filter(isHost);
    const port = Number(ipAndPort.slice(colon + 1));
    nodes.push({ id, port, hosts, flags: flags.split(','), ...slotsOf(served) });
  }
  return nodes;
}

function slotsOf(served: readonly string[]): Pick<KnownNode, 'ranges' | 'migrating'> {
  const ranges: [number, number][] = [];
  const migrating: { slot: number; to: string }[] = [];
  for (const word of served) {
    const moved = /^\[(\d+)->-(\w+)\]$/.exec(word);
    if (moved !== null) migrating.push({ slot: Number(moved[1]), to: moved[2] });
    const range = /^(\d+)(?:-(\d+))?$/.exec(word);
    if (range !== null) ranges.push([Number(range[1]), Number(range[2] ?? range[1])]);
  }
  return { ranges, migrating };
}
