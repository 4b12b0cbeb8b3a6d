// What the off-heap form cannot hold of a key: its KeyState, views of it, and bytes too large for a block.
import type { Latin1 } from '../../base/index.ts';
import type { Edited, KeyState, ValueType } from '../../crdt/index.ts';
import type { FieldsView } from './fields-view.ts';
import type { SortedView } from './sorted-view.ts';

/** Registers marked for the outbox; 'whole': all that the key holds. */
export type Touched = Map<ValueType, Set<Latin1>> | 'whole' | undefined;

/** Units: bytes, about, of a touched field beside its name, and of the maps and sets that hold a key's. */
const FIELD_BYTES = 48;
const FIELDS_BYTES = 400;

/** What the touched fields of all keys take. */
export interface TouchedCount {
  /** Units: bytes, about. */
  bytes: number;
}

/** The object beside a COMPLEX or BIG record. */
export class Side {
  /** BIG: the key's and the value's bytes. */
  key: Buffer | undefined;
  value: Buffer | undefined;
  /** COMPLEX. */
  state: KeyState | undefined;
  /** COMPLEX: whether the key showed something at its last change. */
  isShown = false;
  #touched: Touched;
  #touchedBytes = 0;
  readonly #count: TouchedCount;
  /** COMPLEX and large: its fingerprint, while the state stays as it is and no time changes it. */
  print: { readonly low: number; readonly high: number } | undefined;
  /** Built when first asked for; dropped by what they cannot follow. */
  view: FieldsView | SortedView | undefined;

  constructor(count: TouchedCount) {
    this.#count = count;
  }

  /** COMPLEX and marked: which registers. */
  get touched(): Touched {
    return this.#touched;
  }

  /** Notes which registers an edit leaves marked; `all`: the record was marked before, as a plain one. */
  touch(edited: Edited, all: boolean): void {
    if (edited.whole || all) return this.touchWhole();
    if (this.#touched === 'whole') return;
    if (this.#touched === undefined) {
      this.#touched = new Map();
      this.#grow(FIELDS_BYTES);
    }
    for (const [type, field] of edited.fields) this.#touchField(this.#touched, type, field);
  }

  #touchField(touched: Map<ValueType, Set<Latin1>>, type: ValueType, field: Latin1): void {
    let fields = touched.get(type);
    if (fields === undefined) {
      fields = new Set();
      touched.set(type, fields);
    }
    const { size } = fields;
    if (fields.add(field).size > size) this.#grow(FIELD_BYTES + field.length);
  }

  /** All that the key holds is marked. */
  touchWhole(): void {
    this.untouch();
    this.#touched = 'whole';
  }

  /** The mark is gone. */
  untouch(): void {
    this.#touched = undefined;
    this.#grow(-this.#touchedBytes);
  }

  #grow(bytes: number): void {
    this.#touchedBytes += bytes;
    this.#count.bytes += bytes;
  }

  /** The record is no longer COMPLEX but still BIG. */
  forgetState(): void {
    this.state = undefined;
    this.isShown = false;
    this.untouch();
    this.view = undefined;
    this.print = undefined;
  }
}
