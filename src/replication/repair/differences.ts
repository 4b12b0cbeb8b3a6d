// What two lists of the same parts differ in: pure. The rules are those of DESIGN 7.
//
//  D1  Either side's key is young: it is on its way; nothing is done, unless the young count, too.
//  D2  Equal fingerprints, and the dead beside the absent or the dead: nothing.
//  D3  The other side has something under this hash: its states are pulled (and what then is more than theirs is pushed).
//  D4  Only this side has something: pushed. So it is where this side has more keys of one hash than the other.
import { DEAD, YOUNG } from '../../store/index.ts';
import { type Asked, type Entry, type EntryLists, placeOf } from './entries.ts';
import { PARTS_PER_SLOT } from './tree.ts';

/** Places of keys, see `placeOf`. */
export interface Differences {
  readonly pull: readonly number[];
  readonly push: readonly number[];
  /** Places that differ though nothing there is young. */
  readonly old: number;
}

/** Compares the lists of some parts, of slots below `limit`. */
export function differencesOf(
  mine: EntryLists,
  theirs: EntryLists,
  { slots, masks, limit, withYoung }: Asked & { readonly limit: number; readonly withYoung: boolean },
): Differences {
  const pull: number[] = [];
  const push: number[] = [];
  let old = 0;
  for (const [i, slot] of slots.entries()) {
    if (slot >= limit) break;
    for (let part = 0; part < PARTS_PER_SLOT; part++) {
      if ((((masks[i] ?? 0) >> part) & 1) === 0) continue;
      const index = slot * PARTS_PER_SLOT + part;
      const groups = groupsOf(mine.of(index), theirs.of(index));
      for (const [hash, group] of groups) {
        const fate = fateOf(group, withYoung);
        const place = placeOf(slot, hash);
        if (fate !== 'none' && !isYoung(group)) old++;
        if (fate === 'pull' || fate === 'both') pull.push(place);
        if (fate === 'push' || fate === 'both') push.push(place);
      }
    }
  }
  return { pull, push, old };
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

function fateOf(group: Group, withYoung: boolean): 'none' | 'pull' | 'push' | 'both' {
  const { mine, theirs } = group;
  if (areSame(mine, theirs) || (!withYoung && isYoung(group))) return 'none';
  if (theirs.length === 0) return 'push';
  return mine.length > theirs.length ? 'both' : 'pull';
}

function isYoung({ mine, theirs }: Group): boolean {
  return [...mine, ...theirs].some(({ standing }) => standing === YOUNG);
}

/** D2. */
function areSame(mine: readonly Entry[], theirs: readonly Entry[]): boolean {
  const [a, b] = [living(mine), living(theirs)];
  return a.length === b.length && a.every((print, i) => print === b[i]);
}

function living(entries: readonly Entry[]): number[] {
  return entries
    .filter(({ standing }) => standing !== DEAD)
    .map(({ low, high }) => printOf(low, high))
    .sort((a, b) => a - b);
}

/** 40 bits of a fingerprint as one number. */
export function printOf(low: number, high: number): number {
  return (high & 0xff) * 4294967296 + (low >>> 0);
}
