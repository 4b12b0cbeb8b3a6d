// What two sites compare: slot, hash and fingerprint of every key, plain records straight from the slab, without objects.
import { type Clock, type Latin1, latin1Of, MqkvError, sleep, slotOfBytes } from '../../base/index.ts';
import {
  DEAD,
  Fingerprint,
  isFired,
  keyHash,
  type KeyState,
  type Standing,
  standingOf,
} from '../../crdt/index.ts';
import type { ComparedKey, Comparison } from '../store.ts';
import type { Core } from './core.ts';
import {
  BIG,
  COMPLEX,
  DELETED,
  FORM_MASK,
  FREED,
  HEADER_BYTES,
  KEY_SHIFT,
  PLAIN_TTL,
  TIMED,
  TIMED_HEADER_BYTES,
} from './record.ts';
import { type Ref, SEGMENT_SHIFT, UNIT_MASK } from './slab.ts';
import { stateOf } from './states.ts';

/** A slice takes about 1 ms. Its cost: a key looked at is 1, its fingerprint 3 more; bytes of large values make it shorter. */
const SLICE_COST = 4000;
const PRINT_COST = 3;
const SLICE_BYTES = 1024 * 1024;
const STEP_KEYS = 50;
/** What a step costs beside its keys where the index is nearly empty. */
const SPARSE_COST = 1500;
/** Keys of so many registers keep their fingerprint until they change, where nothing in them can get too old to count. */
const LARGE_REGISTERS = 256;
/** Units: bytes, about, as which a register counts in a slice. */
const REGISTER_BYTES = 64;
const COUNTER_SPAN = 4294967296;

/** The visited key: one object for all. */
class Compared implements ComparedKey {
  slot = 0;
  hash = 0;
  low = 0;
  high = 0;
  standing: Standing = DEAD;
  bytes: Uint8Array = Buffer.alloc(0);
  start = 0;
  end = 0;

  key(): Latin1 {
    return latin1Of(this.bytes.subarray(this.start, this.end));
  }
}

function countRegisters(state: KeyState): number {
  let count = 0;
  for (const fields of state.registers.values()) count += fields.size;
  return count;
}

function hasSeen(state: KeyState): boolean {
  for (const fields of state.registers.values())
    for (const { seen } of fields.values()) if (seen !== undefined) return true;
  return false;
}

/** One comparison over one store. */
class Comparing {
  readonly #core: Core;
  readonly #comparison: Comparison;
  readonly #visit: (key: ComparedKey) => void;
  readonly #fingerprint = new Fingerprint();
  readonly #compared = new Compared();
  #bytes = 0;
  /** Keys looked at. */
  #seen = 0;
  #cost = 0;

  constructor(core: Core, comparison: Comparison, visit: (key: ComparedKey) => void) {
    this.#core = core;
    this.#comparison = comparison;
    this.#visit = visit;
  }

  /** Visits keys from a place of the index on. Result: where to go on; 0: that was all. */
  slice(from: number): number {
    let position = from;
    this.#bytes = 0;
    this.#cost = 0;
    while (this.#cost < SLICE_COST && this.#bytes < SLICE_BYTES) {
      const seen = this.#seen;
      position = this.#core.table.index.scan(position, STEP_KEYS, (ref) => this.#key(ref));
      if (position === 0) break;
      if (this.#seen - seen < STEP_KEYS) this.#cost += SPARSE_COST;
    }
    return position;
  }

  #key(ref: Ref): void {
    this.#seen++;
    this.#cost++;
    const compared = this.#compared;
    const { slots } = this.#comparison;
    this.#find(ref);
    const { bytes, start, end } = compared;
    compared.slot = slotOfBytes(bytes, start, end);
    if (slots !== undefined && slots[compared.slot] === 0) return;
    this.#cost += PRINT_COST;
    compared.hash = keyHash(bytes, start, end);
    this.#print(ref);
    const { low, high, standing } = this.#fingerprint;
    compared.low = low;
    compared.high = high;
    compared.standing = standing;
    this.#visit(compared);
  }

  /** Where the key's bytes lie. */
  #find(ref: Ref): void {
    const { table } = this.#core;
    const head = table.head(ref);
    const compared = this.#compared;
    if ((head & BIG) !== 0) {
      compared.bytes = table.key(ref);
      compared.start = 0;
      compared.end = compared.bytes.length;
      return;
    }
    compared.bytes = table.slab.bytes[ref >>> SEGMENT_SHIFT];
    compared.start = ((ref & UNIT_MASK) << 3) + (head & TIMED ? TIMED_HEADER_BYTES : HEADER_BYTES);
    compared.end = compared.start + (head >>> KEY_SHIFT);
  }

  #print(ref: Ref): void {
    const { table } = this.#core;
    const { atMs } = this.#comparison;
    const form = table.head(ref) & FORM_MASK;
    const isEnded = (form === PLAIN_TTL || form === FREED) && table.at(ref) <= atMs;
    if (isEnded) return this.#fingerprint.takeDead();
    if (form === COMPLEX || form === FREED) return this.#printState(ref);
    const newestMs = (table.word(ref, 2) >>> 0) + (table.word(ref, 3) & 0xffff) * COUNTER_SPAN;
    const standing = standingOf(newestMs, atMs, form !== DELETED);
    if (standing === DEAD) this.#fingerprint.takeDead();
    else this.#printPlain(ref, standing);
  }

  #printState(ref: Ref): void {
    const { table } = this.#core;
    const { atMs } = this.#comparison;
    const { bytes, start, end } = this.#compared;
    const fingerprint = this.#fingerprint;
    const state = stateOf(table, ref);
    const registers = countRegisters(state);
    if (registers < LARGE_REGISTERS) return fingerprint.of(bytes.subarray(start, end), state, atMs);
    const side = table.sideOf(ref);
    const isFresh = !isFired(state, atMs);
    if (side.print !== undefined && isFresh) {
      fingerprint.low = side.print.low;
      fingerprint.high = side.print.high;
      fingerprint.standing = standingOf(state.newest.ms, atMs, true);
      return;
    }
    fingerprint.of(bytes.subarray(start, end), state, atMs);
    this.#bytes += registers * REGISTER_BYTES;
    if (isFresh && registers === state.live && !hasSeen(state))
      side.print = { low: fingerprint.low, high: fingerprint.high };
  }

  /** The grammar is that of crdt/fingerprint.ts. */
  #printPlain(ref: Ref, standing: Standing): void {
    const { table } = this.#core;
    const { lanes } = this.#fingerprint;
    const { bytes, start, end } = this.#compared;
    const words = table.slab.words[ref >>> SEGMENT_SHIFT];
    const o = (ref & UNIT_MASK) << 1;
    const form = words[o] & FORM_MASK;
    const big = (words[o] & BIG) !== 0 && form !== DELETED ? table.value(ref) : undefined;
    const valueBytes = form === DELETED ? 0 : (big?.length ?? words[o + 1]);
    lanes.begin(form);
    lanes.word(end - start);
    if (form !== DELETED) lanes.word(valueBytes);
    lanes.word(words[o + 2]);
    lanes.word(words[o + 3]);
    lanes.word(words[o + 4]);
    if (form === PLAIN_TTL) {
      lanes.word(words[o + 6]);
      lanes.word(words[o + 7] & 0xffff);
    }
    if ((words[o] & BIG) === 0) lanes.words(words, start >> 2, end - start + valueBytes);
    else {
      lanes.bytes(bytes, start, end);
      if (big !== undefined) lanes.bytes(big, 0, big.length);
    }
    this.#bytes += end - start + valueBytes;
    this.#fingerprint.take(standing);
  }
}

/** Visits every key held in slices, between which the loop is free. Errors: MqkvError `DISCARDED`. */
export async function compareAll(
  core: Core,
  { comparison, clock }: { readonly comparison: Comparison; readonly clock: Clock },
  visit: (key: ComparedKey) => void,
): Promise<void> {
  const comparing = new Comparing(core, comparison, visit);
  const { table } = core;
  for (let position = comparing.slice(0); position !== 0; position = comparing.slice(position)) {
    await sleep(clock, 0);
    if (core.table !== table)
      throw new MqkvError('DISCARDED', 'the data was discarded while it was compared');
  }
}
