// Whole states as deltas: page by page over all keys, or of keys by name.
//
//   cursor = "" | tag "." position      the beginning; else the table it is of, and where its index goes on, both hexadecimal
//
// The index goes through the hashes in an order that growth does not change, so a cursor stays good while keys come and go. Another
// table hashes by another seed: its cursors are refused, not misunderstood.
import { type Latin1, MqkvError } from '../../base/index.ts';
import type { Page } from '../store.ts';
import type { Core } from './core.ts';
import type { DeltaBuffer } from './delta-buffer.ts';
import type { Ref } from './slab.ts';

/** Keys looked up at one time; a page may go over its size by these. */
const PAGE_KEYS = 16;
/** Scans of a page that found less, because the index is nearly empty there, about 1 ms each: then the page is short, or empty. */
const SPARSE_MAX = 4;

/** A page from a cursor on. Errors: MqkvError `BAD_CURSOR`. */
export function pageOf(
  core: Core,
  deltas: DeltaBuffer,
  { cursor, maxBytes }: { readonly cursor: string; readonly maxBytes: number },
): Page {
  let position = positionOf(core, cursor);
  const refs: Ref[] = [];
  let sparse = 0;
  do {
    refs.length = 0;
    position = core.table.index.scan(position, PAGE_KEYS, (ref) => refs.push(ref));
    for (const ref of refs) deltas.add(core, ref, 'whole');
    if (refs.length < PAGE_KEYS) sparse++;
  } while (position !== 0 && deltas.length < maxBytes && sparse < SPARSE_MAX);
  const next = position === 0 ? undefined : `${core.table.tag}.${position.toString(16)}`;
  return { deltas: deltas.take(), next };
}

function positionOf(core: Core, cursor: string): number {
  if (cursor === '') return 0;
  const [, tag, position] = /^([0-9a-f]{8})\.([0-9a-f]{1,8})$/.exec(cursor) ?? [];
  if (tag === core.table.tag && position !== undefined) return Number.parseInt(position, 16);
  throw new MqkvError('BAD_CURSOR', `the cursor "${cursor.slice(0, 40)}" is not of this store as it is now`);
}

/** The whole states of keys, in their order, until about `maxBytes`. */
export function statesOf(
  core: Core,
  deltas: DeltaBuffer,
  { keys, maxBytes }: { readonly keys: readonly Latin1[]; readonly maxBytes: number },
): { deltas: Buffer; count: number } {
  let count = 0;
  for (const key of keys) {
    if (count > 0 && deltas.length >= maxBytes) break;
    count++;
    const ref = core.locate(key);
    if (ref !== 0) deltas.add(core, ref, 'whole');
  }
  return { deltas: deltas.take(), count };
}
