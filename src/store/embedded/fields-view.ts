// The shown fields of a hash or members of a set, with random access; follows single changes of its state.
import type { Latin1 } from '../../base/index.ts';
import {
  type KeyState,
  type Register,
  registerOf,
  shownValue,
  TOMBSTONE,
  TYPE_HASH,
  type ValueType,
} from '../../crdt/index.ts';
import type { HashView, SetView } from '../keyspace.ts';

/** Whether a register of a state without dead parts shows. */
export function showsSomething(register: Register | undefined): register is Register {
  if (register === undefined) return false;
  return register.runs !== undefined || (register.value !== undefined && register.value !== TOMBSTONE);
}

/** A dense array of the shown fields; removing moves the last one into the gap. */
export class FieldsView implements HashView, SetView {
  /** What it was built on: the key's state, or a copy without what an expiry has ended. */
  readonly state: KeyState;
  readonly type: ValueType;
  /** Whether the key's expiry had fired by then. */
  readonly isFired: boolean;
  readonly #fields: Latin1[] = [];
  readonly #places = new Map<Latin1, number>();

  constructor(state: KeyState, type: ValueType, isFired: boolean) {
    this.state = state;
    this.type = type;
    this.isFired = isFired;
    for (const [field, register] of state.registers.get(type) ?? []) {
      if (showsSomething(register)) this.#add(field);
    }
  }

  get size(): number {
    return this.#fields.length;
  }

  has(field: Latin1): boolean {
    return this.#places.has(field);
  }

  get(field: Latin1): Latin1 | undefined {
    const register = registerOf(this.state, TYPE_HASH, field);
    return showsSomething(register) ? (shownValue(register, TYPE_HASH) as Latin1) : undefined;
  }

  *entries(): Iterable<readonly [Latin1, Latin1]> {
    for (const field of this.#fields) {
      const value = this.get(field);
      if (value !== undefined) yield [field, value];
    }
  }

  members(): Iterable<Latin1> {
    return this.#fields;
  }

  at(index: number): Latin1 {
    return this.#fields[index];
  }

  /** Follows a change of one field. */
  update(field: Latin1): void {
    const shows = showsSomething(registerOf(this.state, this.type, field));
    if (shows === this.#places.has(field)) return;
    if (shows) this.#add(field);
    else this.#drop(field);
  }

  #add(field: Latin1): void {
    this.#places.set(field, this.#fields.length);
    this.#fields.push(field);
  }

  #drop(field: Latin1): void {
    const place = this.#places.get(field) as number;
    const last = this.#fields.pop() as Latin1;
    this.#places.delete(field);
    if (last === field) return;
    this.#fields[place] = last;
    this.#places.set(last, place);
  }
}
