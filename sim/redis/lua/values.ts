// Lua's values as JavaScript's: nil undefined, strings latin1, numbers doubles (Lua 5.1 has no others), tables a class. More
// than one result, or none, is an array, which no Lua value is.

/** Any Lua value. */
export type LuaValue = undefined | boolean | number | string | LuaTable | LuaFunction;
/** What a function gives back: a value, or an array of none or several. */
export type LuaResult = LuaValue | readonly LuaValue[];
export type LuaFunction = (...args: LuaValue[]) => LuaResult;

/** Something raised by `error`. */
export class LuaError extends Error {
  readonly value: LuaValue;

  constructor(value: LuaValue) {
    super(typeof value === 'string' ? value : 'a Lua error');
    this.value = value;
  }
}

/** A table: an array part from 1, all else in a map. Order of `pairs`: the array, then as inserted. */
export class LuaTable {
  /** Elements 1 .. n; holes are undefined, the last one never is. */
  readonly list: LuaValue[];
  readonly map = new Map<LuaValue, LuaValue>();
  meta: LuaTable | undefined;
  isReadOnly = false;

  constructor(list: LuaValue[] = []) {
    this.list = list;
    this.#trim();
  }

  get length(): number {
    return this.list.length;
  }

  get(key: LuaValue): LuaValue {
    const found = this.rawGet(key);
    return found === undefined && this.meta !== undefined ? this.#inherited(key) : found;
  }

  rawGet(key: LuaValue): LuaValue {
    if (typeof key === 'number') {
      const held = this.list[key - 1];
      if (held !== undefined) return held;
    }
    return this.map.get(key);
  }

  #inherited(key: LuaValue): LuaValue {
    const handler = this.meta?.rawGet('__index');
    if (handler instanceof LuaTable) return handler.get(key);
    if (typeof handler === 'function') return first(handler(this, key));
    return undefined;
  }

  set(key: LuaValue, value: LuaValue): void {
    if (this.isReadOnly) throw new LuaError('Attempt to modify a readonly table');
    if (this.meta !== undefined && this.rawGet(key) === undefined) {
      const handler = this.meta.rawGet('__newindex');
      if (typeof handler === 'function') return void handler(this, key, value);
      if (handler instanceof LuaTable) return handler.set(key, value);
    }
    this.rawSet(key, value);
  }

  rawSet(key: LuaValue, value: LuaValue): void {
    if (typeof key === 'number') return this.#setNumber(key, value);
    if (key === undefined) throw new LuaError('table index is nil');
    if (value === undefined) this.map.delete(key);
    else this.map.set(key, value);
  }

  #setNumber(key: number, value: LuaValue): void {
    const { list, map } = this;
    if (key === list.length + 1) {
      map.delete(key);
      if (value === undefined) return;
      list.push(value);
      while (map.size > 0 && map.has(list.length + 1)) this.#move();
    } else if (key >= 1 && key <= list.length && Number.isInteger(key)) {
      list[key - 1] = value;
      if (value === undefined) this.#trim();
    } else if (Number.isNaN(key)) throw new LuaError('table index is NaN');
    else if (value === undefined) map.delete(key);
    else map.set(key, value);
  }

  #move(): void {
    const key = this.list.length + 1;
    this.list.push(this.map.get(key));
    this.map.delete(key);
  }

  #trim(): void {
    const { list } = this;
    while (list.length > 0 && list[list.length - 1] === undefined) list.pop();
  }

  /** The key behind `key` in the order of `pairs`, with its value; undefined at the end. */
  next(key: LuaValue): readonly [LuaValue, LuaValue] | undefined {
    const { list, map } = this;
    const isListed = typeof key === 'number' && key >= 1 && key <= list.length;
    for (let i = key === undefined ? 0 : isListed ? key : list.length; i < list.length; i++)
      if (list[i] !== undefined) return [i + 1, list[i]];
    let isBehind = key === undefined || isListed;
    for (const entry of map) {
      if (isBehind) return entry;
      isBehind = entry[0] === key;
    }
    return undefined;
  }
}

/** The first of the results. */
export function first(result: LuaResult): LuaValue {
  return Array.isArray(result) ? (result as readonly LuaValue[])[0] : (result as LuaValue);
}

/** All results. */
export function all(result: LuaResult): readonly LuaValue[] {
  return Array.isArray(result) ? (result as readonly LuaValue[]) : [result as LuaValue];
}

/** Lua's name of a value's type. */
export function typeOf(value: LuaValue): string {
  if (value === undefined) return 'nil';
  return value instanceof LuaTable ? 'table' : typeof value;
}
