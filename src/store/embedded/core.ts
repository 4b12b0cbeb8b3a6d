// What every path through the embedded store shares: changing, marking, scheduling and counting keys (finding them: `finding.ts`).
//
// Invariants
// C1 `shown` counts PLAIN and PLAIN_TTL records and COMPLEX ones whose object says so.
// C2 Every record with an `at` that could still change what it holds waits in the wheel, at or before that time.
// C3 A local change of a key marks it (ring); a merge or freeing does not.
// C4 in `finding.ts`.
import { assert } from '../../base/index.ts';
import {
  type Edit,
  type Edited,
  free,
  isFired,
  type KeyState,
  NONE,
  registerOf,
  shownType,
  STRING_FIELD,
  TYPE_STRING,
} from '../../crdt/index.ts';
import type { Journal } from './journal.ts';
import { COMPLEX, DELETED, FORM_MASK, FREED, type PLAIN, PLAIN_TTL } from './record.ts';
import type { Side } from './side.ts';
import { type Ref, SEGMENT_SHIFT, UNIT_MASK } from './slab.ts';
import { formOf } from './states.ts';
import { type CoreOptions, Finding } from './finding.ts';
import { Table } from './table.ts';
import { Watches } from './watches.ts';
import { Wheel } from './wheel.ts';

/** Units: Unix ms; the largest `at` that a record holds; later ones are cut to it (the year 10889). */
export const AT_MAX = 2 ** 48 - 1;
const COUNTER_SPAN = 4294967296;

export class Core extends Finding {
  /** Another one after `discard`, as `table`. */
  wheel: Wheel;
  readonly watches = new Watches();
  shown = 0;
  isInUnit = false;
  /** Called when marks appear while there were none. */
  onMark: (() => void) | undefined;
  /** Keeps what changes; undefined: nothing is kept. */
  journal: Journal | undefined;
  /** What was kept is read back: entries of the wheel wait until `scheduleAll`. */
  isReplaying = false;
  /** Called at the end of a unit after which the marks may take noticeably more than before. */
  onMarksGrown: (() => void) | undefined;
  /** The command's last edit by rules and the record it was of: the next call on that record goes on with it. */
  edit: Edit | undefined;
  editRef: Ref = 0;
  readonly #touched: number[] = [];
  #marksAppeared = false;
  #touchesGrown = false;

  constructor(options: CoreOptions) {
    super(options);
    this.wheel = new Wheel(this.now);
  }

  /** C1. */
  counts(ref: Ref): boolean {
    const form = this.formAt(ref);
    return form <= PLAIN_TTL || (form === COMPLEX && this.table.sideOf(ref).isShown);
  }

  /** Before anything outside of a unit: time moves. */
  enter(): void {
    if (!this.isInUnit) this.tick(this.clock.now());
  }

  tick(now: number): void {
    this.now = now;
    if (now >= this.watches.nextAt) this.watches.fired(now);
  }

  /** After a write outside of a unit. */
  leave(): void {
    if (!this.isInUnit) this.finish();
  }

  /** Ends the unit. */
  finish(): void {
    this.unitMs = 0;
    this.isInUnit = false;
    this.edit = undefined;
    if (this.journal !== undefined) this.journal.ended();
    if (this.named.length > 0) this.#finishNamed();
    if (this.table.ring.hasGrown || this.#touchesGrown) this.#tellGrowth();
    if (!this.#marksAppeared) return;
    this.#marksAppeared = false;
    this.onMark?.();
  }

  #tellGrowth(): void {
    this.table.ring.hasGrown = false;
    this.#touchesGrown = false;
    this.onMarksGrown?.();
  }

  /** Forgets every key and mark; who watches one hears of it. Only outside of a unit. */
  discard(): void {
    assert(!this.isInUnit, 'a unit is over before the data goes');
    this.now = this.clock.now();
    this.watches.changedAll();
    this.edit = undefined;
    this.shown = 0;
    this.table = new Table(this.random);
    this.wheel = new Wheel(this.now);
  }

  /**
   * Gives the plain record located last (or the missing key, ref 0) the form, room and expiry of a SET; counts and
   * schedules it. Value and version are the caller's. Units: `at` Unix ms, 0: none.
   */
  writePlain(ref: Ref, form: typeof PLAIN | typeof PLAIN_TTL, valueBytes: number, at: number): Ref {
    const { table } = this;
    if (ref === 0 || (table.head(ref) & FORM_MASK) > PLAIN_TTL) this.shown++;
    const timed = at !== 0;
    const kept =
      ref === 0 ? table.create(form, timed, valueBytes) : table.reshape(ref, form, timed, valueBytes);
    if (table.isTimed(kept)) table.setAt(kept, at);
    if (timed) this.schedule(kept, at);
    return kept;
  }

  /** Gives the plain record located last (or the missing key) the form of a DEL. The version is the caller's. */
  writeDeleted(ref: Ref): Ref {
    const { table } = this;
    if (ref !== 0 && (table.head(ref) & FORM_MASK) <= PLAIN_TTL) this.shown--;
    const kept = ref === 0 ? table.create(DELETED, false, 0) : table.reshape(ref, DELETED, false, 0);
    if (table.isTimed(kept)) table.setAt(kept, 0);
    return kept;
  }

  setVersion(ref: Ref, ms: number, tail: number): void {
    const words = this.table.slab.words[ref >>> SEGMENT_SHIFT];
    const o = (ref & UNIT_MASK) << 1;
    words[o + 2] = ms | 0;
    words[o + 3] = Math.floor(ms / COUNTER_SPAN) | (Math.floor(tail / COUNTER_SPAN) << 16);
    words[o + 4] = tail | 0;
  }

  /** Marks a plain record. */
  markPlain(ref: Ref): void {
    const { table } = this;
    const isRare = this.named.length > 1 || this.watches.size > 0 || table.ring.live === 0;
    if (isRare || this.journal !== undefined) {
      this.mark(ref, undefined, false);
    } else if (table.word(ref, 5) === 0) table.setWord(ref, 5, table.ring.push(ref));
  }

  #finishNamed(): void {
    const { ring } = this.table;
    this.named.length = 0;
    if (this.#touched.length > 1) ring.group(this.#touched, this.#remark);
    else for (const position of this.#touched) ring.untouch(position);
    this.#touched.length = 0;
    if (ring.isSparse) ring.squeeze(this.#remark);
  }

  readonly #remark = (ref: Ref, position: number): void => this.table.setWord(ref, 5, position);

  /** Marks a record for the outbox. COMPLEX: which registers. */
  mark(ref: Ref, edited: Edited | undefined, wasWhole: boolean): void {
    const { table } = this;
    let position = table.word(ref, 5);
    const isNew = position === 0;
    if (isNew) {
      if (table.ring.live === 0) this.#marksAppeared = true;
      position = table.ring.push(ref);
      table.setWord(ref, 5, position);
    }
    if (edited !== undefined && this.formAt(ref) === COMPLEX) {
      table.sideOf(ref).touch(edited, !isNew && wasWhole);
      this.#touchesGrown = true;
    }
    if (this.named.length > 1 && table.ring.touch(position)) this.#touched.push(position);
    if (this.journal !== undefined) this.journal.touch(position, edited);
    if (this.watches.size > 0) this.watches.changed(table.key(ref));
  }

  /** Marks a record whole, though nothing has changed; outside of a unit. */
  markAgain(ref: Ref): void {
    const { table } = this;
    let position = table.word(ref, 5);
    if (this.formAt(ref) === COMPLEX) table.sideOf(ref).touchWhole();
    if (position === 0) {
      if (table.ring.live === 0) this.#marksAppeared = true;
      position = table.ring.push(ref);
      table.setWord(ref, 5, position);
    }
    if (this.journal !== undefined) this.journal.touch(position, undefined);
  }

  /**
   * Stores the state of the key located last; `ref` is its record or 0. Result: its record. The state belongs to the
   * store from now on.
   */
  store(ref: Ref, state: KeyState): Ref {
    const { table } = this;
    const form = formOf(state);
    const value =
      form <= PLAIN_TTL ? (registerOf(state, TYPE_STRING, STRING_FIELD)?.value as Buffer) : undefined;
    const timed = state.expiryAt !== 0;
    const valueBytes = value?.length ?? 0;
    const counted = ref !== 0 && this.counts(ref);
    const kept =
      ref === 0 ? table.create(form, timed, valueBytes) : table.reshape(ref, form, timed, valueBytes);
    if (value !== undefined) table.writeValue(kept, value, 0, value.length);
    if (form === COMPLEX) this.#storeObject(table.sideOf(kept), state);
    else if (table.isBig(kept)) table.sideOf(kept).forgetState();
    const { ms, tail } = form === COMPLEX ? NONE : state.clear;
    this.setVersion(kept, ms, tail);
    if (table.isTimed(kept)) table.setAt(kept, state.expiryAt);
    this.shown += Number(this.counts(kept)) - Number(counted);
    if (form !== FREED && state.expiryAt !== 0) this.schedule(kept, state.expiryAt);
    return kept;
  }

  #storeObject(side: Side, state: KeyState): void {
    side.state = state;
    side.print = undefined;
    side.isShown = shownType(state, this.now) !== 0;
  }

  /** C2, for the key located last. */
  schedule(ref: Ref, at: number): void {
    if (this.isReplaying) return;
    const { table, wheel } = this;
    const waits = table.wheelSlot(ref);
    if (waits !== 0 && wheel.dueAt(waits, this.now) <= at) return;
    const slot = wheel.slotFor(at, this.now);
    if (slot === waits) return;
    wheel.push(slot, table.keyHash);
    table.setWheelSlot(ref, slot);
  }

  /** Frees what a fired expiry has ended of the key located last. Result: its record. */
  freeRecord(ref: Ref, now: number): Ref {
    const { table } = this;
    const form = this.formAt(ref);
    if (form === PLAIN_TTL) {
      if (table.at(ref) > now) return ref;
      if (this.watches.size > 0) this.watches.changed(table.key(ref));
      this.shown--;
      return table.reshape(ref, FREED, true, 0);
    }
    return form === COMPLEX ? this.#freeComplex(ref, now) : ref;
  }

  #freeComplex(ref: Ref, now: number): Ref {
    const side = this.table.sideOf(ref);
    const state = side.state as KeyState;
    if (!isFired(state, now) || !free(state, now)) return ref;
    side.view = undefined;
    if (this.watches.size > 0) this.watches.changed(this.table.key(ref));
    return this.store(ref, state);
  }
}
