// One step of SCAN over a whole store, stateless: all is in the cursor, an unsigned 64-bit decimal.
//
//   standalone  nodeCursor (56 bits), check (8 bits)
//   cluster     nodeCursor (30 bits), first (14 bits), last (14 bits), check (6 bits)
// `first` to `last` are the slots of one node being scanned, `check` is a hash of that node and its origin. 0 begins and ends.
//
// (1) A step scans the node that serves `first` and keeps the keys of `first` to `last`; when it is through, slot `last` + 1
//     is next. So whatever nodes come and go, each slot is scanned in one node from beginning to end, and the scan ends.
// (2) Slots that have left the node come off the end of the range and are scanned later; when `first` has gone, or the node
//     is another history (its cursors mean something else), that range begins again.
// (3) Keys of a slot that is just being moved lie in two nodes: when a range is through, those of the other node are added.
// A slot that leaves and comes back between two steps is not noticed.
import { assert, MqkvError, sleep } from '../../base/index.ts';
import { plainReply, type Reply } from '../../resp/index.ts';
import type { AllNodesAround, Scanned } from './all-nodes.ts';
import { slotOf } from './slots.ts';
import type { Node } from './topology/index.ts';
import { type KnownNode, parseClusterNodes } from './topology/slot-map.ts';

/** Keys, and where to go on. */
export interface ScanPage {
  readonly kind: 'page';
  /** Shape: an unsigned 64-bit decimal; '0': that was all. */
  readonly cursor: string;
  readonly keys: readonly Buffer[];
}

type Arguments = readonly (string | Uint8Array)[];

const LAST_SLOT = 16_383;
/** Units: ms, and attempts: together the 2 s that commands wait for a master. */
const RETRY_MS = 50;
const RETRIES_MAX = 40;

/** Whether clients may see the key. */
export function isShown(key: Uint8Array): boolean {
  const hidden = key[0] === 109 && key[1] === 113 && key[2] === 107 && key[3] === 118 && key[4] === 58;
  return !hidden;
}

/** A step on the only node. */
export async function stepSingle(
  around: AllNodesAround,
  cursor: bigint,
  options: Arguments,
): Promise<Scanned> {
  const { router, topology } = around;
  const check = checkOf(await topology.ready(0), 8);
  const from = Number(cursor & 0xffn) === check ? cursor >> 8n : 0n;
  const page = pageOf(await router.call(0, ['SCAN', String(from), ...options], { isRead: true }));
  if (page.kind === 'error') return page;
  const keys = page.keys.filter(isShown);
  const isSame = checkOf(await topology.ready(0), 8) === check;
  // Another history has come: whichever of the two has answered, everything begins again.
  if (!isSame) return { kind: 'page', cursor: String((1n << 8n) | BigInt((check + 1) & 0xff)), keys };
  return { kind: 'page', cursor: page.next === 0n ? '0' : String((page.next << 8n) | BigInt(check)), keys };
}

/** Slots of one node, being scanned. */
interface Range {
  readonly first: number;
  readonly last: number;
}

/** A step on a cluster. */
export async function stepCluster(
  around: AllNodesAround,
  cursor: bigint,
  options: Arguments,
): Promise<Scanned> {
  const { topology } = around;
  const at = decode(cursor);
  const keys: Buffer[] = [];
  for (let attempt = 0; attempt < RETRIES_MAX; attempt++) {
    const node = await topology.ready(at.first);
    const check = checkOf(node, 6);
    // Whether the node's cursor is one of this node's; otherwise the range begins here.
    const goesOn = attempt === 0 && at.nodeCursor !== 0n && at.check === check;
    const end = lastOf(around, node, at.first);
    const range = { first: at.first, last: goesOn ? Math.min(at.last, end) : end };
    const page = await scanRange(around, { range, from: goesOn ? at.nodeCursor : 0n, options });
    if (page.kind === 'error') return page;
    keys.push(...page.keys);
    if (topology.nodeOf(at.first) === node && checkOf(node, 6) === check) {
      if (page.next !== 0n)
        return { kind: 'page', cursor: encode({ ...range, check, nodeCursor: page.next }), keys };
      const last = await finish(around, { range, options, keys });
      if (last === LAST_SLOT) return { kind: 'page', cursor: '0', keys };
      if (last >= at.first) return { kind: 'page', cursor: encode({ ...BEGIN, first: last + 1 }), keys };
    }
    topology.refresh('a slot has moved');
    await sleep(around.clock, RETRY_MS);
  }
  throw new MqkvError('UNAVAILABLE', 'the slots of the cluster keep moving');
}

/** What a cursor of a cluster holds. */
interface ClusterCursor extends Range {
  readonly nodeCursor: bigint;
  readonly check: number;
}

const BEGIN: ClusterCursor = { first: 0, last: 0, nodeCursor: 0n, check: 0 };
const NODE_CURSOR_END = 1n << 30n;

function encode({ nodeCursor, first, last, check }: ClusterCursor): string {
  assert(nodeCursor < NODE_CURSOR_END, 'the cursor of a node fits');
  return String((nodeCursor << 34n) | (BigInt(first) << 20n) | (BigInt(last) << 6n) | BigInt(check));
}

function decode(cursor: bigint): ClusterCursor {
  const bits = (shift: bigint, mask: bigint): number => Number((cursor >> shift) & mask);
  const [first, last, check] = [bits(20n, 0x3fffn), bits(6n, 0x3fffn), bits(0n, 0x3fn)];
  return { nodeCursor: cursor >> 34n, first, last, check };
}

interface RangeScan {
  readonly range: Range;
  /** The node's cursor. */
  readonly from: bigint;
  readonly options: Arguments;
}

/** One SCAN, or as many as it takes until the node's cursor fits into one of ours (Redis 8 puts the slot into its own). */
async function scanRange(
  { router }: AllNodesAround,
  { range, from, options }: RangeScan,
): Promise<NodePage | ErrorReply> {
  const keys: Buffer[] = [];
  let next = from;
  do {
    const page = pageOf(await router.call(range.first, ['SCAN', String(next), ...options], { isRead: true }));
    if (page.kind === 'error') return page;
    keys.push(...page.keys.filter((key) => isShown(key) && isWithin(key, range)));
    next = page.next;
  } while (next >= NODE_CURSOR_END);
  return { kind: 'node', next, keys };
}

interface Finish {
  readonly range: Range;
  readonly options: Arguments;
  /** Gets the keys that lie in other nodes. */
  readonly keys: Buffer[];
}

/** Up to which slot the range was scanned completely, as the node itself says; below `first`: not even that one. */
async function finish(around: AllNodesAround, { range, options, keys }: Finish): Promise<number> {
  const text = String(
    plainReply(await around.router.call(range.first, ['CLUSTER', 'NODES'], { isRead: true })),
  );
  const nodes = parseClusterNodes(text);
  const own = nodes.find(({ flags }) => flags.includes('myself'));
  const lasts = own?.ranges.filter(([from, to]) => from <= range.first && range.first <= to) ?? [];
  const last = Math.min(range.last, lasts[0]?.[1] ?? -1);
  const moving = own?.migrating.filter(({ slot }) => slot >= range.first && slot <= last) ?? [];
  for (const id of new Set(moving.map(({ to }) => to))) {
    const target = nodes.find((node) => node.id === id);
    const slots = moving.filter(({ to }) => to === id).map(({ slot }) => slot);
    if (target !== undefined) keys.push(...(await keysAt(around, target, { slots, options })));
  }
  return last;
}

/** Keys of slots that a node is importing. */
async function keysAt(
  { topology }: AllNodesAround,
  { hosts, port }: KnownNode,
  { slots, options }: { slots: readonly number[]; options: Arguments },
): Promise<readonly Buffer[]> {
  const keys: Buffer[] = [];
  const node = topology.asking(slots[0], hosts[0] ?? '', port);
  if (node === undefined) throw new MqkvError('UNAVAILABLE', `no way to the node at port ${port}`);
  let next = 0n;
  do {
    const page = pageOf(await node.link(2).call(['SCAN', String(next), ...options, 'COUNT', '1000']));
    if (page.kind === 'error') throw new MqkvError('UNAVAILABLE', page.text);
    keys.push(...page.keys.filter((key) => isShown(key) && slots.includes(slotOf(key))));
    next = page.next;
  } while (next !== 0n);
  return keys;
}

function isWithin(key: Buffer, { first, last }: Range): boolean {
  const slot = slotOf(key);
  return slot >= first && slot <= last;
}

/** The last slot after `first` that the node serves without a gap. */
function lastOf({ topology }: AllNodesAround, node: Node, first: number): number {
  let last = first;
  while (last < LAST_SLOT && topology.nodeOf(last + 1) === node) last++;
  return last;
}

/** A hash of which history of which node this is. */
function checkOf(node: Node, bits: number): number {
  let hash = node.origin;
  for (const char of node.name) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) | 0;
  return Math.imul(hash, 0x9e3779b1) >>> (32 - bits);
}

type ErrorReply = { readonly kind: 'error'; readonly text: string };

/** One node's page: its own cursor. */
interface NodePage {
  readonly kind: 'node';
  readonly next: bigint;
  readonly keys: readonly Buffer[];
}

function pageOf(reply: Reply): NodePage | ErrorReply {
  if (reply.kind === 'error') return reply;
  assert(reply.kind === 'array' && reply.items[1].kind === 'array', 'SCAN answers a cursor and keys');
  const keys = reply.items[1].items.flatMap((item) => (item.kind === 'bulk' ? [item.bytes] : []));
  return { kind: 'node', next: BigInt(String(plainReply(reply.items[0]))), keys };
}
