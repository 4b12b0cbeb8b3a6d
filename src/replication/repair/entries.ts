// Lists of keys of the parts that differ: hash and fingerprint of each, no names.
//
//   entries := next:u16 part*            `next`: the first of the asked slots that is not covered; 16384: all are
//   part    := 2*settled+more:varint [young:varint dead:varint] (hash:u32 low:u32 high:u8){settled + young} hash:u32{dead}
// Parts come in the order of the asked slots, and in each in the order of its mask's bits; entries by their hashes.
import { REPAIR_ENTRIES_MAX, SLOTS } from '../../base/index.ts';
import type { Standing } from '../../crdt/index.ts';
import { type ComparedKey, DEAD, SETTLED, type Store, YOUNG } from '../../store/index.ts';
import { PARTS_PER_SLOT, partOf } from './tree.ts';
import { malformed, type WireReader, WireWriter } from './wire.ts';

/** Which parts of which slots. Order: slots ascending, a mask each. */
export interface Asked {
  readonly slots: readonly number[];
  readonly masks: readonly number[];
}

/** One key of a list. */
export interface Entry {
  readonly hash: number;
  readonly standing: Standing;
  /** 0 of DEAD ones; `high`: its lowest byte. */
  readonly low: number;
  readonly high: number;
}

/** A byte a slot, for `Comparison.slots`. */
export function slotBytes(slots: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(SLOTS);
  for (const slot of slots) bytes[slot] = 1;
  return bytes;
}

/** A key's part among all. */
export function partIndex(slot: number, hash: number): number {
  return slot * PARTS_PER_SLOT + partOf(hash);
}

/** A key's place: names it together with the key's slot. An integer below 2^46. */
export function placeOf(slot: number, hash: number): number {
  return slot * 4294967296 + (hash >>> 0);
}

/** The keys of some parts, collected in one pass: as many as fit, of the lowest slots. */
export class EntryLists {
  readonly #lists = new Map<number, Entry[]>();
  readonly #countMax: number;
  count = 0;
  /** Slots from here on are left out. Range: 1 .. 16384. */
  limit = SLOTS;

  constructor(countMax: number = REPAIR_ENTRIES_MAX) {
    this.#countMax = countMax;
  }

  add({ slot, hash, low, high, standing }: ComparedKey): void {
    if (slot >= this.limit) return;
    const part = partIndex(slot, hash);
    const list = this.#lists.get(part);
    const entry = { hash, standing, low, high: high & 0xff };
    if (list === undefined) this.#lists.set(part, [entry]);
    else list.push(entry);
    this.count++;
    if (this.count > this.#countMax) this.#shrink();
  }

  /** Lets the highest slots go, down to half of what fits; the lowest slot that has something stays. */
  #shrink(): void {
    const counts = new Uint32Array(SLOTS);
    for (const [part, list] of this.#lists) counts[Math.floor(part / PARTS_PER_SLOT)] += list.length;
    const lowest = counts.findIndex((count) => count > 0);
    let kept = counts[lowest] ?? 0;
    let limit = lowest + 1;
    while (limit < this.limit && kept + (counts[limit] ?? 0) <= this.#countMax / 2)
      kept += counts[limit++] ?? 0;
    for (const part of this.#lists.keys()) if (part >= limit * PARTS_PER_SLOT) this.#lists.delete(part);
    this.limit = limit;
    this.count = kept;
  }

  of(part: number): readonly Entry[] {
    return this.#lists.get(part) ?? [];
  }

  /** Adds the lists of an answer. Result: the first of the asked slots that is not covered. Errors: MqkvError `MALFORMED_REQUEST`. */
  read(asked: Asked, reader: WireReader): number {
    const next = reader.u16();
    for (const [i, slot] of asked.slots.entries()) {
      if (slot >= next) break;
      for (let part = 0; part < PARTS_PER_SLOT; part++)
        if ((((asked.masks[i] ?? 0) >> part) & 1) === 1) this.#readPart(slot * PARTS_PER_SLOT + part, reader);
    }
    if (next <= (asked.slots[0] ?? 0) || reader.left > 0) throw malformed();
    return next;
  }

  #readPart(part: number, reader: WireReader): void {
    const head = reader.varint();
    const young = (head & 1) === 1 ? reader.varint() : 0;
    const dead = (head & 1) === 1 ? reader.varint() : 0;
    const settled = Math.floor(head / 2);
    if ((settled + young) * 9 + dead * 4 > reader.left) throw malformed();
    const list: Entry[] = [];
    for (let i = 0; i < settled + young; i++) {
      const standing = i < settled ? SETTLED : YOUNG;
      list.push({ hash: reader.i32(), standing, low: reader.i32(), high: reader.u8() });
    }
    for (let i = 0; i < dead; i++) list.push({ hash: reader.i32(), standing: DEAD, low: 0, high: 0 });
    this.count += list.length;
    if (list.length > 0) this.#lists.set(part, list);
  }

  /** Whole slots until about `bytesMax`. */
  encode({ slots, masks }: Asked, bytesMax: number): Buffer {
    const writer = new WireWriter(Math.min(bytesMax, this.count * 10 + slots.length * 16) + 64).u16(SLOTS);
    let next = SLOTS;
    for (const [i, slot] of slots.entries()) {
      if (slot >= this.limit || (i > 0 && writer.length >= bytesMax)) {
        next = slot;
        break;
      }
      for (let part = 0; part < PARTS_PER_SLOT; part++)
        if ((((masks[i] ?? 0) >> part) & 1) === 1) writePart(writer, this.of(slot * PARTS_PER_SLOT + part));
    }
    const bytes = writer.done();
    bytes.writeUInt16LE(next, 0);
    return bytes;
  }
}

function writePart(writer: WireWriter, list: readonly Entry[]): void {
  const sorted = [...list].sort((a, b) => a.hash - b.hash);
  const settled = sorted.filter(({ standing }) => standing === SETTLED);
  const young = sorted.filter(({ standing }) => standing === YOUNG);
  const dead = sorted.filter(({ standing }) => standing === DEAD);
  const more = young.length + dead.length > 0;
  writer.varint(settled.length * 2 + (more ? 1 : 0));
  if (more) writer.varint(young.length).varint(dead.length);
  for (const { hash, low, high } of [...settled, ...young]) writer.u32(hash).u32(low).u8(high);
  for (const { hash } of dead) writer.u32(hash);
}

/** Visits the keys of some parts in one pass. Errors: the store's. */
export async function visitParts(
  store: Store,
  { atMs, slots, masks }: Asked & { readonly atMs: number },
  visit: (key: ComparedKey) => void,
): Promise<void> {
  const maskOf = new Uint16Array(SLOTS);
  for (const [i, slot] of slots.entries()) maskOf[slot] = masks[i] ?? 0;
  await store.compare({ atMs, slots: slotBytes(slots) }, (key) => {
    if ((((maskOf[key.slot] ?? 0) >> partOf(key.hash)) & 1) === 1) visit(key);
  });
}
