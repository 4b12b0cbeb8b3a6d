// For stores that keep their data elsewhere too: what is marked of a record, and reading back what a journal kept. Deltas are merged
// at the time at which they were kept, local ones marked again.
import { assert } from '../../base/index.ts';
import {
  decodeDeltas,
  type DeltaFields,
  type Edited,
  FORM_DELETED,
  FORM_GENERAL,
  FORM_PLAIN,
  FORM_PLAIN_TTL,
  STRING_FIELD,
  TYPE_STRING,
  type ValueType,
} from '../../crdt/index.ts';
import type { Core } from './core.ts';
import { fieldsOf } from './embedded-outbox.ts';
import type { Merging } from './merging.ts';
import { COMPLEX } from './record.ts';
import type { Ref } from './slab.ts';

/** Where keys begin, by form: after form, lengths, version and expiry. */
const KEY_AT: Readonly<Record<number, number>> = {
  [FORM_PLAIN]: 21,
  [FORM_PLAIN_TTL]: 27,
  [FORM_DELETED]: 17,
  [FORM_GENERAL]: 9,
};
const STRING_EDIT: Edited = { changed: true, whole: false, fields: [[TYPE_STRING, STRING_FIELD]] };

/** What of a record is marked for the outbox; undefined: nothing. */
export function fieldsMarked(core: Core, ref: Ref): DeltaFields | undefined {
  if (core.table.word(ref, 5) === 0) return undefined;
  return core.formAt(ref) === COMPLEX ? fieldsOf(core.table.sideOf(ref).touched) : 'whole';
}

/** How many registers a record holds; a plain one: 1. */
export function registersOf(core: Core, ref: Ref): number {
  if (core.formAt(ref) !== COMPLEX) return 1;
  let count = 0;
  for (const held of core.state(ref).registers.values()) count += held.size;
  return count;
}

/** The records that deltas are of, as they are held now, and which registers. Keys not held any more are left out. */
export function* recordsOf(core: Core, deltas: Buffer): Generator<readonly [Ref, DeltaFields], void> {
  for (const delta of split(deltas)) {
    const keyStart = KEY_AT[delta[0]];
    const ref = core.locateBytes(delta, keyStart, keyStart + delta.readUInt32LE(1));
    if (ref !== 0) yield [ref, editOf(delta).fields];
  }
}

/** What is replayed. */
export interface Replayed {
  readonly deltas: Buffer;
  /** Units: Unix ms; the store's clock when they were kept. */
  readonly atMs: number;
  /** They are to be sent: marked, as one group. */
  readonly isMarked: boolean;
}

/** Merges kept deltas. Errors: MqkvError `MALFORMED_DELTA`. */
export function replayDeltas(core: Core, merging: Merging, { deltas, atMs, isMarked }: Replayed): void {
  assert(core.journal === undefined && !core.isInUnit, 'what is read back is not kept again');
  core.tick(atMs);
  core.isInUnit = true; // the time stands still
  try {
    if (!isMarked) merging.merge(deltas);
    else for (const delta of split(deltas)) mergeMarked(core, merging, delta);
  } finally {
    core.finish();
  }
}

/** The deltas of a buffer, one by one. Errors: as `decodeDeltas`, by the merge of what is malformed. */
function split(deltas: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < deltas.length; ) {
    const end = at + sizeOf(deltas, at);
    parts.push(deltas.subarray(at, end));
    at = end;
  }
  return parts;
}

function sizeOf(deltas: Buffer, at: number): number {
  const head = KEY_AT[deltas[at]];
  if (head === undefined || at + head > deltas.length) return deltas.length - at;
  const rest = deltas[at] === FORM_DELETED ? 0 : deltas.readUInt32LE(at + 5);
  return head + deltas.readUInt32LE(at + 1) + rest;
}

function mergeMarked(core: Core, merging: Merging, delta: Buffer): void {
  const keyStart = KEY_AT[delta[0]];
  const keyEnd = keyStart + delta.readUInt32LE(1);
  const before = core.locateBytes(delta, keyStart, keyEnd);
  const wasPlain = before !== 0 && core.formAt(before) !== COMPLEX;
  merging.merge(delta);
  const ref = core.locateBytes(delta, keyStart, keyEnd);
  // Two of them: whatever a unit marks becomes one group.
  if (core.named.length === 0) core.named.push('', '');
  if (ref === 0) return;
  const edit = editOf(delta);
  // It carried the whole key then, so it is to be sent whole: another site may have freed what came since.
  const isWhole = edit.fields.length >= registersOf(core, ref);
  core.mark(ref, isWhole ? { ...edit, whole: true } : edit, wasPlain);
}

function editOf(delta: Buffer): Edited {
  if (delta[0] !== FORM_GENERAL) return STRING_EDIT;
  const fields: (readonly [ValueType, string])[] = [];
  for (const { state } of decodeDeltas(delta))
    for (const [type, registers] of state.registers)
      for (const field of registers.keys()) fields.push([type, field]);
  return { changed: true, whole: false, fields };
}

/** Everything was read back: what expires waits in the wheel from now on. */
export function scheduleAll(core: Core): void {
  core.isReplaying = false;
  core.tick(core.clock.now());
  core.table.index.scan(0, Number.POSITIVE_INFINITY, (ref, hash) => {
    const at = core.table.at(ref);
    if (at === 0) return;
    core.table.keyHash = hash;
    core.schedule(ref, at);
  });
}
