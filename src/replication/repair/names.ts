// The names of keys by their places: kept where a list was just made, else found by one pass.
import { type Latin1, REPAIR_NAMES_MAX } from '../../base/index.ts';
import type { ComparedKey, Store } from '../../store/index.ts';
import { placeOf, slotBytes } from './entries.ts';

/** Names by place; two keys of one place are rare, but may be. */
export type Names = Map<number, Latin1[]>;

/** Adds a key's name. */
export function addName(names: Names, key: ComparedKey): void {
  const place = placeOf(key.slot, key.hash);
  const held = names.get(place);
  if (held === undefined) names.set(place, [key.key()]);
  else held.push(key.key());
}

/** Remembers names of keys as they are listed, up to REPAIR_NAMES_MAX. */
export class KnownNames {
  readonly names: Names = new Map();
  /** All that were listed are there. */
  isWhole = true;

  add(key: ComparedKey): void {
    if (this.names.size < REPAIR_NAMES_MAX) addName(this.names, key);
    else this.isWhole = false;
  }
}

/** Finds the names of the keys of some places. Errors: the store's. */
export async function namesAt(store: Store, atMs: number, places: readonly number[]): Promise<Names> {
  const wanted = new Set(places);
  const names: Names = new Map();
  const slots = slotBytes(places.map((place) => Math.floor(place / 4294967296)));
  await store.compare({ atMs, slots }, (key) => {
    if (wanted.has(placeOf(key.slot, key.hash))) addName(names, key);
  });
  return names;
}

/** The names of places in their order; `upTo[i]`: how many names the first i + 1 places have. */
export function inOrder(places: readonly number[], names: Names): { keys: Latin1[]; upTo: number[] } {
  const keys: Latin1[] = [];
  const upTo: number[] = [];
  for (const place of places) {
    // A store that changes while it is visited may show a key twice.
    keys.push(...new Set(names.get(place) ?? []));
    upTo.push(keys.length);
  }
  return { keys, upTo };
}
