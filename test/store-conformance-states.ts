// What the store conformance suite makes its tests of: states, their deltas, and what was taken of an outbox.
import { below, bytesOf, type Latin1, type Random } from '../src/base/index.ts';
import {
  type Delta,
  DeltaWriter,
  decodeDeltas,
  Edit,
  encodeDelta,
  KeyState,
  makeVersion,
  TYPE_HASH,
  TYPE_LIST,
  TYPE_SET,
  TYPE_STRING,
  TYPE_ZSET,
} from '../src/crdt/index.ts';
import type { Page, Store, Taken } from '../src/store/index.ts';
import { encodeList } from '../src/store/redis/whole-value.ts';

/** Long after every version of the random deltas; before the clock of any store. Units: Unix ms. */
export const BASE_MS = 1_000_000;
/** Units: bytes; more than all that a test has. */
export const ALL = 1e9;

export async function takeOne(store: Store, maxBytes: number): Promise<Taken | undefined> {
  return store.outbox.take(maxBytes);
}

export async function takeAll(store: Store): Promise<Delta[]> {
  const all: Delta[] = [];
  for (let taken = await takeOne(store, ALL); taken !== undefined; taken = await takeOne(store, ALL)) {
    all.push(...decodeDeltas(taken.deltas));
    taken.accepted();
  }
  return all;
}

export function keysIn(taken: Taken | undefined): Latin1[] {
  return [...decodeDeltas(taken?.deltas ?? Buffer.alloc(0))].map(({ key }) => key).sort();
}

/** The one value that a key shows, runs counted. */
export function shownText(state: KeyState): string {
  const [register] = state.registers.get(state.type === 0 ? TYPE_STRING : state.type)?.values() ?? [];
  if (register?.runs !== undefined)
    return String([...register.runs.values()].reduce((sum, { total }) => sum + Number(total), 0));
  const value = register?.value;
  return Buffer.isBuffer(value) ? value.toString('latin1') : String(value);
}

export function stateOfString(ms: number, value: string): KeyState {
  const s = new KeyState();
  const edit = new Edit(s, makeVersion(ms, 0, 9), ms);
  edit.overwrite();
  edit.put(TYPE_STRING, '', bytesOf(value));
  edit.finish();
  return s;
}

export function deltaOf(key: Latin1, state: KeyState): Buffer {
  const writer = new DeltaWriter();
  encodeDelta(writer, bytesOf(key), state, 'whole');
  return Buffer.from(writer.bytes());
}

export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const order = items.map((item) => ({ item, at: random.uint32() }));
  return order.sort((a, b) => a.at - b.at).map(({ item }) => item);
}

/** Versions ascend and are unique, as at real sites. Without expiries: their firing depends on when each store looks. */
export function randomState(random: Random, from: number): KeyState {
  const s = new KeyState();
  const origin = 1 + below(random, 6);
  for (let i = 0; i < 1 + below(random, 4); i++) {
    const edit = new Edit(s, makeVersion(BASE_MS + from * 10 + i, below(random, 3), origin), BASE_MS);
    randomEffect(edit, random, `${from}.${i}`);
    edit.finish();
  }
  return s;
}

function randomEffect(edit: Edit, random: Random, unique: string): void {
  const field = `f${below(random, 3)}`;
  const onHash = [
    () => edit.put(TYPE_HASH, field, `x${unique}`),
    () => edit.add(TYPE_HASH, field, 3n),
    () => edit.remove(TYPE_HASH, field),
  ];
  const effects = [
    () => edit.put(TYPE_SET, field, true),
    () => edit.put(TYPE_ZSET, field, random.uint32() / 7),
    () => edit.put(TYPE_LIST, '', encodeList([bytesOf(unique)])),
    () => edit.put(TYPE_STRING, '', bytesOf(unique)),
    () => edit.overwrite(),
  ];
  // Changes of type and overwrites end most of what came before.
  const isRare = below(random, 40) === 0;
  (isRare ? effects[below(random, effects.length)] : onHash[below(random, onHash.length)])?.();
}

/** Every page's deltas. */
export async function allPages(store: Store, maxBytes: number): Promise<Buffer[]> {
  const pages: Buffer[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const page: Page = await store.page(cursor, maxBytes);
    cursor = page.next;
    pages.push(page.deltas);
  }
  return pages;
}
