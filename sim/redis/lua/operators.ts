// What compiled Lua calls for each operator: the common types at once, the rest by Lua's rules.
import { parseNumber, showNumber } from './numbers.ts';
import {
  all,
  first,
  LuaError,
  LuaTable,
  type LuaFunction,
  type LuaResult,
  type LuaValue,
  typeOf,
} from './values.ts';

function numberOf(value: LuaValue): number {
  if (typeof value === 'number') return value;
  const parsed = typeof value === 'string' ? parseNumber(value) : undefined;
  if (parsed === undefined) throw new LuaError(`attempt to perform arithmetic on a ${typeOf(value)} value`);
  return parsed;
}

export function add(a: LuaValue, b: LuaValue): number {
  return typeof a === 'number' && typeof b === 'number' ? a + b : numberOf(a) + numberOf(b);
}

export function subtract(a: LuaValue, b: LuaValue): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : numberOf(a) - numberOf(b);
}

export function multiply(a: LuaValue, b: LuaValue): number {
  return numberOf(a) * numberOf(b);
}

export function divide(a: LuaValue, b: LuaValue): number {
  return numberOf(a) / numberOf(b);
}

/** As C has it: a - floor(a / b) * b. */
export function modulo(a: LuaValue, b: LuaValue): number {
  const [x, y] = [numberOf(a), numberOf(b)];
  return x - Math.floor(x / y) * y;
}

export function power(a: LuaValue, b: LuaValue): number {
  return numberOf(a) ** numberOf(b);
}

export function negate(a: LuaValue): number {
  return -numberOf(a);
}

export function concat(a: LuaValue, b: LuaValue): string {
  if (typeof a === 'string' && typeof b === 'string') return a + b;
  return part(a) + part(b);
}

function part(value: LuaValue): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return showNumber(value);
  throw new LuaError(`attempt to concatenate a ${typeOf(value)} value`);
}

export function length(value: LuaValue): number {
  if (typeof value === 'string') return value.length;
  if (value instanceof LuaTable) return value.list.length;
  throw new LuaError(`attempt to get length of a ${typeOf(value)} value`);
}

export function less(a: LuaValue, b: LuaValue): boolean {
  if (typeof a === 'number' && typeof b === 'number') return a < b;
  if (typeof a === 'string' && typeof b === 'string') return a < b;
  throw incomparable(a, b);
}

export function atMost(a: LuaValue, b: LuaValue): boolean {
  if (typeof a === 'number' && typeof b === 'number') return a <= b;
  if (typeof a === 'string' && typeof b === 'string') return a <= b;
  throw incomparable(a, b);
}

function incomparable(a: LuaValue, b: LuaValue): LuaError {
  const [x, y] = [typeOf(a), typeOf(b)];
  return new LuaError(x === y ? `attempt to compare two ${x} values` : `attempt to compare ${x} with ${y}`);
}

export function setIndex(table: LuaValue, key: LuaValue, value: LuaValue): void {
  if (!(table instanceof LuaTable)) throw new LuaError(`attempt to index a ${typeOf(table)} value`);
  table.set(key, value);
}

/** A function, or what a table is called as. */
export function callable(value: LuaValue): LuaFunction {
  if (typeof value === 'function') return value;
  const handler = value instanceof LuaTable ? value.meta?.rawGet('__call') : undefined;
  if (typeof handler === 'function') return (...args) => handler(value, ...args);
  throw new LuaError(`attempt to call a ${typeOf(value)} value`);
}

/** The steps of a `for ... in`. */
export interface Steps {
  readonly values: readonly LuaValue[];
  step(): boolean;
}

class ListSteps implements Steps {
  readonly values: LuaValue[] = [0, undefined];
  readonly #table: LuaTable;
  #at = 0;

  constructor(table: LuaTable) {
    this.#table = table;
  }

  step(): boolean {
    const value = this.#table.get(++this.#at);
    this.values[0] = this.#at;
    this.values[1] = value;
    return value !== undefined;
  }
}

class PairSteps implements Steps {
  readonly values: LuaValue[] = [undefined, undefined];
  readonly #list: readonly LuaValue[];
  readonly #map: MapIterator<[LuaValue, LuaValue]>;
  #at = 0;

  constructor(table: LuaTable) {
    this.#list = table.list;
    this.#map = table.map.entries();
  }

  step(): boolean {
    const list = this.#list;
    while (this.#at < list.length) {
      const value = list[this.#at++];
      if (value !== undefined) return this.#give(this.#at, value);
    }
    const { done, value } = this.#map.next();
    return done !== true && this.#give(value[0], value[1]);
  }

  #give(key: LuaValue, value: LuaValue): true {
    this.values[0] = key;
    this.values[1] = value;
    return true;
  }
}

class FunctionSteps implements Steps {
  values: readonly LuaValue[];
  readonly #next: LuaFunction;
  readonly #state: LuaValue;

  constructor([next, state, control]: readonly LuaValue[]) {
    this.#next = callable(next);
    this.#state = state;
    this.values = [control];
  }

  step(): boolean {
    this.values = all(this.#next(this.#state, this.values[0]));
    return this.values[0] !== undefined;
  }
}

/** `next`, known by identity so that loops over tables need no search. */
export const next: LuaFunction = (table, key) => {
  if (!(table instanceof LuaTable)) throw new LuaError("bad argument #1 to 'next' (table expected)");
  return table.next(key) ?? undefined;
};

/** What `ipairs` gives. */
export const nextInList: LuaFunction = (table, at): LuaResult => {
  const index = Number(at) + 1;
  const value = (table as LuaTable).get(index);
  return value === undefined ? undefined : [index, value];
};

export function steps(values: readonly LuaValue[]): Steps {
  const [step, table] = values;
  if (step === next && table instanceof LuaTable && values[2] === undefined) return new PairSteps(table);
  if (step === nextInList && table instanceof LuaTable) return new ListSteps(table);
  return new FunctionSteps(values);
}

/** A loop's number. */
export function loopNumber(value: LuaValue, what: string): number {
  const found = typeof value === 'string' ? parseNumber(value) : value;
  if (typeof found === 'number') return found;
  throw new LuaError(`'for' ${what} must be a number`);
}

export { all, first };
