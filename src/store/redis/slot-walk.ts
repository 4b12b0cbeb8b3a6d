// Every header of the store, slot after slot, as walk.lua tells of them.
import type { Latin1 } from '../../base/index.ts';
import type { Access } from './access.ts';
import { integerOf, itemsOf, textOf } from './held-key.ts';
import type { Script } from './scripts.ts';
import { slotKey, slotOf, tagOf } from './slots.ts';

const SLOTS = 16_384;
/** Slots of one call where all lie on one node: an empty one costs Redis two microseconds. */
const SLOTS_AT_ONCE = 64;

/** What a header needs: marked, fired, perhaps forgettable, tombstones, a part expires; 'k': nothing of these. */
export type Need = 'm' | 'f' | 'o' | 't' | '@' | 'k';

/** A header. */
export interface Walked {
  readonly key: Latin1;
  readonly need: Need;
  readonly header: Latin1;
}

/** What to look for; see walk.lua. Units: Unix ms. */
export interface WalkFor {
  readonly youngerMs: number;
  readonly beforeMs: number;
  readonly tidy: '0' | '1' | 'all';
}

/** Groups of slots that one step visits. */
export function slotGroups(isCluster: boolean): readonly (readonly number[])[] {
  const size = isCluster ? 1 : SLOTS_AT_ONCE;
  return Array.from({ length: SLOTS / size }, (_, i) => Array.from({ length: size }, (_, j) => i * size + j));
}

/** Looks through the slots of a group, both hashes of each, page by page. `shownNothing` is told how many headers of a page show nothing. Errors: those of the access. */
export async function* walkSlots(
  access: Access,
  script: Script,
  on: {
    readonly slots: readonly number[];
    readonly what: WalkFor;
    readonly shownNothing?: (count: number) => void;
  },
): AsyncGenerator<Walked[], void> {
  const { youngerMs, beforeMs, tidy } = on.what;
  let open = on.slots.flatMap((slot) => [
    { slot, place: '', cursor: '0' },
    { slot, place: '.', cursor: '0' },
  ]);
  while (open.length > 0) {
    const args = [String(youngerMs), String(beforeMs), tidy];
    for (const { slot, place, cursor } of open) args.push(tagOf(slot), place, cursor);
    const slot = open[0]?.slot ?? 0;
    const keys = access.isCluster ? [slotKey(slot), `${slotKey(slot)}.`] : [];
    const results = itemsOf(await access.script(slot, script, { keys, args, isRead: true }));
    const next: typeof open = [];
    const found: Walked[] = [];
    for (const [i, result] of results.entries()) {
      const items = itemsOf(result);
      on.shownNothing?.(integerOf(items[1]));
      const [cursor, , ...flat] = items.map(textOf);
      for (let at = 0; at < flat.length; at += 3)
        found.push({ key: flat[at] ?? '', need: (flat[at + 1] ?? 'k') as Need, header: flat[at + 2] ?? '' });
      const before = open[i];
      if (before !== undefined && cursor !== undefined && cursor !== '0') next.push({ ...before, cursor });
    }
    if (found.length > 0) yield found;
    open = next;
  }
}

/** Slots that have headers, by a SCAN of each node for the names of their hashes; in groups as `slotGroups` gives them. */
export async function usedSlotGroups(access: Access, slotOfEachNode: readonly number[]): Promise<number[][]> {
  const used = new Set<number>();
  for (const node of slotOfEachNode) {
    let cursor = '0';
    do {
      const args = ['SCAN', cursor, 'MATCH', 'mqkv:{???}*', 'COUNT', '10000', 'TYPE', 'hash'];
      const [next, names] = itemsOf(await access.call(node, args, { isRead: true }));
      for (const name of itemsOf(names)) used.add(slotOf(textOf(name)));
      cursor = textOf(next);
    } while (cursor !== '0');
  }
  const slots = [...used].sort((a, b) => a - b);
  const size = access.isCluster ? 1 : SLOTS_AT_ONCE;
  return Array.from({ length: Math.ceil(slots.length / size) }, (_, i) =>
    slots.slice(i * size, i * size + size),
  );
}
