// Lua 5.1's functions outside `string`, as far as Redis offers them: base, table, math, bit, and struct as scripts use it.
import { parseNumber, parseUnsigned, showNumber } from './numbers.ts';
import { less, next, nextInList } from './operators.ts';
import { numberArgument, STRINGS, textArgument, wrong } from './strings.ts';
import {
  all,
  LuaError,
  type LuaFunction,
  type LuaResult,
  LuaTable,
  type LuaValue,
  typeOf,
} from './values.ts';

/** A table of functions. */
export function libraryOf(functions: Readonly<Record<string, LuaValue>>): LuaTable {
  const table = new LuaTable();
  for (const [name, value] of Object.entries(functions)) table.map.set(name, value);
  return table;
}

function tableArgument(value: LuaValue, name: string): LuaTable {
  if (value instanceof LuaTable) return value;
  throw wrong(1, name, `table expected, got ${typeOf(value) === 'nil' ? 'no value' : typeOf(value)}`);
}

const ids = new WeakMap<object, number>();
let lastId = 0;

function show(value: LuaValue): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return showNumber(value);
  if (value === undefined || typeof value === 'boolean') return value === undefined ? 'nil' : String(value);
  const id = ids.get(value) ?? ++lastId;
  ids.set(value, id);
  return `${typeOf(value)}: 0x${id.toString(16).padStart(8, '0')}`;
}

function toNumber(value: LuaValue, base: LuaValue): LuaValue {
  if (base === undefined || base === 10) {
    if (typeof value === 'number') return value;
    return typeof value === 'string' ? parseNumber(value) : undefined;
  }
  return parseUnsigned(textArgument(value, 1, 'tonumber'), numberArgument(base, 2, 'tonumber'));
}

function select(which: LuaValue, ...rest: LuaValue[]): LuaResult {
  if (which === '#') return rest.length;
  const at = numberArgument(which, 1, 'select');
  if (at === 0 || -at > rest.length) throw wrong(1, 'select', 'index out of range');
  return at < 0 ? rest.slice(at) : rest.slice(at - 1);
}

/** Values of one call: Redis' stack takes no more. */
const UNPACKED_MAX = 7_999;

function unpack(list: LuaValue, from: LuaValue = 1, to: LuaValue = undefined): LuaResult {
  const table = tableArgument(list, 'unpack');
  const start = numberArgument(from, 2, 'unpack');
  const end = to === undefined ? table.length : numberArgument(to, 3, 'unpack');
  if (end - start >= UNPACKED_MAX) throw new LuaError('too many results to unpack');
  if (start === 1 && end === table.length) return table.list.slice();
  const values: LuaValue[] = [];
  for (let i = start; i <= end; i++) values.push(table.get(i));
  return values;
}

/** Errors of Lua are caught; those of this program are not. */
function isLuaError(error: unknown): error is LuaError {
  return error instanceof LuaError;
}

function protectedCall(run: LuaValue, ...args: LuaValue[]): LuaResult {
  try {
    if (typeof run !== 'function') throw new LuaError(`attempt to call a ${typeOf(run)} value`);
    return [true, ...all(run(...args))];
  } catch (error) {
    if (!isLuaError(error)) throw error;
    // Redis 7 gives an error table's text.
    const { value } = error;
    const text = value instanceof LuaTable ? value.get('err') : value;
    return [false, typeof text === 'string' ? text : value];
  }
}

function handledCall(run: LuaValue, handler: LuaValue): LuaResult {
  try {
    return [true, ...all((run as LuaFunction)())];
  } catch (error) {
    if (!isLuaError(error)) throw error;
    return [false, ...all((handler as LuaFunction)(error.value))];
  }
}

function setMetatable(table: LuaValue, meta: LuaValue): LuaValue {
  const held = tableArgument(table, 'setmetatable');
  if (held.meta?.get('__metatable') !== undefined) throw new LuaError('cannot change a protected metatable');
  if (!(meta === undefined || meta instanceof LuaTable))
    throw wrong(2, 'setmetatable', 'nil or table expected');
  for (const key of meta?.map.keys() ?? [])
    if (
      typeof key === 'string' &&
      !/^__(index|newindex|call|metatable|mode)$/.test(key) &&
      key.startsWith('__')
    )
      throw new Error(`the simulated Lua has no ${key}`);
  held.meta = meta;
  return held;
}

/** The functions of the base library that need nothing of a state. */
const BASE: Readonly<Record<string, LuaFunction>> = {
  type: (value) => typeOf(value),
  tostring: show,
  tonumber: toNumber,
  select,
  unpack,
  next,
  pairs: (table) => [next, tableArgument(table, 'pairs'), undefined],
  ipairs: (table) => [nextInList, tableArgument(table, 'ipairs'), 0],
  rawget: (table, key) => tableArgument(table, 'rawget').rawGet(key),
  rawset(table, key, value) {
    tableArgument(table, 'rawset').rawSet(key, value);
    return table;
  },
  rawequal: (a, b) => a === b,
  setmetatable: setMetatable,
  getmetatable: (table) =>
    table instanceof LuaTable ? (table.meta?.get('__metatable') ?? table.meta) : undefined,
  pcall: protectedCall,
  xpcall: handledCall,
  assert(...values) {
    const [holds, message] = values;
    if (holds === undefined || holds === false) throw new LuaError(message ?? 'assertion failed!');
    return values;
  },
};

function insert(...args: LuaValue[]): LuaResult {
  const table = tableArgument(args[0], 'insert');
  if (args.length === 2) table.set(table.length + 1, args[1]);
  else if (args.length === 3) {
    const at = numberArgument(args[1], 2, 'insert');
    for (let i = table.length; i >= at; i--) table.set(i + 1, table.get(i));
    table.set(at, args[2]);
  } else throw new LuaError("wrong number of arguments to 'insert'");
  return [];
}

function remove(table: LuaValue, place: LuaValue): LuaResult {
  const held = tableArgument(table, 'remove');
  const size = held.length;
  const at = place === undefined ? size : numberArgument(place, 2, 'remove');
  if (at < 1 || at > size) return [];
  const value = held.get(at);
  for (let i = at; i < size; i++) held.set(i, held.get(i + 1));
  held.set(size, undefined);
  return value;
}

function join(
  table: LuaValue,
  separator: LuaValue = '',
  from: LuaValue = 1,
  to: LuaValue = undefined,
): string {
  const held = tableArgument(table, 'concat');
  const between = textArgument(separator, 2, 'concat');
  const end = to === undefined ? held.length : numberArgument(to, 4, 'concat');
  const parts: string[] = [];
  for (let i = numberArgument(from, 3, 'concat'); i <= end; i++) {
    const value = held.get(i);
    if (typeof value !== 'string' && typeof value !== 'number')
      throw new LuaError(`invalid value (${typeOf(value)}) at index ${i} in table for 'concat'`);
    parts.push(show(value));
  }
  return parts.join(between);
}

function sort(table: LuaValue, order: LuaValue): LuaResult {
  const held = tableArgument(table, 'sort');
  const isBefore =
    typeof order === 'function'
      ? (a: LuaValue, b: LuaValue): boolean => truth(order(a, b))
      : (a: LuaValue, b: LuaValue): boolean => less(a, b);
  held.list.sort((a, b) => (isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0));
  return [];
}

function truth(result: LuaResult): boolean {
  const [value] = all(result);
  return value !== undefined && value !== false;
}

const TABLE: Readonly<Record<string, LuaFunction>> = {
  insert,
  remove,
  concat: join,
  sort,
  getn: (table) => tableArgument(table, 'getn').length,
};

const numeric =
  (name: string, run: (...numbers: number[]) => number): LuaFunction =>
  (...args) =>
    run(...args.map((value, i) => numberArgument(value, i + 1, name)));

const MATH: Readonly<Record<string, LuaValue>> = {
  huge: Number.POSITIVE_INFINITY,
  pi: Math.PI,
  floor: numeric('floor', Math.floor),
  ceil: numeric('ceil', Math.ceil),
  abs: numeric('abs', Math.abs),
  sqrt: numeric('sqrt', Math.sqrt),
  max: numeric('max', Math.max),
  min: numeric('min', Math.min),
  pow: numeric('pow', (x, y) => x ** y),
  fmod: numeric('fmod', (x, y) => x % y),
  log: numeric('log', Math.log),
  exp: numeric('exp', Math.exp),
  modf: (value) => {
    const x = numberArgument(value, 1, 'modf');
    return [Math.trunc(x), Number.isFinite(x) ? x - Math.trunc(x) : 0];
  },
};

/** The low 32 bits of a number. */
const low = (value: number): number => Number(BigInt.asIntN(32, BigInt(Math.round(value))));
const folded = (name: string, run: (a: number, b: number) => number): LuaFunction =>
  numeric(name, (...numbers) => numbers.map(low).reduce(run) | 0);

const BIT: Readonly<Record<string, LuaFunction>> = {
  tobit: numeric('tobit', low),
  band: folded('band', (a, b) => a & b),
  bor: folded('bor', (a, b) => a | b),
  bxor: folded('bxor', (a, b) => a ^ b),
  bnot: numeric('bnot', (a) => ~low(a)),
  lshift: numeric('lshift', (a, n) => low(a) << (n & 31)),
  rshift: numeric('rshift', (a, n) => (low(a) >>> (n & 31)) | 0),
  arshift: numeric('arshift', (a, n) => low(a) >> (n & 31)),
};

/** struct.unpack of c, B, H, I and c0 (little or big endian): what scripts here use. */
function unpackStruct(format: LuaValue, data: LuaValue, from: LuaValue = 1): LuaResult {
  const bytes = textArgument(data, 2, 'unpack');
  let at = numberArgument(from, 3, 'unpack') - 1;
  const values: LuaValue[] = [];
  for (const [, kind, digits] of textArgument(format, 1, 'unpack').matchAll(/([A-Za-z<>])(\d*)/g)) {
    if (kind !== 'c' && kind !== 'B') throw new Error(`the simulated struct has no '${kind}'`);
    const isCounted = kind === 'c' && digits === '0';
    const size = kind === 'B' ? 1 : isCounted ? Number(values.pop()) : Number(digits || 1);
    if (at + size > bytes.length) throw new LuaError('data string too short');
    values.push(kind === 'B' ? bytes.charCodeAt(at) : bytes.slice(at, at + size));
    at += size;
  }
  return [...values, at + 1];
}

/** All libraries, for a state's globals. */
export function libraries(): Readonly<Record<string, LuaValue>> {
  const fixed = (functions: Readonly<Record<string, LuaValue>>): LuaTable => {
    const table = libraryOf(functions);
    table.isReadOnly = true;
    return table;
  };
  return {
    ...BASE,
    string: fixed(STRINGS),
    table: fixed(TABLE),
    math: fixed(MATH),
    bit: fixed(BIT),
    struct: fixed({ unpack: unpackStruct }),
  };
}
