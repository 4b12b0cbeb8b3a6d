// A site that was apart for longer than the horizon holds what the others may have forgotten (DESIGN 3): it discards its copy, if
// nothing can be lost by that, or else it is merged and says so.
//
// Invariants
//  X1  Until it is decided, nothing is compared with this site, by neither side.
//  X2  Only one of two sites discards: the other one has said that it stays, and does not discard for STAY_MS.
//  X3  It discards only when the peer has applied all that this store ever sent, nothing waits to be sent, and the peer vouches (W3 of
//      stream-window.ts) for that and for everything of other stores' streams that came here before: this site may be the only one
//      that heard a store that is gone since.
//  X4  How much a process sent that did not stop in order is not known (its last note may be older than its last message): of that the
//      peer has all only when it has been compared with since.
//  X5  What a peer has is known of its present history only: one that has gone back, or may have, has other origins. It may have lost
//      what it wrote itself and only this site still holds, so it must be of the history that it had when the two were apart.
import { type Clock, isWithin, type Timer } from '../../base/index.ts';
import type { Member } from '../membership.ts';
import type { RepairContext } from '../repair-hooks.ts';
import type { StayAnswer } from './wire.ts';

/** Units: ms for which a promise to stay holds. */
const STAY_MS = 60_000;
/** Units: ms between two looks at who is heard. */
const LOOK_MS = 1_000;
/** The note of a store that holds everything. Shape: '1'. */
export const COMPLETE_NOTE = 'complete';
const HEARD = 'heard';
const KEPT = 'kept:';
const SENT = 'sent:';
/** Units: ms between two notes of when others were heard. */
const NOTE_MS = 60_000;
/** A last sequence: whatever it was, all of the stream. */
const WHOLE = Number.MAX_SAFE_INTEGER;
/** Other stores of which it is remembered what they have. */
const KEPT_MAX = 256;

// notes   "heard" := Unix ms when another site was last heard
//         "kept:" storeId ("." origin)* := JSON of the last sequences, by stream of this store, of all that this store ever sent: that store has it;
//         of a stream that did not end in order: WHOLE

/** Watches how long this site has been apart. */
export class Apart {
  readonly #context: RepairContext;
  readonly #clock: Clock;
  readonly #isComplete: () => boolean;
  readonly #kept = new Map<string, string>();
  #own: Record<string, number> = {};
  /** Streams whose end is not known (X4), and the stores that were compared with since this process started. */
  readonly #unsure = new Set<string>();
  readonly #compared = new Set<string>();
  /** X3. Of others' streams, the greatest sequences that came here before this site was apart. */
  #heardOfOthers: Readonly<Record<string, number>> = {};
  #timer: Timer | undefined;
  /** Units: Unix ms; 0: nobody was ever heard. */
  #heardMs = 0;
  #notedMs = 0;
  #isUndecided = false;
  #stayUntilMs = 0;
  #isAsking = false;
  /** This site turned out to have been apart. */
  onApart: (() => void) | undefined;

  constructor(context: RepairContext, isComplete: () => boolean) {
    this.#context = context;
    this.#clock = context.clock;
    this.#isComplete = isComplete;
  }

  /** Takes what the notes remember. */
  start(notes: ReadonlyMap<string, string>): void {
    this.#heardMs = Math.max(Number(notes.get(HEARD) ?? 0), this.#context.membership.lastHeardBeforeMs);
    this.#restore(notes);
    this.#doubt(notes);
    this.#heardOfOthers = this.#context.receiver.newestApplied();
    this.#timer = this.#clock.every(LOOK_MS, () => this.#look());
  }

  close(): void {
    this.#timer?.cancel();
  }

  /** This site has been apart for longer than the horizon, and nothing is decided yet. */
  get isUndecided(): boolean {
    this.#judge();
    return this.#isUndecided;
  }

  /**
   * Another site wants this one to stay, as the history that it knows. A store that was emptied, or went back, behind its site does not
   * know it yet: reading its notes tells.
   */
  async stay(asker: string, history: string): Promise<boolean> {
    const { store } = this.#context;
    const isHeld = (await store.notes.read()).get(COMPLETE_NOTE) === '1';
    const { id: storeId, origin } = store;
    const isKnown = history === historyOf({ storeId, origin, origins: store.origins ?? [origin] });
    if (!isHeld || !isKnown || !this.#isComplete()) return false;
    // Both want to discard: the one with the smaller id may.
    if (this.#isAsking && store.id < asker) return false;
    this.#stayUntilMs = this.#clock.now() + STAY_MS;
    return true;
  }

  /** X2: this site has said that it stays. */
  get mustStay(): boolean {
    return isWithin(this.#clock, this.#stayUntilMs, STAY_MS);
  }

  /** Decides with one complete site. `ask` has it stay. Result: discard. */
  async decide(peer: Member, ask: () => Promise<StayAnswer>): Promise<boolean> {
    // Other gateways of this site may have sent and noted more.
    this.#restore(await this.#context.store.notes.read());
    const isKnown = this.#kept.has(historyOf(peer));
    if (!isKnown || !this.#hasAll(peer) || this.mustStay) return false;
    this.#isAsking = true;
    try {
      const { stays, applied } = await ask();
      return stays && !this.mustStay && this.#hasAll(peer) && this.#vouchesForAll(applied);
    } finally {
      this.#isAsking = false;
    }
  }

  /** It is decided: this site goes on, with its own data or without. */
  decided(): void {
    this.#isUndecided = false;
    this.#heardMs = this.#clock.now();
  }

  /** Everything was compared with another store. */
  compared(member: Member): void {
    this.#compared.add(historyOf(member));
    for (const oldest of this.#compared) {
      if (this.#compared.size <= KEPT_MAX) break;
      this.#compared.delete(oldest);
    }
  }

  /** The data is gone, and what was noted of it. */
  forget(): void {
    this.#kept.clear();
    this.#own = {};
    this.#unsure.clear();
    this.#compared.clear();
  }

  /** X4. A store takes a new origin at any start but one after a stop in order; several gateways share the notes while they run. */
  #doubt(notes: ReadonlyMap<string, string>): void {
    const { store, sender } = this.#context;
    if (store.bus !== undefined) return;
    for (const [name, text] of notes) {
      const stream = name.startsWith(SENT) ? name.slice(SENT.length) : sender.stream;
      if (stream !== sender.stream && Number(text.split(';')[1]) !== store.origin) this.#unsure.add(stream);
    }
  }

  #restore(notes: ReadonlyMap<string, string>): void {
    for (const [name, text] of notes) {
      if (name.startsWith(KEPT)) this.#kept.set(name.slice(KEPT.length), text);
      const sequence = name.startsWith(SENT) ? Number.parseInt(text, 10) : -1;
      if (sequence >= 0) this.#own[name.slice(SENT.length)] = sequence;
    }
  }

  /** X3. */
  #hasAll(member: Member): boolean {
    const { sender } = this.#context;
    if (!sender.empty) return false;
    const own = this.#ownNow();
    const { applied } = member;
    const history = historyOf(member);
    const kept: unknown = JSON.parse(this.#kept.get(history) ?? '{}');
    const keptOf = typeof kept === 'object' && kept !== null ? (kept as Record<string, unknown>) : {};
    return Object.entries(own).every(([stream, upTo]) => {
      const isUnsure = this.#unsure.has(stream);
      if (Number(keptOf[stream] ?? -1) >= (isUnsure ? WHOLE : upTo)) return true;
      return isUnsure ? this.#compared.has(history) : (applied[stream] ?? 0) >= upTo;
    });
  }

  /** X3. `applied`: what the peer vouches for; its own streams are included. */
  #vouchesForAll(applied: StayAnswer['applied']): boolean {
    const others = Object.entries(this.#heardOfOthers);
    // Of an own stream that the peer has forgotten it was noted what it has.
    const own = Object.entries(this.#ownNow()).filter(([stream]) => applied[stream] !== undefined);
    return [...others, ...own].every(([stream, upTo]) => (applied[stream] ?? 0) >= upTo);
  }

  /** The last sequences of all streams of this store. */
  #ownNow(): Record<string, number> {
    const { stream, lastSequence } = this.#context.sender;
    if (lastSequence > 0) this.#own[stream] = lastSequence;
    return this.#own;
  }

  #judge(): void {
    const { horizonMs } = this.#context;
    if (this.#isUndecided || this.#heardMs === 0 || !this.#isComplete()) return;
    if (this.#clock.now() - this.#heardMs <= horizonMs) return;
    this.#isUndecided = true;
    this.onApart?.();
  }

  #look(): void {
    const { membership, sender, receiver } = this.#context;
    this.#judge();
    if (!this.#isUndecided) this.#heardOfOthers = receiver.newestApplied();
    const heard = membership.members().filter(({ silentMs, isNoted }) => silentMs <= 2 * LOOK_MS && !isNoted);
    if (this.#isUndecided || heard.length === 0) return;
    this.#heardMs = this.#clock.now();
    const notes: Record<string, string> = {};
    if (Math.abs(this.#heardMs - this.#notedMs) >= NOTE_MS) {
      this.#notedMs = this.#heardMs;
      notes[HEARD] = String(this.#heardMs);
    }
    if (sender.empty) for (const member of heard) this.#noteKept(member, notes);
    if (Object.keys(notes).length > 0) void this.#write(notes);
  }

  #noteKept(member: Member, notes: Record<string, string>): void {
    const { lacking, loading, complete } = member;
    const history = historyOf(member);
    if (lacking || loading || !complete || !this.#hasAll(member)) return;
    const own = { ...this.#ownNow() };
    for (const stream of this.#unsure) own[stream] = WHOLE;
    const text = JSON.stringify(own);
    if (this.#kept.get(history) === text) return;
    this.#kept.set(history, text);
    notes[KEPT + history] = text;
    for (const gone of this.#surplus()) notes[KEPT + gone] = '';
  }

  /** Stores beyond KEPT_MAX, the longest remembered first. */
  #surplus(): string[] {
    const gone = [...this.#kept.keys()].slice(0, Math.max(0, this.#kept.size - KEPT_MAX));
    for (const storeId of gone) this.#kept.delete(storeId);
    return gone;
  }

  async #write(notes: Record<string, string>): Promise<void> {
    try {
      await this.#context.store.notes.write(notes);
    } catch {
      this.#notedMs = 0;
    }
  }
}

/** X5. */
export function historyOf({
  storeId,
  origin,
  origins,
}: Pick<Member, 'storeId' | 'origin' | 'origins'>): string {
  const all = origins.length > 0 ? origins : [origin];
  return [storeId, ...all.toSorted((a, b) => a - b).map((one) => one.toString(16))].join('.');
}
