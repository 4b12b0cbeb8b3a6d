// Forgetting (DESIGN 3): about once a minute all keys are looked at, and what no late delta can need any more goes.
//
// Invariants
// F1 What is marked stays, header and tombstones alike. What was taken and waits long to be accepted is no longer marked, and it is
//    not known which keys it is of: nothing goes meanwhile. Collapsed marks hold up nothing, since memory must stay bounded (G6):
//    a deletion among them that gets older than the horizon before a comparison may come back, as after any outage so long.
// F2 Nothing that shows changes.
// F3 A clock that jumps ahead forgets nothing by itself: see `ClockGuard`.
import { FORGET_MARGIN_MS, sleep, STABLE_MS, type Timer } from '../../base/index.ts';
import {
  forgetSeen,
  forgetTombstones,
  holdsForgettable,
  isForgettable,
  type KeyState,
  type Version,
} from '../../crdt/index.ts';
import { ClockGuard } from '../clock-guard.ts';
import type { Core } from './core.ts';
import { COMPLEX, DELETED, FORM_MASK, FREED, PLAIN_TTL } from './record.ts';
import type { Ref } from './slab.ts';

/** Units: ms between the end of a round and the next. */
const ROUND_MS = 60_000;
/** Units: ms that a taking may wait before nothing is forgotten because of it. */
const WAIT_MS = 60_000;
/** Keys of a slice, below 1 ms; and registers of COMPLEX ones. */
const SLICE_KEYS = 2000;
const SLICE_REGISTERS = 10_000;
const STEP_KEYS = 50;
/** What a step counts beside its keys where the index is nearly empty: it takes as long. */
const SPARSE_KEYS = 1000;
/** What registers have seen is looked for in each 60th round only, since that visits every register; large keys in each tenth. */
const SEEN_ROUNDS = 60;
const LARGE_ROUNDS = 10;
const LARGE_REGISTERS = 10_000;
const COUNTER_SPAN = 4294967296;

export interface ForgettingOptions {
  /** Units: ms. */
  readonly horizonMs: number;
  /** Units: Unix ms; see `Store.stableBeforeMs`. */
  readonly stableBeforeMs: () => number;
  /** Units: Unix ms; since when something that was taken waits to be accepted; undefined: nothing does. */
  readonly waitsSinceMs: () => number | undefined;
  /** Called at each round, also where the clock is not believed. */
  readonly onRound?: () => void;
  /** Called when the clock has jumped so far that it is not believed for a while. */
  readonly onJump?: () => void;
}

/** What is older goes. Units: Unix ms. */
interface Limits {
  readonly beforeMs: number;
  readonly before: Version;
  /** undefined: not in this round. */
  readonly seenBefore: Version | undefined;
}

/** Walks over a core's keys until it is cancelled. */
export class Forgetting {
  readonly #core: Core;
  readonly #options: ForgettingOptions;
  readonly #guard: ClockGuard;
  readonly #found: Ref[] = [];
  #timer: Timer | undefined;
  #isCancelled = false;
  #wasSure = true;
  #rounds = 0;
  #registers = 0;
  /** Keys forgotten so far. */
  forgotten = 0;

  constructor(core: Core, options: ForgettingOptions) {
    this.#core = core;
    this.#options = options;
    this.#guard = new ClockGuard(core.clock.now(), options.horizonMs);
  }

  /** A round about every minute. */
  start(): void {
    this.#timer = this.#core.clock.after(ROUND_MS, () => {
      this.#options.onRound?.();
      const isSure = this.#guard.believes(this.#core.clock.now(), ROUND_MS);
      if (!isSure && this.#wasSure) this.#options.onJump?.();
      this.#wasSure = isSure;
      void (isSure ? this.round() : Promise.resolve()).then(() => {
        if (!this.#isCancelled) this.start();
      });
    });
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#timer?.cancel();
  }

  /** Looks at every key once, whatever the guard says. */
  async round(): Promise<void> {
    const limits = this.#limits();
    const { table, clock } = this.#core;
    this.#rounds++;
    const waitsSinceMs = this.#options.waitsSinceMs();
    if (waitsSinceMs !== undefined && clock.now() - waitsSinceMs > WAIT_MS) return; // F1
    for (let position = this.#slice(0, limits); position !== 0; position = this.#slice(position, limits)) {
      await sleep(clock, 0);
      if (this.#isCancelled || this.#core.table !== table) return;
    }
  }

  #limits(): Limits {
    const { horizonMs, stableBeforeMs } = this.#options;
    const now = this.#core.clock.now();
    const stable = stableBeforeMs();
    const early = stable > 0 ? Math.min(now - STABLE_MS - FORGET_MARGIN_MS, stable) : 0;
    const beforeMs = Math.max(0, now - horizonMs, early);
    const looksForSeen = this.#rounds % SEEN_ROUNDS === 0;
    const seenBefore = looksForSeen ? { ms: Math.max(0, now - horizonMs), tail: 0 } : undefined;
    return { beforeMs, before: { ms: beforeMs, tail: 0 }, seenBefore };
  }

  #slice(from: number, limits: Limits): number {
    const core = this.#core;
    const found = this.#found;
    found.length = 0;
    this.#registers = 0;
    let position = from;
    core.tick(core.clock.now());
    if (core.now < limits.beforeMs) return 0; // the clock went back: nothing is that old
    for (let keys = 0; keys < SLICE_KEYS && this.#registers < SLICE_REGISTERS; ) {
      const step = keys;
      position = core.table.index.scan(position, STEP_KEYS, (ref) => {
        keys++;
        if (this.#isOld(ref, limits)) found.push(ref);
      });
      if (position === 0) break;
      if (keys - step < STEP_KEYS) keys += SPARSE_KEYS;
    }
    for (const ref of found) this.#forget(ref, limits);
    return position;
  }

  /** Whether something of the record may go. */
  #isOld(ref: Ref, limits: Limits): boolean {
    const { table } = this.#core;
    if (table.word(ref, 5) !== 0) return false; // F1
    const form = table.head(ref) & FORM_MASK;
    if (form === COMPLEX) return this.#isOldState(table.sideOf(ref).state as KeyState, limits);
    if (form !== DELETED && form !== FREED && form !== PLAIN_TTL) return false;
    const ms = (table.word(ref, 2) >>> 0) + (table.word(ref, 3) & 0xffff) * COUNTER_SPAN;
    return ms < limits.beforeMs && (form === DELETED || table.at(ref) < limits.beforeMs);
  }

  #isOldState(state: KeyState, { beforeMs, before, seenBefore }: Limits): boolean {
    if (isForgettable(state, this.#core.now, beforeMs)) return true;
    let registers = 0;
    for (const fields of state.registers.values()) registers += fields.size;
    if (registers > LARGE_REGISTERS && this.#rounds % LARGE_ROUNDS !== 0) return false;
    if (registers === state.live && seenBefore === undefined) return false;
    this.#registers += registers;
    return holdsForgettable(state, before);
  }

  /** Forgets the record, or what of it may go. */
  #forget(ref: Ref, limits: Limits): void {
    const core = this.#core;
    core.relocate(ref);
    const freed = core.freeRecord(ref, core.now);
    if (core.formAt(freed) === COMPLEX) this.#forgetParts(freed, limits);
    else if (core.formAt(freed) !== PLAIN_TTL && this.#isOld(freed, limits)) this.#remove(freed); // F2
  }

  #forgetParts(ref: Ref, { beforeMs, before, seenBefore }: Limits): void {
    const core = this.#core;
    const state = core.state(ref);
    if (isForgettable(state, core.now, beforeMs)) return this.#remove(ref);
    const wentTombstones = forgetTombstones(state, before);
    const wentSeen = seenBefore !== undefined && forgetSeen(state, seenBefore);
    if (wentTombstones || wentSeen) core.store(ref, state);
  }

  #remove(ref: Ref): void {
    const core = this.#core;
    if (core.counts(ref)) core.shown--;
    core.table.remove(ref);
    this.forgotten++;
  }
}
