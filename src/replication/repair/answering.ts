// Answers the requests of other sites. Every request says all that it needs; what is kept between two of one asker only saves passes.
//
// Invariants
//  A1  Comparisons are answered to one asker at a time (`Turns`), so one tree and one list are kept at most, for KEPT_MS.
//  A2  No answer is larger than about REPAIR_MESSAGE_BYTES (a page: PAGES_BYTES_MAX) and one key; between pieces the loop is free.
import {
  type Clock,
  type Latin1,
  MqkvError,
  PAGE_BYTES,
  PAGES_BYTES_MAX,
  PEER_REQUESTS_MAX,
  REPAIR_BYTES_PER_SECOND,
  REPAIR_MESSAGE_BYTES,
  type Timer,
} from '../../base/index.ts';
import type { Store } from '../../store/index.ts';
import type { Asker } from '../peer-port.ts';
import { type Asked, EntryLists, visitParts } from './entries.ts';
import { inOrder, KnownNames, type Names, namesAt } from './names.ts';
import { Pace } from './pace.ts';
import { type Tree, treeOf } from './tree.ts';
import type { Turns } from './turns.ts';
import * as wire from './wire.ts';

/** Units: ms that a pass is kept after its last use. */
const KEPT_MS = 20_000;
/** Deltas larger than this come apart. Units: bytes. */
const DELTAS_BYTES_MAX = 4 * REPAIR_MESSAGE_BYTES;

export interface AnsweringOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly turns: Turns;
  /** What STATUS says; what is applied as it was `ageMs` ago. */
  readonly status: (ageMs: number) => Omit<wire.PeerStatus, 'isBusy'>;
  /** This site can be compared now. */
  readonly isReady: () => boolean;
  /** Whether this site will not discard its data soon: another one relies on it. */
  readonly stay: (from: Asker, history: string) => Promise<boolean>;
  /** What is here for certain, of the store's own streams as well: last sequence by stream. */
  readonly vouched: () => Readonly<Record<string, number>>;
  /** Another site has compared everything with this one; `sinceMs`: when it began, by this site's clock. */
  readonly onCompared: (from: Asker, outcome: wire.Outcome, sinceMs: number) => void;
}

interface KeptTree {
  readonly tree: Promise<Tree>;
  readonly view: wire.View;
  readonly sinceMs: number;
}

interface Lists {
  readonly atMs: number;
  readonly asked: Asked;
  readonly lists: EntryLists;
  readonly known: KnownNames;
}

/** The answering side. */
export class Answering {
  readonly #options: AnsweringOptions;
  readonly #paces = new Map<string, Pace>();
  #tree: KeptTree | undefined;
  #lists: Lists | undefined;
  #timer: Timer | undefined;
  #underWay = 0;

  constructor(options: AnsweringOptions) {
    this.#options = options;
  }

  /** Answers one request. Errors: MqkvError `MALFORMED_REQUEST`, the store's. */
  async answer(from: Asker, request: Buffer): Promise<Buffer> {
    if (this.#underWay >= PEER_REQUESTS_MAX) return wire.busy();
    this.#underWay++;
    try {
      return await this.#answer(from, request);
    } finally {
      this.#underWay--;
    }
  }

  close(): void {
    this.#drop();
  }

  async #answer(from: Asker, request: Buffer): Promise<Buffer> {
    const reader = new wire.WireReader(request);
    const kind = reader.u8();
    if (kind === wire.STATUS) return this.#status(from, reader);
    if (kind === wire.PAGE) return this.#pages(from, reader);
    if (kind === wire.STAY) {
      const stays = await this.#options.stay(from, reader.rest().toString());
      return wire.ok(wire.encodeStay({ stays, applied: this.#options.vouched() }));
    }
    if (kind === wire.DONE) return this.#done(from, reader);
    if (!this.#options.isReady() || !this.#options.turns.give(from.storeId)) return wire.busy();
    const body = await this.#compared(kind, reader);
    // A long pass must not cost the asker its turn.
    this.#options.turns.give(from.storeId);
    this.#keep();
    return wire.ok(body);
  }

  #status({ storeId }: Asker, reader: wire.WireReader): Buffer {
    const { status, isReady, turns } = this.#options;
    const isBusy = !isReady() || !turns.isFreeFor(storeId);
    return wire.ok(wire.encodeStatus({ ...status(reader.u32()), isBusy }));
  }

  async #compared(kind: number, reader: wire.WireReader): Promise<Uint8Array> {
    if (kind === wire.PUSH) return this.#push(reader);
    if (kind === wire.STATES) return this.#states(reader);
    const view = wire.readView(reader);
    if (kind === wire.ROOT) return (await this.#treeOf(view)).root();
    if (kind === wire.SLOT_DIGESTS) return (await this.#treeOf(view)).slots();
    if (kind === wire.PARTS) return (await this.#treeOf(view)).partsOf(wire.readSlots(reader));
    if (kind === wire.ENTRIES) return this.#entries(view.atMs, reader);
    throw wire.malformed();
  }

  #treeOf(view: wire.View): Promise<Tree> {
    const held = this.#tree;
    if (held?.view.atMs === view.atMs && held.view.withYoung === view.withYoung) return held.tree;
    const { store, clock } = this.#options;
    const kept = { tree: treeOf(store, view), view, sinceMs: clock.now() };
    this.#tree = kept;
    kept.tree.catch(() => {
      if (this.#tree === kept) this.#tree = undefined;
    });
    return kept.tree;
  }

  async #entries(atMs: number, reader: wire.WireReader): Promise<Buffer> {
    const slots = wire.readSlots(reader);
    const masks = slots.map(() => reader.u16());
    const asked = { slots, masks };
    if (!covers(this.#lists, atMs, asked)) {
      const lists = new EntryLists();
      const known = new KnownNames();
      await visitParts(this.#options.store, { atMs, slots, masks }, (key) => {
        lists.add(key);
        known.add(key);
      });
      this.#lists = { atMs, asked, lists, known };
    }
    return this.#lists?.lists.encode(asked, REPAIR_MESSAGE_BYTES) ?? Buffer.alloc(0);
  }

  async #states(reader: wire.WireReader): Promise<Buffer> {
    const places: number[] = [];
    while (reader.left > 0) places.push(reader.u16() * 4294967296 + reader.u32());
    const { keys, upTo } = inOrder(places, await this.#namesAt(places));
    const { deltas, looked } = await statesUpTo(this.#options.store, keys, upTo);
    return new wire.WireWriter(deltas.length + 4).u32(looked).raw(deltas).done();
  }

  async #namesAt(places: readonly number[]): Promise<Names> {
    const { store, clock } = this.#options;
    const known = this.#lists?.known;
    if (known !== undefined && places.every((place) => known.names.has(place))) return known.names;
    return namesAt(store, this.#lists?.atMs ?? clock.now(), places);
  }

  async #push(reader: wire.WireReader): Promise<Buffer> {
    await this.#options.store.merge(Buffer.from(reader.rest()));
    return Buffer.alloc(0);
  }

  #done(from: Asker, reader: wire.WireReader): Buffer {
    const outcome = wire.readOutcome(reader);
    const sinceMs = this.#tree?.sinceMs;
    this.#options.turns.end(from.storeId);
    if (sinceMs !== undefined) this.#options.onCompared(from, outcome, sinceMs);
    this.#drop();
    return wire.ok();
  }

  /** A2. */
  async #pages(from: Asker, reader: wire.WireReader): Promise<Buffer> {
    const bytesMax = Math.min(reader.u32(), PAGES_BYTES_MAX);
    const cursor = reader.rest().toString('latin1');
    try {
      return wire.ok(await this.#pagesFrom(cursor, bytesMax, this.#paceOf(from)));
    } catch (error) {
      if (error instanceof MqkvError && error.code === 'BAD_CURSOR') return wire.voidCursor();
      throw error;
    }
  }

  async #pagesFrom(from: string, bytesMax: number, pace: Pace): Promise<Buffer> {
    let cursor: string | undefined = from;
    const writer = new wire.WireWriter(bytesMax + PAGE_BYTES);
    do {
      const page = await this.#options.store.page(cursor, PAGE_BYTES);
      cursor = page.next;
      if (page.deltas.length > 0) writer.u32(page.deltas.length).raw(page.deltas);
      await pace.spend(page.deltas.length);
    } while (cursor !== undefined && writer.length < bytesMax);
    return writer
      .u32(0)
      .raw(Buffer.from(cursor ?? '', 'latin1'))
      .done();
  }

  #paceOf({ storeId }: Asker): Pace {
    const held = this.#paces.get(storeId) ?? new Pace(this.#options.clock, REPAIR_BYTES_PER_SECOND);
    this.#paces.delete(storeId);
    this.#paces.set(storeId, held);
    const oldest = this.#paces.keys().next();
    if (this.#paces.size > PEER_REQUESTS_MAX && oldest.done !== true) this.#paces.delete(oldest.value);
    return held;
  }

  #keep(): void {
    this.#timer?.cancel();
    this.#timer = this.#options.clock.after(KEPT_MS, () => this.#drop());
  }

  #drop(): void {
    this.#timer?.cancel();
    this.#tree = undefined;
    this.#lists = undefined;
  }
}

/** What is kept was listed at the same time and holds the first of the asked slots with the same parts. */
function covers(kept: Lists | undefined, atMs: number, { slots, masks }: Asked): boolean {
  const [first] = slots;
  if (kept?.atMs !== atMs || first === undefined || first >= kept.lists.limit) return false;
  const maskOf = new Map(kept.asked.slots.map((slot, i) => [slot, kept.asked.masks[i]]));
  return slots.every((slot, i) => maskOf.get(slot) === masks[i]);
}

/** States of keys until an answer is full, whole places; `looked`: how many places. */
async function statesUpTo(
  store: Store,
  keys: readonly Latin1[],
  upTo: readonly number[],
): Promise<{ deltas: Buffer; looked: number }> {
  if (keys.length === 0) return { deltas: Buffer.alloc(0), looked: upTo.length };
  const { deltas, count } = await store.states(keys, REPAIR_MESSAGE_BYTES);
  const looked = upTo.filter((end) => end <= count).length;
  if (looked > 0) return { deltas, looked };
  // Two large keys of one place.
  const all = [deltas];
  for (let at = count; at < (upTo[0] ?? 0); ) {
    const more = await store.states(keys.slice(at, upTo[0]), DELTAS_BYTES_MAX);
    all.push(more.deltas);
    at += more.count;
  }
  return { deltas: Buffer.concat(all), looked: 1 };
}
