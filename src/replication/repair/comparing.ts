// One comparison with one other site, from the root down to keys, both ways.
//
// Invariants
//  P1  At both sides at most REPAIR_ENTRIES_MAX keys are listed at one time: what is beyond them is the next step, by slots.
//  P2  Everything ends in `store.merge`, here or there: whatever changes meanwhile, nothing wrong can come of it.
import {
  type Clock,
  type Latin1,
  latin1Of,
  REPAIR_BYTES_PER_SECOND,
  REPAIR_ENTRIES_MAX,
  REPAIR_MESSAGE_BYTES,
  REPAIR_STATES_MAX,
  slotOfBytes,
} from '../../base/index.ts';
import {
  DEAD,
  DeltaWriter,
  decodeDeltas,
  encodeDelta,
  Fingerprint,
  keyHash,
  visitDeltaKeys,
} from '../../crdt/index.ts';
import type { Store } from '../../store/index.ts';
import { differencesOf } from './differences.ts';
import { type Asked, EntryLists, partIndex, visitParts } from './entries.ts';
import { inOrder, namesAt } from './names.ts';
import { Pace } from './pace.ts';
import { treeOf } from './tree.ts';
import * as wire from './wire.ts';

/** Slots whose parts are asked for at one time, for answers of REPAIR_MESSAGE_BYTES. */
const PART_SLOTS_MAX = Math.floor(REPAIR_MESSAGE_BYTES / 64);

export interface ComparingOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** The other site's clock just now. Units: Unix ms. */
  readonly nowMs: number;
  /** Asks the other site. Errors: those of `PeerPort.ask`. */
  readonly ask: (request: Buffer) => Promise<Buffer>;
  /** What this store vouches for: last sequence by stream. */
  readonly applied: Readonly<Record<string, number>>;
  /** See `View`. */
  readonly withYoung: boolean;
  /** Only these slots, a byte a slot. Default: all. */
  readonly slots?: Uint8Array | undefined;
  /** Ends it early. */
  readonly signal: AbortSignal;
}

/** What a comparison did. */
export interface Compared {
  /** Slots that differed. */
  slots: number;
  /** Keys listed by the other site. */
  listed: number;
  pulled: number;
  pushed: number;
  /** Keys that differed though they were not young. */
  old: number;
}

/** Compares, pulls and pushes until nothing known differs. Errors: those of the port, of the store; `PEER_BUSY`. */
export async function compareWith(options: ComparingOptions): Promise<Compared> {
  return new Comparing(options).run();
}

class Comparing {
  readonly #options: ComparingOptions;
  readonly #pace: Pace;
  readonly #done: Compared = { slots: 0, listed: 0, pulled: 0, pushed: 0, old: 0 };
  readonly #fingerprint = new Fingerprint();
  readonly #view: wire.View;

  constructor(options: ComparingOptions) {
    this.#options = options;
    const { clock, nowMs, withYoung } = options;
    this.#view = { atMs: Math.max(nowMs, clock.now()), withYoung };
    this.#pace = new Pace(options.clock, REPAIR_BYTES_PER_SECOND);
  }

  async run(): Promise<Compared> {
    const asked = await this.#differing();
    if (asked.slots.length > 0) await this.#repair(asked);
    const { withYoung, slots, applied } = this.#options;
    const isOld = this.#done.old > 0;
    await this.#ask(wire.doneRequest({ withYoung, isWhole: slots === undefined, isOld, applied }));
    return this.#done;
  }

  /** The parts that differ. */
  async #differing(): Promise<Asked> {
    const { store, slots: only } = this.#options;
    const root = this.#ask(wire.viewRequest(wire.ROOT, this.#view));
    root.catch(() => {});
    const [tree, theirs] = await Promise.all([treeOf(store, this.#view), root]);
    if (theirs.rest().equals(tree.root())) return { slots: [], masks: [] };
    const all = tree.differing(await this.#ask(wire.viewRequest(wire.SLOT_DIGESTS, this.#view)));
    const slots = all.filter((slot) => only === undefined || only[slot] !== 0);
    this.#done.slots = slots.length;
    const masks: number[] = [];
    for (let at = 0; at < slots.length; at += PART_SLOTS_MAX) {
      const some = slots.slice(at, at + PART_SLOTS_MAX);
      const request = wire.writeSlots(wire.viewRequest(wire.PARTS, this.#view), some);
      masks.push(...tree.masks(some, await this.#ask(request)));
    }
    return { slots, masks };
  }

  /** P1. */
  async #repair(all: Asked): Promise<void> {
    let theirs = new EntryLists();
    let listedTo = 0;
    for (let left = all; left.slots.length > 0; ) {
      const [first = 0] = left.slots;
      while (
        first >= listedTo ||
        (theirs.count < REPAIR_ENTRIES_MAX / 2 && left.slots.some((s) => s >= listedTo))
      )
        listedTo = await this.#list(theirs, fromSlot(left, listedTo));
      const mine = new EntryLists();
      const listed = beforeSlot(left, listedTo);
      await visitParts(this.#options.store, { ...listed, atMs: this.#view.atMs }, (key) => mine.add(key));
      const limit = Math.min(listedTo, mine.limit);
      await this.#settle(mine, theirs, { ...listed, limit, withYoung: this.#view.withYoung });
      left = fromSlot(left, limit);
      if (limit >= listedTo) {
        this.#done.listed += theirs.count;
        theirs = new EntryLists();
      }
    }
  }

  async #list(theirs: EntryLists, asked: Asked): Promise<number> {
    const request = wire.writeSlots(wire.viewRequest(wire.ENTRIES, this.#view), asked.slots);
    for (const mask of asked.masks) request.u16(mask);
    return theirs.read(asked, await this.#ask(request));
  }

  async #settle(
    mine: EntryLists,
    theirs: EntryLists,
    asked: Asked & { readonly limit: number; readonly withYoung: boolean },
  ): Promise<void> {
    const { pull, push, old } = differencesOf(mine, theirs, asked);
    this.#done.old += old;
    for (let at = 0; at < pull.length; )
      at += await this.#pull(pull.slice(at, at + REPAIR_STATES_MAX), theirs);
    if (push.length === 0) return;
    const { store } = this.#options;
    for (let at = 0; at < push.length; at += REPAIR_ENTRIES_MAX) {
      const some = push.slice(at, at + REPAIR_ENTRIES_MAX);
      await this.#pushKeys(inOrder(some, await namesAt(store, this.#view.atMs, some)).keys);
    }
  }

  /** Result: how many places were settled. */
  async #pull(places: readonly number[], theirs: EntryLists): Promise<number> {
    const request = wire.request(wire.STATES);
    for (const place of places) request.u16(Math.floor(place / 4294967296)).u32(place % 4294967296);
    const reader = await this.#ask(request);
    const looked = reader.u32();
    if (looked < 1 || looked > places.length) throw wire.malformed();
    // The answer's memory is one with that of others.
    const deltas = Buffer.from(reader.rest());
    if (deltas.length === 0) return looked;
    await this.#options.store.merge(deltas);
    const keys: Latin1[] = [];
    visitDeltaKeys(deltas, (start, end) => keys.push(latin1Of(deltas.subarray(start, end))));
    this.#done.pulled += keys.length;
    await this.#pushMore(keys, theirs);
    return looked;
  }

  /** Pushes those of the keys of which this site now has more than the other listed. */
  async #pushMore(keys: readonly Latin1[], theirs: EntryLists): Promise<void> {
    let more = new DeltaWriter();
    for (let at = 0; at < keys.length; ) {
      const { deltas, count } = await this.#options.store.states(keys.slice(at), REPAIR_MESSAGE_BYTES);
      at += count;
      for (const { key, state } of decodeDeltas(deltas)) {
        const bytes = Buffer.from(key, 'latin1');
        this.#fingerprint.of(bytes, state, this.#view.atMs);
        if (this.#isListed(bytes, theirs)) continue;
        encodeDelta(more, bytes, state, 'sorted');
        this.#done.pushed++;
      }
      if (more.bytes().length > 0) await this.#push(Buffer.from(more.bytes()));
      more = new DeltaWriter();
    }
  }

  /** The other site has this key as it was fingerprinted last. */
  #isListed(key: Buffer, theirs: EntryLists): boolean {
    const hash = keyHash(key, 0, key.length);
    const { low, high, standing } = this.#fingerprint;
    return theirs
      .of(partIndex(slotOfBytes(key, 0, key.length), hash))
      .some(
        (entry) =>
          entry.hash === hash &&
          (entry.standing === DEAD) === (standing === DEAD) &&
          entry.low === low &&
          entry.high === (high & 0xff),
      );
  }

  async #pushKeys(keys: readonly Latin1[]): Promise<void> {
    for (let at = 0; at < keys.length; ) {
      const { deltas, count } = await this.#options.store.states(keys.slice(at), REPAIR_MESSAGE_BYTES);
      at += count;
      this.#done.pushed += count;
      if (deltas.length > 0) await this.#push(deltas);
    }
  }

  async #push(deltas: Buffer): Promise<void> {
    await this.#ask(new wire.WireWriter(deltas.length + 1).u8(wire.PUSH).raw(deltas));
  }

  async #ask(request: wire.WireWriter): Promise<wire.WireReader> {
    const { ask, signal } = this.#options;
    const bytes = request.done();
    const answer = await ask(bytes);
    await this.#pace.spend(bytes.length + answer.length, signal);
    return wire.answered(answer);
  }
}

/** Those of the asked slots that are before one. */
function beforeSlot({ slots, masks }: Asked, to: number): Asked {
  const count = slots.filter((slot) => slot < to).length;
  return { slots: slots.slice(0, count), masks: masks.slice(0, count) };
}

/** Those of the asked slots that are not before one. */
function fromSlot({ slots, masks }: Asked, from: number): Asked {
  const at = slots.findIndex((slot) => slot >= from);
  return at < 0 ? { slots: [], masks: [] } : { slots: slots.slice(at), masks: masks.slice(at) };
}
