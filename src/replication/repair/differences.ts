// What two lists of the same parts differ in: pure. The rules are those of DESIGN 7.
//
//  D1  Either side's key is young: it is on its way; nothing is done, and it is counted.
//  D2  Equal fingerprints, and the dead beside the absent or the dead: nothing.
//  D3  The other side has something under this hash: its states are pulled (and what then is more than theirs is pushed).
//  D4  Only this side has something: pushed. So it is where this side has more keys of one hash than the other.
import { DEAD, SETTLED, YOUNG } from '../../store/index.ts';
import { type Asked, type Entry, type EntryLists, placeOf } from './entries.ts';
import { PARTS_PER_SLOT } from './tree.ts';

/** Places of keys, see `placeOf`. */
export interface Differences {
  readonly pull: readonly number[];
  readonly push: readonly number[];
  /** Places passed over because something there is young. */
  readonly young: number;
}

/** Compares the lists of some parts, of slots below `limit`. */
export function differencesOf(
  mine: EntryLists,
  theirs: EntryLists,
  { slots, masks, limit }: Asked & { readonly limit: number },
): Differences {
  const pull: number[] = [];
  const push: number[] = [];
  let young = 0;
  for (const [i, slot] of slots.entries()) {
    if (slot >= limit) break;
    for (let part = 0; part < PARTS_PER_SLOT; part++) {
      if ((((masks[i] ?? 0) >> part) & 1) === 0) continue;
      const index = slot * PARTS_PER_SLOT + part;
      const groups = groupsOf(mine.of(index), theirs.of(index));
      for (const [hash, group] of groups) {
        const fate = fateOf(group);
        const place = placeOf(slot, hash);
        if (fate === 'young') young++;
        if (fate === 'pull' || fate === 'both') pull.push(place);
        if (fate === 'push' || fate === 'both') push.push(place);
      }
    }
  }
  return { pull, push, young };
}

interface Group {
  readonly mine: Entry[];
  readonly theirs: Entry[];
}

function groupsOf(mine: readonly Entry[], theirs: readonly Entry[]): Map<number, Group> {
  const groups = new Map<number, Group>();
  const at = (hash: number): Group => {
    const group = groups.get(hash) ?? { mine: [], theirs: [] };
    groups.set(hash, group);
    return group;
  };
  for (const entry of mine) at(entry.hash).mine.push(entry);
  for (const entry of theirs) at(entry.hash).theirs.push(entry);
  return groups;
}

function fateOf({ mine, theirs }: Group): 'none' | 'young' | 'pull' | 'push' | 'both' {
  if (areSame(mine, theirs)) return 'none';
  if ([...mine, ...theirs].some(({ standing }) => standing === YOUNG)) return 'young';
  if (theirs.length === 0) return 'push';
  return mine.length > theirs.length ? 'both' : 'pull';
}

/** D2. */
function areSame(mine: readonly Entry[], theirs: readonly Entry[]): boolean {
  const [a, b] = [living(mine), living(theirs)];
  return a.length === b.length && a.every((print, i) => print === b[i]);
}

function living(entries: readonly Entry[]): number[] {
  return entries
    .filter(({ standing }) => standing !== DEAD)
    .map(({ standing, low, high }) => (standing === SETTLED ? printOf(low, high) : -1))
    .sort((a, b) => a - b);
}

/** 40 bits of a fingerprint as one number. */
export function printOf(low: number, high: number): number {
  return (high & 0xff) * 4294967296 + (low >>> 0);
}
