// What the off-heap form cannot hold of a key: its KeyState, views of it, and bytes too large for a block.
import type { Latin1 } from '../../base/index.ts';
import type { Edited, KeyState, ValueType } from '../../crdt/index.ts';
import type { FieldsView } from './fields-view.ts';
import type { SortedView } from './sorted-view.ts';

/** Registers marked for the outbox; 'whole': all that the key holds. */
export type Touched = Map<ValueType, Set<Latin1>> | 'whole' | undefined;

/** The object beside a COMPLEX or BIG record. */
export class Side {
  /** BIG: the key's and the value's bytes. */
  key: Buffer | undefined;
  value: Buffer | undefined;
  /** COMPLEX. */
  state: KeyState | undefined;
  /** COMPLEX: whether the key showed something at its last change. */
  isShown = false;
  /** COMPLEX and marked: which registers. */
  touched: Touched;
  /** Built when first asked for; dropped by what they cannot follow. */
  view: FieldsView | SortedView | undefined;

  /** Notes which registers an edit leaves marked; `all`: the record was marked before, as a plain one. */
  touch(edited: Edited, all: boolean): void {
    if (edited.whole || all) this.touched = 'whole';
    if (this.touched === 'whole') return;
    this.touched ??= new Map();
    for (const [type, field] of edited.fields) {
      const fields = this.touched.get(type);
      if (fields === undefined) this.touched.set(type, new Set([field]));
      else fields.add(field);
    }
  }

  /** The record is no longer COMPLEX but still BIG. */
  forgetState(): void {
    this.state = undefined;
    this.isShown = false;
    this.touched = undefined;
    this.view = undefined;
  }
}
