// Headers of slots page by page, with the values of plain ones (lua/scan.lua), and states of keys by name.
import { type Latin1, SLOTS } from '../../base/index.ts';
import { deletedState, type KeyState, plainState } from '../../crdt/index.ts';
import type { Reply } from '../../resp/index.ts';
import { type Access, type Arg, keysOf } from './access.ts';
import { parseHeader } from './header-text.ts';
import { itemsOf, readKeys, stateOfHeld, textOf } from './held-key.ts';
import { slotKey, slotOf, tagOf } from './slots.ts';
import type { StoreScripts } from './store-scripts.ts';

/** Keys of one reading of what is not plain: it must not hold up Redis. */
const READ_KEYS_MAX = 32;

/** How the scripts are reached. */
export interface ScanAround {
  readonly access: Access;
  readonly scripts: StoreScripts;
}

/** One of the two hashes of a slot's headers, and where to go on in it. */
export interface Place {
  readonly slot: number;
  readonly place: '' | '.';
  readonly cursor: string;
}

/** What lies at a place. */
export interface ScannedPlace {
  readonly place: Place;
  /** '0': it is finished. */
  readonly next: string;
  /** Shape: next cursor, then key, header, value each. Plain values that are not here are null. */
  readonly items: readonly Reply[];
}

/** How much of it; see scan.lua. */
export interface ScanBounds {
  readonly count: string;
  readonly keysMax: number;
  /** 0: no values. */
  readonly bytesMax: number;
}

/** Both places of a slot, from the beginning. */
export function placesOf(slot: number): readonly Place[] {
  return [
    { slot, place: '', cursor: '0' },
    { slot, place: '.', cursor: '0' },
  ];
}

/** Looks at the first of `places` (on a cluster of one slot), as many as the bounds allow, at least one. Errors: those of the access. */
export async function scanPlaces(
  { access, scripts }: ScanAround,
  places: readonly Place[],
  { count, keysMax, bytesMax }: ScanBounds,
): Promise<readonly ScannedPlace[]> {
  const args: Arg[] = [count, String(keysMax), String(bytesMax)];
  for (const { slot, place, cursor } of places) args.push(tagOf(slot), place, cursor);
  const slot = places[0]?.slot ?? 0;
  const keys = access.isCluster ? [slotKey(slot), `${slotKey(slot)}.`] : [];
  const results = itemsOf(await access.script(slot, scripts.scan, { keys, args, isRead: true }));
  return results.map((result, i) => {
    const items = itemsOf(result);
    return { place: places[i], next: textOf(items[0]), items };
  });
}

/**
 * States of the first of `keys` (on a cluster of one slot): at least one, until values take about `bytesMax`. Plain ones are read
 * without their registers. undefined: nothing is held. Owns: the caller. Errors: those of the access.
 */
export async function readStates(
  around: ScanAround,
  keys: readonly Latin1[],
  bytesMax: number,
): Promise<(KeyState | undefined)[]> {
  const { access, scripts } = around;
  const args: Arg[] = [String(bytesMax)];
  const declared: Arg[] = [];
  for (const key of keys) {
    const slot = slotOf(key);
    if (access.isCluster) declared.push(...keysOf(key, slot));
    args.push(tagOf(slot), key);
  }
  const slot = slotOf(keys[0] ?? '');
  const reply = itemsOf(await access.script(slot, scripts.plain, { keys: declared, args, isRead: true }));
  const states: (KeyState | undefined)[] = [];
  const others: number[] = [];
  for (let i = 0; i < reply.length; i += 2) {
    const header = textOf(reply[i]);
    const state = header === '' ? undefined : plainStateOf(header, reply[i + 1]);
    if (header !== '' && state === undefined) others.push(states.length);
    states.push(state);
  }
  for (let at = 0; at < others.length; at += READ_KEYS_MAX) {
    const part = others.slice(at, at + READ_KEYS_MAX);
    const asked = part.map((i) => ({ key: keys[i], names: 'all' as const }));
    const held = await readKeys(access, scripts.read, asked);
    for (const [i, one] of held.keys.entries())
      states[part[i]] = one.header === undefined ? undefined : stateOfHeld(one);
  }
  return states;
}

/** undefined: it is not plain, or its value is not there. */
function plainStateOf(text: Latin1, value: Reply): KeyState | undefined {
  const letter = text.charAt(0).toUpperCase();
  if (letter === 'G') return undefined;
  const { clear, expiryAt } = parseHeader(text);
  if (letter === 'D') return deletedState(clear);
  return value.kind === 'bulk' ? plainState(clear, value.bytes, expiryAt) : undefined;
}

/** All slots, or those of a byte a slot. */
export function slotsOf(wanted: Uint8Array | undefined): number[] {
  const slots: number[] = [];
  for (let slot = 0; slot < SLOTS; slot++) if (wanted === undefined || wanted[slot] !== 0) slots.push(slot);
  return slots;
}
