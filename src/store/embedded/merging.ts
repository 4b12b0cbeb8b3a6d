// Deltas of other sites into the table: the whole buffer is checked before anything is applied.
import { type Delta, decodeDeltas, isFired, KeyState, merge, type ValueType } from '../../crdt/index.ts';
import type { MergeResult } from '../store.ts';
import type { Core } from './core.ts';
import { followFields } from './editing.ts';
import { COMPLEX } from './record.ts';

/** Merges encoded deltas, all or nothing. Errors: MqkvError `MALFORMED_DELTA`. */
export function mergeDeltas(core: Core, buffer: Buffer): MergeResult {
  const deltas = [...decodeDeltas(buffer)];
  core.enter();
  const result = { changed: 0, conflicts: 0 };
  for (const delta of deltas) mergeDelta(core, delta, result);
  return result;
}

/** Frees the key by this site's clock, then merges (DESIGN 3: gone is gone). */
export function mergeDelta(
  core: Core,
  { key, state: from }: Delta,
  result: { changed: number; conflicts: number },
): void {
  let ref = core.locate(key);
  if (ref !== 0) ref = core.freeRecord(ref, core.now);
  const into = ref === 0 ? new KeyState() : core.state(ref);
  const before = { clear: into.clear, wasFired: isFired(into, core.now) };
  const merged = merge(into, from);
  result.conflicts += merged.conflicts;
  if (!merged.changed) return;
  result.changed++;
  if (merged.dropped) before.wasFired = true;
  const wasPlain = ref !== 0 && core.formAt(ref) !== COMPLEX && core.table.word(ref, 5) !== 0;
  const stored = core.store(ref, into);
  if (core.formAt(stored) === COMPLEX) {
    const side = core.table.sideOf(stored);
    followFields(side, fieldsOf(from), before);
    if (wasPlain) side.touched = 'whole';
  }
  if (core.watches.size > 0) core.watches.changed(core.table.key(stored));
}

function fieldsOf(state: KeyState): [ValueType, string][] {
  const fields: [ValueType, string][] = [];
  for (const [type, registers] of state.registers)
    for (const field of registers.keys()) fields.push([type, field]);
  return fields;
}
