// One stream as a receiver sees it: what is applied, what is known to exist, and what of that is missing.
//
// Invariants
//  W1  A sequence is missing when something later, or a heartbeat, told of it GAP_TICKS ago, and it is neither applied nor staged.
//      Time is counted in ticks, so that a clock that jumps makes no gap.
//  W2  A missing sequence is asked for at most as often as ASK_AFTER_TICKS says; then it is lost: it is not asked for any more, and
//      whoever keeps the window has it repaired.
//  W3  What was lost is here again when this store was compared with one that vouches for it, the sender's or another. Until then this
//      store vouches only for what is before: others are told so, and notes say so. A comparison with any other store proves nothing:
//      it may have lost the same.
import { FRAGMENT_AGE_MAX_MS, MISSING_MAX, RANGES_MAX } from '../base/index.ts';
import { type Range, SequenceSet } from './sequence-set.ts';

/** Units: ms of a tick. */
export const TICK_MS = 500;
/** A sequence missing for so long (5 s, and up to a tick more) is a gap (DESIGN 7). */
const GAP_TICKS = 11;
/** Pauses between the twelve requests for a missing sequence: quick at first, since a request may be lost as well. */
const ASK_AFTER_TICKS = [2, 2, 2, 4, 4, 6, 6, 10, 10, 10, 10, 10];
const HELD_TICKS = Math.ceil(FRAGMENT_AGE_MAX_MS / TICK_MS);

interface Asked {
  times: number;
  /** Not asked again before. */
  nextTick: number;
}

/** Something between the two was lost, and is not here for certain (W3). */
export interface Lost {
  readonly above: number;
  readonly upTo: number;
}

interface Held {
  readonly sequences: Set<number>;
  readonly untilTick: number;
}

/** Remembers the sequences of one stream. */
export class StreamWindow {
  readonly applied = new SequenceSet();
  /** The sending site, as far as it is known. */
  site = '';
  /** Of what came last. 0: not known. */
  origin = 0;
  heardTick: number;
  /** Something changed since the notes were written. */
  isDirty = true;
  /** Place 0: the greatest sequence known to exist; place n: n ticks ago. */
  readonly #told: number[] = new Array<number>(GAP_TICKS + 1).fill(0);
  readonly #asked = new Map<number, Asked>();
  /** Fragments staged and not merged yet, by the first sequence of their envelope. */
  readonly #held = new Map<number, Held>();

  /** W3. */
  #lost: Lost | undefined;
  /** When all that was known was last applied. */
  #evenTick: number;

  constructor(tick: number) {
    this.heardTick = tick;
    this.#evenTick = tick;
  }

  /** The greatest sequence known to exist. */
  get told(): number {
    return Math.max(this.#told[0], this.applied.newest);
  }

  /** Everything up to `sequence` was sent. */
  tell(sequence: number): void {
    if (sequence > this.#told[0]) this.#told[0] = sequence;
  }

  /** Notes sequences as applied. */
  note(from: number, to: number): void {
    if (this.applied.hasAll(from, to)) return;
    this.applied.addRange(from, to);
    this.isDirty = true;
    if (from === to) this.#asked.delete(from);
    else for (const one of this.#asked.keys()) if (one >= from && one <= to) this.#asked.delete(one);
    if (this.#held.size > 0)
      for (const first of this.#held.keys()) if (first >= from && first <= to) this.#held.delete(first);
  }

  /** A fragment is staged: it is not missing, and not applied either. */
  hold(first: number, sequence: number, tick: number): void {
    const held = this.#held.get(first) ?? { sequences: new Set(), untilTick: tick + HELD_TICKS };
    held.sequences.add(sequence);
    this.#held.set(first, held);
  }

  /** Time goes on. Result: how many sequences are lost (W2). `isAsking` false: nothing counts as missing yet. */
  tick(tick: number, isAsking: boolean): number {
    this.#told.pop();
    this.#told.unshift(this.told);
    if (this.applied.floor >= this.told) this.#evenTick = tick;
    for (const [first, { untilTick }] of this.#held) if (untilTick <= tick) this.#held.delete(first);
    if (!isAsking || this.#overdue <= this.applied.floor) return this.#bound();
    return this.#ask(tick) + this.#bound();
  }

  /** Missing sequences to be asked for now, at most `most`; each counts as asked. */
  due(tick: number, most: number): number[] {
    const found: number[] = [];
    for (const [sequence, asked] of this.#asked) {
      if (found.length >= most) break;
      if (asked.nextTick > tick) continue;
      asked.nextTick = tick + ASK_AFTER_TICKS[Math.min(asked.times, ASK_AFTER_TICKS.length - 1)];
      asked.times++;
      found.push(sequence);
    }
    return found;
  }

  isDue(tick: number): boolean {
    for (const { nextTick } of this.#asked.values()) if (nextTick <= tick) return true;
    return false;
  }

  /** Sequences known and not applied. */
  get behind(): number {
    return this.applied.missingUpTo(this.told);
  }

  /** Ticks since all that was known was applied. */
  behindTicks(tick: number): number {
    return this.applied.floor >= this.told ? 0 : tick - this.#evenTick;
  }

  /** Takes over what notes remember. */
  restore(ranges: readonly Range[], lost: Lost | undefined): void {
    for (const [from, to] of ranges) this.applied.addRange(from, to);
    this.#lost ??= lost;
    this.isDirty = false;
  }

  get #overdue(): number {
    return this.#told[GAP_TICKS];
  }

  /** W1, W2. */
  #ask(tick: number): number {
    const overdue = this.#overdue;
    if (this.applied.missingUpTo(overdue) - this.#heldCount() > MISSING_MAX) return this.#loseAll(overdue);
    let lost = 0;
    for (const sequence of this.#missing(overdue)) {
      const asked = this.#asked.get(sequence);
      if (asked === undefined) this.#asked.set(sequence, { times: 0, nextTick: tick });
      else if (asked.times >= ASK_AFTER_TICKS.length && asked.nextTick <= tick) {
        this.lose(sequence, sequence);
        lost++;
      }
    }
    return lost;
  }

  #missing(upTo: number): number[] {
    const missing: number[] = [];
    this.applied.holes(upTo, (from, to) => {
      for (let sequence = from; sequence <= to; sequence++)
        if (!this.#isHeld(sequence)) missing.push(sequence);
      return true;
    });
    return missing;
  }

  #isHeld(sequence: number): boolean {
    for (const { sequences } of this.#held.values()) if (sequences.has(sequence)) return true;
    return false;
  }

  #heldCount(): number {
    let count = 0;
    for (const { sequences } of this.#held.values()) count += sequences.size;
    return count;
  }

  /** Sequences count as applied whose data will not come. */
  lose(from: number, to: number): void {
    const { above, upTo } = this.#lost ?? { above: this.applied.floor, upTo: to };
    this.#lost = { above, upTo: Math.max(upTo, to) };
    this.note(from, to);
  }

  /** A store that vouches for everything up to there was compared with, or taken over. */
  adopt(upTo: number): void {
    this.note(1, upTo);
    if (this.#lost === undefined || upTo <= this.#lost.above) return;
    this.#lost = upTo >= this.#lost.upTo ? undefined : { above: upTo, upTo: this.#lost.upTo };
    this.isDirty = true;
  }

  get lost(): Lost | undefined {
    return this.#lost;
  }

  /** Up to where all is here for certain (W3). */
  get vouched(): number {
    return this.#lost?.above ?? this.applied.floor;
  }

  /** Everything missing up to there counts as applied. */
  #loseAll(upTo: number): number {
    const lost = this.applied.missingUpTo(upTo);
    if (lost > 0) this.lose(1, upTo);
    return lost;
  }

  #bound(): number {
    const { ranges } = this.applied;
    return ranges.length <= RANGES_MAX ? 0 : this.#loseAll(ranges[ranges.length >> 1][0] - 1);
  }
}
