// The parts that a merge is cut into, and their keys as apply.lua takes them.
import { assert, type Latin1 } from '../../base/index.ts';
import {
  type Delta,
  isPlain,
  isPlainTtl,
  type KeyState,
  merge,
  NONE,
  registerOf,
  STRING_FIELD,
  TYPE_STRING,
} from '../../crdt/index.ts';
import type { Arg } from './access.ts';
import type { HeldKey } from './held-key.ts';
import type { Plan } from './merge-plan.ts';
import { slotOf } from './slots.ts';
import { versionText } from './version-text.ts';

const PART_KEYS_MAX = 512;
const PART_BYTES_MAX = 1024 * 1024;

/** One key of a part. */
export interface Item {
  readonly key: Latin1;
  /** What is merged; undefined: `change` is of another kind. */
  readonly state: KeyState | undefined;
  /** Decides on all of the key where nothing is merged. */
  readonly decide?: Decision | undefined;
  readonly isPlain: boolean;
  plan: Plan | undefined;
}

/** Decides about a key of which everything was read. undefined: it stays as it is. */
export type Decision = (held: HeldKey, now: number) => Plan | 'all' | undefined;

/** Invariants 2 and 3 of merging.ts. */
export function partsOf(deltas: readonly Delta[], isCluster: boolean): Item[][] {
  const parts: Item[][] = [];
  const open = new Map<number, { items: Map<Latin1, Item>; bytes: number }>();
  for (const { key, state } of deltas) {
    const slot = isCluster ? slotOf(key) : 0;
    let part = open.get(slot);
    const bytes = key.length + sizeOf(state);
    if (part === undefined || part.items.size >= PART_KEYS_MAX || part.bytes + bytes > PART_BYTES_MAX) {
      if (part !== undefined) parts.push([...part.items.values()]);
      part = { items: new Map(), bytes: 0 };
      open.set(slot, part);
    }
    part.bytes += bytes;
    part.items.set(key, itemOf(key, state, part.items.get(key)));
  }
  for (const { items } of open.values()) parts.push([...items.values()]);
  return parts;
}

function itemOf(key: Latin1, state: KeyState, before: Item | undefined): Item {
  if (before === undefined) return { key, state, isPlain: plainForm(state) !== undefined, plan: undefined };
  const both = before.state ?? state;
  merge(both, state);
  return { key, state: both, isPlain: false, plan: undefined };
}

/** Units: bytes of values, about. */
function sizeOf(state: KeyState): number {
  let size = 32;
  for (const fields of state.registers.values())
    for (const [field, { value }] of fields)
      size += 64 + field.length + (typeof value === 'string' || Buffer.isBuffer(value) ? value.length : 8);
  return size;
}

function plainForm(s: KeyState): 'P' | 'X' | 'D' | undefined {
  if (s.registers.size === 0)
    return s.type === 0 && s.expiryV === NONE && s.reach === NONE && s.clear !== NONE ? 'D' : undefined;
  if (s.registers.size > 1 || !isPlain(s)) return undefined;
  return isPlainTtl(s) ? 'X' : 'P';
}

/** A plain item of apply.lua. */
export function plainArgs(tag: string, { key, state }: Item): Arg[] {
  assert(state !== undefined, 'a plain delta has a state');
  const form = plainForm(state) ?? 'D';
  const head = [form, tag, key, versionText(state.clear)];
  if (form === 'D') return head;
  const value = registerOf(state, TYPE_STRING, STRING_FIELD)?.value as Buffer;
  return form === 'X' ? [...head, String(state.expiryAt), value] : [...head, value];
}
