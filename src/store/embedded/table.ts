// The table of keys: records in the slab, found through the index, with the outbox ring's entries kept right.
import { assert, type HashBytes, openHash, type Random, randomHex } from '../../base/index.ts';
import { HashIndex, homeOf, slotAfter } from './hash-index.ts';
import { copyBytes } from './memory.ts';
import {
  BIG,
  COMPLEX,
  type Form,
  FORM_MASK,
  HEADER_BYTES,
  INLINE_RECORD_BYTES_MAX,
  KEY_SHIFT,
  PLAIN_TTL,
  TIMED,
  TIMED_HEADER_BYTES,
  unitsOf,
} from './record.ts';
import { Ring } from './ring.ts';
import { Side, type TouchedCount } from './side.ts';
import { type Ref, roundUnits, SEGMENT_SHIFT, Slab, UNIT_MASK } from './slab.ts';

/** Records by key. After `find`, `segment` and `slot` say where the index holds the ref. */
export class Table {
  readonly slab = new Slab();
  readonly index = new HashIndex();
  readonly ring = new Ring();
  readonly hash: HashBytes;
  readonly sides: (Side | undefined)[] = [undefined];
  readonly #freeSides: number[] = [];
  readonly touchedCount: TouchedCount = { bytes: 0 };
  /** Random name of this table and its hash. Shape: 8 hex characters. */
  readonly tag: string;
  /** Units: bytes in Buffers of their own. */
  bigBytes = 0;
  /** Records. */
  count = 0;
  segment: Int32Array;
  slot = 0;
  /** The key of the last `find`. */
  source: Uint8Array = Buffer.alloc(0);
  start = 0;
  end = 0;
  keyHash = 0;

  constructor(random: Random) {
    this.hash = openHash(random);
    this.tag = randomHex(random, 4);
    this.segment = this.index.directory[0];
  }

  /** The record of a key; 0: none. */
  find(source: Uint8Array, start: number, end: number, hash: number): Ref {
    const segment = this.index.directory[hash >>> this.index.shift];
    this.segment = segment;
    this.source = source;
    this.start = start;
    this.end = end;
    this.keyHash = hash;
    for (let slot = homeOf(hash); ; slot = slotAfter(slot)) {
      const ref = segment[2 * slot + 1];
      if (ref !== 0 && (segment[2 * slot] !== hash || !this.#hasKey(ref, source, start, end))) continue;
      this.slot = slot;
      return ref;
    }
  }

  #hasKey(ref: Ref, source: Uint8Array, start: number, end: number): boolean {
    const head = this.slab.words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1];
    const length = end - start;
    if ((head & BIG) !== 0) return this.#hasBigKey(ref, source, start, end);
    if (head >>> KEY_SHIFT !== length) return false;
    const bytes = this.slab.bytes[ref >>> SEGMENT_SHIFT];
    const at = ((ref & UNIT_MASK) << 3) + (head & TIMED ? TIMED_HEADER_BYTES : HEADER_BYTES);
    for (let i = 0; i < length; i++) if (bytes[at + i] !== source[start + i]) return false;
    return true;
  }

  #hasBigKey(ref: Ref, source: Uint8Array, start: number, end: number): boolean {
    const key = this.sideOf(ref).key;
    return key !== undefined && key.equals(source.subarray(start, end));
  }

  /** The first word of a record. */
  head(ref: Ref): number {
    return this.slab.words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1];
  }

  /** Another word of a record. */
  word(ref: Ref, i: number): number {
    return this.slab.words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + i];
  }

  setWord(ref: Ref, i: number, value: number): void {
    this.slab.words[ref >>> SEGMENT_SHIFT][((ref & UNIT_MASK) << 1) + i] = value;
  }

  /** The object of a COMPLEX or BIG record. */
  sideOf(ref: Ref): Side {
    const side = this.sides[this.word(ref, 1)];
    assert(side !== undefined, 'a COMPLEX or BIG record has an object');
    return side;
  }

  /** The key's bytes. Owns: the table, for inline keys until the next change. */
  key(ref: Ref): Buffer {
    const head = this.head(ref);
    if ((head & BIG) !== 0) return this.sideOf(ref).key as Buffer;
    const at = ((ref & UNIT_MASK) << 3) + (head & TIMED ? TIMED_HEADER_BYTES : HEADER_BYTES);
    return this.slab.bytes[ref >>> SEGMENT_SHIFT].subarray(at, at + (head >>> KEY_SHIFT));
  }

  /** Where an inline record's value begins in its segment. Units: bytes. */
  valueStart(ref: Ref): number {
    const head = this.head(ref);
    const header = head & TIMED ? TIMED_HEADER_BYTES : HEADER_BYTES;
    return ((ref & UNIT_MASK) << 3) + header + (head >>> KEY_SHIFT);
  }

  /** The value's bytes of a PLAIN or PLAIN_TTL record. Owns: the table, until the next change. */
  value(ref: Ref): Buffer {
    if ((this.head(ref) & BIG) !== 0) return this.sideOf(ref).value as Buffer;
    const at = this.valueStart(ref);
    return this.slab.bytes[ref >>> SEGMENT_SHIFT].subarray(at, at + this.word(ref, 1));
  }

  /** Writes the value of a record that has the room. */
  writeValue(ref: Ref, source: Uint8Array, start: number, end: number): void {
    if ((this.head(ref) & BIG) !== 0) {
      const side = this.sideOf(ref);
      this.bigBytes += end - start - (side.value?.length ?? 0);
      side.value = Buffer.from(source.subarray(start, end));
      return;
    }
    copyBytes(source, start, end, this.slab.segments[ref >>> SEGMENT_SHIFT], this.valueStart(ref));
  }

  isBig(ref: Ref): boolean {
    return (this.head(ref) & BIG) !== 0;
  }

  isTimed(ref: Ref): boolean {
    return (this.head(ref) & TIMED) !== 0;
  }

  /** Units: Unix ms; 0: none. */
  at(ref: Ref): number {
    if ((this.head(ref) & TIMED) === 0) return 0;
    return (this.word(ref, 6) >>> 0) + (this.word(ref, 7) & 0xffff) * 4294967296;
  }

  /** Of a TIMED record; the wheel slot stays. */
  setAt(ref: Ref, at: number): void {
    this.setWord(ref, 6, at | 0);
    this.setWord(ref, 7, (this.word(ref, 7) & 0xffff0000) | Math.floor(at / 4294967296));
  }

  wheelSlot(ref: Ref): number {
    return (this.head(ref) & TIMED) === 0 ? 0 : this.word(ref, 7) >>> 16;
  }

  setWheelSlot(ref: Ref, slot: number): void {
    this.setWord(ref, 7, (this.word(ref, 7) & 0xffff) | (slot << 16));
  }

  /** Makes the record of the key that `find` has just not found. Its version is 0 and it is not marked. */
  create(form: Form, timed: boolean, valueBytes: number): Ref {
    const { source, start, end } = this;
    const keyBytes = end - start;
    const isBig = keyBytes + valueBytes > INLINE_RECORD_BYTES_MAX;
    const head = headOf(form, timed || isBig, isBig, keyBytes);
    const valueWord = isBig || form === COMPLEX ? this.#newSide() : valueBytes;
    const ref = this.slab.allocate(unitsOf(head, valueWord));
    const words = this.slab.words[ref >>> SEGMENT_SHIFT];
    const o = (ref & UNIT_MASK) << 1;
    words[o] = head;
    words[o + 1] = valueWord;
    words[o + 2] = words[o + 3] = words[o + 4] = words[o + 5] = 0;
    if ((head & TIMED) !== 0) words[o + 6] = words[o + 7] = 0;
    if (isBig) this.#setBigKey(ref, source.subarray(start, end));
    else copyBytes(source, start, end, this.slab.segments[ref >>> SEGMENT_SHIFT], this.#keyStart(ref));
    this.index.insert(this.keyHash, ref);
    this.count++;
    return ref;
  }

  #keyStart(ref: Ref): number {
    return ((ref & UNIT_MASK) << 3) + (this.head(ref) & TIMED ? TIMED_HEADER_BYTES : HEADER_BYTES);
  }

  #setBigKey(ref: Ref, key: Uint8Array): void {
    this.sideOf(ref).key = Buffer.from(key);
    this.bigBytes += key.length;
  }

  /**
   * Gives the record that `find` has just found another shape; header words, key, mark and wheel slot stay, the value
   * does not. Result: its ref from now on.
   */
  reshape(ref: Ref, form: Form, timed: boolean, valueBytes: number): Ref {
    const head = this.head(ref);
    const keyBytes = (head & BIG) !== 0 ? this.key(ref).length : head >>> KEY_SHIFT;
    const isBig = keyBytes + valueBytes > INLINE_RECORD_BYTES_MAX;
    const next = headOf(form, timed || isBig || this.wheelSlot(ref) !== 0, isBig, keyBytes);
    const oldWord = this.word(ref, 1);
    const units = unitsOf(head, oldWord);
    if (!hasSide(head) && !hasSide(next)) {
      const sameUnits = roundUnits(unitsOf(next, valueBytes)) === roundUnits(units);
      if (sameUnits && ((head ^ next) & TIMED) === 0) {
        this.setWord(ref, 0, next);
        this.setWord(ref, 1, valueBytes);
        return ref;
      }
      return this.#move(ref, next, valueBytes, undefined);
    }
    return this.#reshapeSide(ref, next, valueBytes);
  }

  #reshapeSide(ref: Ref, next: number, valueBytes: number): Ref {
    const head = this.head(ref);
    const wasBig = (head & BIG) !== 0;
    const isBig = (next & BIG) !== 0;
    const oldWord = this.word(ref, 1);
    const bigKey = wasBig && !isBig ? this.key(ref) : undefined;
    if (wasBig) this.#dropBig(ref, isBig);
    let valueWord = valueBytes;
    if (hasSide(next)) valueWord = hasSide(head) ? oldWord : this.#newSide();
    else this.#dropSide(oldWord);
    const sameUnits = roundUnits(unitsOf(next, valueWord)) === roundUnits(unitsOf(head, oldWord));
    if (!sameUnits || ((head ^ next) & (TIMED | BIG)) !== 0) return this.#move(ref, next, valueWord, bigKey);
    this.setWord(ref, 0, next);
    this.setWord(ref, 1, valueWord);
    return ref;
  }

  #move(ref: Ref, next: number, valueWord: number, bigKey: Buffer | undefined): Ref {
    const units = unitsOf(this.head(ref), this.word(ref, 1));
    const moved = this.slab.allocate(unitsOf(next, valueWord));
    const from = this.slab.words[ref >>> SEGMENT_SHIFT];
    const words = this.slab.words[moved >>> SEGMENT_SHIFT];
    const o = (ref & UNIT_MASK) << 1;
    const m = (moved & UNIT_MASK) << 1;
    words[m] = next;
    words[m + 1] = valueWord;
    for (let i = 2; i < 6; i++) words[m + i] = from[o + i];
    const wasTimed = (from[o] & TIMED) !== 0;
    if ((next & TIMED) !== 0) {
      words[m + 6] = wasTimed ? from[o + 6] : 0;
      words[m + 7] = wasTimed ? from[o + 7] : 0;
    }
    this.#moveKey(ref, moved, bigKey);
    this.segment[2 * this.slot + 1] = moved;
    if (words[m + 5] !== 0) this.ring.moved(words[m + 5], moved);
    this.slab.release(ref, units);
    return moved;
  }

  #moveKey(ref: Ref, moved: Ref, bigKey: Buffer | undefined): void {
    const wasBig = (this.head(ref) & BIG) !== 0;
    if ((this.head(moved) & BIG) !== 0) {
      if (!wasBig) this.#setBigKey(moved, this.key(ref));
      return;
    }
    const key = bigKey ?? this.key(ref);
    copyBytes(key, 0, key.length, this.slab.segments[moved >>> SEGMENT_SHIFT], this.#keyStart(moved));
  }

  #dropBig(ref: Ref, keepKey: boolean): void {
    const side = this.sideOf(ref);
    this.bigBytes -= side.value?.length ?? 0;
    side.value = undefined;
    if (keepKey) return;
    this.bigBytes -= side.key?.length ?? 0;
    side.key = undefined;
  }

  /** Forgets the record that `find` has just found. */
  remove(ref: Ref): void {
    const head = this.head(ref);
    const valueWord = this.word(ref, 1);
    const mark = this.word(ref, 5);
    if (mark !== 0) this.ring.remove(mark);
    if ((head & BIG) !== 0) this.#dropBig(ref, false);
    if ((head & BIG) !== 0 || (head & FORM_MASK) === COMPLEX) this.#dropSide(valueWord);
    this.index.removeAt(this.segment, this.slot);
    if (this.index.isSparse(this.segment)) this.index.join(this.keyHash);
    this.slab.release(ref, unitsOf(head, valueWord));
    this.count--;
  }

  #newSide(): number {
    const number = this.#freeSides.pop() ?? this.sides.length;
    this.sides[number] = new Side(this.touchedCount);
    return number;
  }

  #dropSide(number: number): void {
    this.sides[number]?.untouch();
    this.sides[number] = undefined;
    this.#freeSides.push(number);
  }
}

/** Whether a record has an object in the side table. */
function hasSide(head: number): boolean {
  return (head & BIG) !== 0 || (head & FORM_MASK) === COMPLEX;
}

function headOf(form: Form, timed: boolean, isBig: boolean, keyBytes: number): number {
  const isTimed = timed || form === COMPLEX || form === PLAIN_TTL;
  return form | (isBig ? BIG : 0) | (isTimed ? TIMED : 0) | (isBig ? 0 : keyBytes << KEY_SHIFT);
}
