// Local writes by the merge core's rules: one edit per command and key, however many calls it takes.
import { assert, type Latin1 } from '../../base/index.ts';
import {
  Edit,
  type Edited,
  isFired,
  KeyState,
  shownType,
  shownTtlAt,
  shownAt,
  TYPE_ZSET,
  type ValueType,
  type Version,
} from '../../crdt/index.ts';
import type { Core } from './core.ts';
import { FieldsView } from './fields-view.ts';
import { COMPLEX, PLAIN_TTL } from './record.ts';
import type { Side } from './side.ts';
import type { Ref } from './slab.ts';
import { SortedView } from './sorted-view.ts';

/** Whether the plain record shows a string: cheaper than `typeAt`. */
export function showsPlain(core: Core, ref: Ref): boolean {
  const form = core.formAt(ref);
  return form < PLAIN_TTL || (form === PLAIN_TTL && core.table.at(ref) > core.now);
}

/** The type that a record shows; 0: nothing. */
export function typeAt(core: Core, ref: Ref): ValueType | 0 {
  if (ref === 0) return 0;
  if (core.formAt(ref) === COMPLEX) return shownType(core.state(ref), core.now);
  return showsPlain(core, ref) ? 1 : 0;
}

/** The expiry that a record shows. Units: Unix ms; 0: none; -1: the record shows nothing. */
export function ttlAt(core: Core, ref: Ref): number {
  if (typeAt(core, ref) === 0) return -1;
  if (core.formAt(ref) === COMPLEX) return shownTtlAt(core.state(ref), core.now);
  return core.formAt(ref) === PLAIN_TTL ? core.table.at(ref) : 0;
}

/** Edits a key; stores and marks it when that changed something. */
export function editKey(core: Core, key: Latin1, effect: (edit: Edit) => void): Edited {
  core.enter();
  const ref = core.locate(key);
  const edited = editLocated(core, ref, effect);
  core.leave();
  return edited;
}

/** As `editKey`, for the key located last. */
export function editLocated(core: Core, ref: Ref, effect: (edit: Edit) => void): Edited {
  const state = ref === 0 ? new KeyState() : core.state(ref);
  const wasPlain = ref !== 0 && core.formAt(ref) !== COMPLEX;
  const before = { clear: state.clear, wasFired: isFired(state, core.now) };
  const edit = editOf(core, ref, state);
  effect(edit);
  const edited = edit.finish();
  if (!edited.changed) return edited;
  const stored = core.store(ref, state);
  core.edit = edit;
  core.editRef = stored;
  if (core.formAt(stored) === COMPLEX) followFields(core.table.sideOf(stored), edited.fields, before);
  core.mark(stored, edited, wasPlain);
  return edited;
}

/** The edit of this command and key: what rules 7 and 8 ask of the key before the command is asked once. */
function editOf(core: Core, ref: Ref, state: KeyState): Edit {
  const version = core.version(core.newest(ref));
  if (core.edit === undefined || core.editRef !== ref) return new Edit(state, version, core.now);
  core.edit.resume(state);
  return core.edit;
}

/** Keeps the view of a COMPLEX key right after a change, or drops it where more than the fields changed. */
export function followFields(
  side: Side,
  fields: readonly (readonly [ValueType, Latin1])[],
  before: { readonly clear: Version; readonly wasFired: boolean },
): void {
  const { view, state } = side;
  if (view === undefined || state === undefined) return;
  if (before.wasFired || before.clear !== state.clear || view.state !== state) {
    side.view = undefined;
    return;
  }
  const type = typeOfView(view);
  for (const [touched, field] of fields) if (touched === type) view.update(field);
}

function typeOfView(view: FieldsView | SortedView): ValueType {
  return view instanceof FieldsView ? view.type : TYPE_ZSET;
}

/** The view of a collection; undefined: no such key. */
export function viewOf(core: Core, key: Latin1, type: ValueType): FieldsView | SortedView | undefined {
  core.enter();
  const ref = core.locate(key);
  if (ref === 0 || core.formAt(ref) !== COMPLEX) return undefined;
  const side = core.table.sideOf(ref);
  const state = core.state(ref);
  const shown = shownType(state, core.now);
  if (shown === 0) return undefined;
  assert(shown === type, 'callers check the type before they ask for a view');
  const fired = isFired(state, core.now);
  if (side.view === undefined || side.view.isFired !== fired || typeOfView(side.view) !== type) {
    const from = shownAt(state, core.now);
    side.view = type === 4 ? new SortedView(from, fired) : new FieldsView(from, type, fired);
  }
  return side.view;
}
