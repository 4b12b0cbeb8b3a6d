// Whole states as deltas: page by page over all keys, or of keys by name.
//
//   cursor = "" | slot "." place "." origin "." from "." after
//     slot    decimal
//     place   0: the slot's hash, 1: the large one
//     origin  8 hex: of the node by then. `from` is of its memory: at another one the place begins anew.
//     from    decimal: where its HSCAN goes on
//     after   8 hex: of a place that is read in one step, keys up to this hash were told; or nothing
//
// Invariants
// P1 Keys that are held all the time come at least once. A step of HSCAN is told as a whole or, where it is all of the place, in the
//    order of the keys' hashes: in whatever form the place lies next time, what was told before is what the cursor says.
// P2 Every call goes on, by one key at least or by some empty slots.
import { bytesOf, type Latin1, latin1Of, MqkvError, SLOTS } from '../../base/index.ts';
import { DeltaWriter, encodeDelta, keyHash, type KeyState } from '../../crdt/index.ts';
import type { Page } from '../store.ts';
import {
  type Place,
  placesOf,
  readStates,
  type ScanAround,
  type ScannedPlace,
  scanPlaces,
} from './key-scan.ts';
import { slotOf } from './slots.ts';

/** Bounds of one look for names. */
const BOUNDS = { count: '16', keysMax: 256, bytesMax: 0 } as const;
/** Slots that are looked at one time: on one node in one call, on a cluster in one call each. */
const SLOTS_AT_ONCE = 256;
const CLUSTER_SLOTS_AT_ONCE = 32;
/** Looks of a page that found nothing: then it is empty. */
const EMPTY_LOOKS_MAX = 16;
/** Keys of one reading. */
const READ_KEYS_MAX = 64;

/** What pages are made with. */
export interface PagingAround extends ScanAround {
  /** Of the node of a slot. */
  readonly origin: (slot: number) => number;
}

/** Where a page begins. */
interface At extends Place {
  /** Only keys with a greater hash; -1: all. Range: -1 .. 2^32 - 1. */
  readonly after: number;
}

/** A key that a step of HSCAN told. */
interface Name {
  readonly key: Latin1;
  readonly slot: number;
  /** Range: uint32. */
  readonly hash: number;
  /** Where to go on behind it; undefined: not between this and the next. */
  readonly behind: At | undefined;
}

const BEGIN: At = { slot: 0, place: '', cursor: '0', after: -1 };

/** A page from a cursor on. Errors: MqkvError `BAD_CURSOR`, those of the access. */
export async function pageOf(around: PagingAround, cursor: string, maxBytes: number): Promise<Page> {
  const writer = new DeltaWriter();
  let at: At | undefined = cursor === '' ? BEGIN : parse(around, cursor);
  for (let looks = 0; at !== undefined && writer.length < maxBytes && looks < EMPTY_LOOKS_MAX; looks++) {
    const { names, next } = await look(around, at);
    const told = await tell(around, { names, maxBytes }, writer);
    at = told ?? next;
  }
  const next = at === undefined ? undefined : format(around, at);
  return { deltas: Buffer.from(writer.bytes()), next };
}

/** The whole states of keys, in their order, until about `maxBytes`. Errors: those of the access. */
export async function statesOf(
  around: ScanAround,
  keys: readonly Latin1[],
  maxBytes: number,
): Promise<{ deltas: Buffer; count: number }> {
  const writer = new DeltaWriter();
  let count = 0;
  while (count < keys.length && (count === 0 || writer.length < maxBytes)) {
    const part = keys.slice(count, count + READ_KEYS_MAX);
    const states = await readInOrder(around, part, maxBytes - writer.length);
    for (const [i, state] of states.entries()) {
      if (count > 0 && writer.length >= maxBytes) break;
      count++;
      if (state !== undefined) encodeDelta(writer, bytesOf(part[i]), state, 'whole');
    }
  }
  return { deltas: Buffer.from(writer.bytes()), count };
}

/** Names from a place on, as many as one look finds. */
async function look(
  around: PagingAround,
  at: At,
): Promise<{ readonly names: readonly Name[]; readonly next: At | undefined }> {
  const names: Name[] = [];
  const first: readonly Place[] = at.place === '' ? [at, { ...at, place: '.', cursor: '0' }] : [at];
  let after = at.after;
  let next: At | undefined = at;
  for (const one of await scanFrom(around, first)) {
    next = behind(one);
    names.push(...namesOf(one, { after, next }));
    after = -1;
  }
  return { names, next };
}

/** What comes after a place. */
function behind({ place: { slot, place }, next }: ScannedPlace): At | undefined {
  if (next !== '0') return { slot, place, cursor: next, after: -1 };
  if (place === '') return { slot, place: '.', cursor: '0', after: -1 };
  return slot + 1 < SLOTS ? { ...BEGIN, slot: slot + 1 } : undefined;
}

/** Places one after the other, up to one that is not finished. */
async function scanFrom(around: PagingAround, first: readonly Place[]): Promise<readonly ScannedPlace[]> {
  const from = first[0].slot;
  const { isCluster } = around.access;
  const slots = Array.from(
    { length: Math.min(SLOTS - from, isCluster ? CLUSTER_SLOTS_AT_ONCE : SLOTS_AT_ONCE) },
    (_, i) => (i === 0 ? first : placesOf(from + i)),
  );
  if (!isCluster) return scanPlaces(around, slots.flat(), BOUNDS);
  const found = await Promise.all(slots.map((places) => scanPlaces(around, places, BOUNDS)));
  const inOrder: ScannedPlace[] = [];
  for (const [i, scanned] of found.entries()) {
    inOrder.push(...scanned);
    if (scanned.length < slots[i].length || scanned[scanned.length - 1].next !== '0') break;
  }
  return inOrder;
}

/** P1. `next`: behind all of them. */
function namesOf(
  { place: { slot, place, cursor }, next: end, items }: ScannedPlace,
  { after, next }: { readonly after: number; readonly next: At | undefined },
): readonly Name[] {
  const isAll = cursor === '0' && end === '0';
  const found: { key: Latin1; hash: number }[] = [];
  for (let i = 1; i < items.length; i += 3) {
    const key = items[i];
    if (key.kind !== 'bulk') continue;
    const hash = keyHash(key.bytes, 0, key.bytes.length) >>> 0;
    if (!isAll || hash > after) found.push({ key: latin1Of(key.bytes), hash });
  }
  if (isAll) found.sort((a, b) => a.hash - b.hash);
  return found.map(({ key, hash }, i) => {
    const isLast = i === found.length - 1;
    const canEnd = isAll && found[i + 1]?.hash !== hash;
    const here: At = { slot, place, cursor, after: hash };
    return { key, slot, hash, behind: isLast ? next : canEnd ? here : undefined };
  });
}

/** Result: where it ended before all were told; undefined: all were. */
async function tell(
  around: ScanAround,
  { names, maxBytes }: { readonly names: readonly Name[]; readonly maxBytes: number },
  writer: DeltaWriter,
): Promise<At | undefined> {
  for (let from = 0; from < names.length; ) {
    const part = partOf(around, names, from);
    const states = await readStates(around, part, Math.max(1, maxBytes - writer.length));
    for (const [i, state] of states.entries())
      if (state !== undefined) encodeDelta(writer, bytesOf(part[i]), state, 'whole');
    from += states.length;
    const { behind: end } = names[from - 1];
    if (writer.length >= maxBytes && from < names.length && end !== undefined) return end;
  }
  return undefined;
}

/** Keys that one reading may have. */
function partOf({ access }: ScanAround, names: readonly Name[], from: number): Latin1[] {
  const part: Latin1[] = [];
  const { slot } = names[from];
  for (let i = from; i < names.length && part.length < READ_KEYS_MAX; i++) {
    if (access.isCluster && names[i].slot !== slot) break;
    part.push(names[i].key);
  }
  return part;
}

/** States of the first of `keys`, of whatever slots. */
async function readInOrder(
  around: ScanAround,
  keys: readonly Latin1[],
  bytesMax: number,
): Promise<(KeyState | undefined)[]> {
  const room = Math.max(1, bytesMax);
  if (!around.access.isCluster) return readStates(around, keys, room);
  const groups = new Map<number, number[]>();
  for (const [i, key] of keys.entries()) {
    const group = groups.get(slotOf(key));
    if (group === undefined) groups.set(slotOf(key), [i]);
    else group.push(i);
  }
  const states: (KeyState | undefined)[] = new Array(keys.length);
  let end = keys.length;
  await Promise.all(
    [...groups.values()].map(async (group) => {
      const part = group.map((i) => keys[i]);
      const found = await readStates(around, part, room);
      for (const [i, state] of found.entries()) states[group[i]] = state;
      if (found.length < group.length) end = Math.min(end, group[found.length]);
    }),
  );
  return states.slice(0, end);
}

function format({ origin }: PagingAround, { slot, place, cursor, after }: At): string {
  const past = after < 0 ? '' : hex(after);
  return `${slot}.${place === '' ? 0 : 1}.${hex(origin(slot))}.${cursor}.${past}`;
}

function parse({ origin }: PagingAround, text: string): At {
  const [, slotText = '', placeText, originText = '', from = '', past = ''] =
    /^(\d{1,5})\.([01])\.([0-9a-f]{8})\.(\d{1,20})\.([0-9a-f]{8})?$/.exec(text) ?? [];
  const slot = Number(slotText);
  if (slotText === '' || slot >= SLOTS)
    throw new MqkvError('BAD_CURSOR', `the cursor "${text.slice(0, 40)}" is not one of a Redis store`);
  const place = placeText === '0' ? '' : '.';
  const isSame = from === '0' || Number.parseInt(originText, 16) === origin(slot);
  if (!isSame) return { slot, place, cursor: '0', after: -1 };
  return { slot, place, cursor: from, after: past === '' ? -1 : Number.parseInt(past, 16) };
}

function hex(x: number): string {
  return x.toString(16).padStart(8, '0');
}
