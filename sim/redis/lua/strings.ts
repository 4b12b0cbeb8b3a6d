// The string library of Lua 5.1.
import { formatText } from './format.ts';
import { parseNumber, showNumber } from './numbers.ts';
import { type Found, findPattern, type Pattern, patternOf } from './patterns.ts';
import {
  first,
  LuaError,
  type LuaFunction,
  type LuaResult,
  LuaTable,
  type LuaValue,
  typeOf,
} from './values.ts';

const SPECIALS = /[\^$*+?.([%-]/;

/** An argument that is a text or a number. */
export function textArgument(value: LuaValue, index: number, name: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return showNumber(value);
  throw wrong(index, name, `string expected, got ${typeOf(value) === 'nil' ? 'no value' : typeOf(value)}`);
}

/** An argument that is a number or reads as one. */
export function numberArgument(value: LuaValue, index: number, name: string): number {
  if (typeof value === 'number') return value;
  const parsed = typeof value === 'string' ? parseNumber(value) : undefined;
  if (parsed !== undefined) return parsed;
  throw wrong(index, name, `number expected, got ${typeOf(value) === 'nil' ? 'no value' : typeOf(value)}`);
}

/** An error about an argument. */
export function wrong(index: number, name: string, what: string): LuaError {
  return new LuaError(`bad argument #${index} to '${name}' (${what})`);
}

function position(at: number, length: number): number {
  return at >= 0 ? at : length + at + 1 < 0 ? 0 : length + at + 1;
}

const whole = (value: LuaValue, index: number, name: string, otherwise: number): number =>
  value === undefined ? otherwise : Math.trunc(numberArgument(value, index, name));

function sub(text: LuaValue, from: LuaValue, to: LuaValue): string {
  const s = typeof text === 'string' ? text : textArgument(text, 1, 'sub');
  const start = Math.max(1, position(whole(from, 2, 'sub', 1), s.length));
  return s.slice(start - 1, Math.max(0, Math.min(s.length, position(whole(to, 3, 'sub', -1), s.length))));
}

function byte(text: LuaValue, from: LuaValue, to: LuaValue): LuaResult {
  const s = typeof text === 'string' ? text : textArgument(text, 1, 'byte');
  const start = position(whole(from, 2, 'byte', 1), s.length);
  if (to === undefined) return start >= 1 && start <= s.length ? s.charCodeAt(start - 1) : [];
  const end = Math.min(s.length, position(whole(to, 3, 'byte', start), s.length));
  const bytes: number[] = [];
  for (let i = Math.max(1, start); i <= end; i++) bytes.push(s.charCodeAt(i - 1));
  return bytes;
}

function find(text: LuaValue, pattern: LuaValue, init: LuaValue, isPlain: LuaValue): LuaResult {
  const s = textArgument(text, 1, 'find');
  const p = textArgument(pattern, 2, 'find');
  const from = startOf(init, s, 'find');
  if ((isPlain !== undefined && isPlain !== false) || !SPECIALS.test(p)) {
    const at = s.indexOf(p, from);
    return at < 0 ? undefined : [at + 1, at + p.length];
  }
  const found = findPattern(s, patternOf(p), from);
  return found === undefined ? undefined : [found.start + 1, found.end, ...found.captures];
}

function startOf(init: LuaValue, text: string, name: string): number {
  if (init === undefined) return 0;
  return Math.min(text.length, Math.max(0, position(whole(init, 3, name, 1), text.length) - 1));
}

function match(text: LuaValue, pattern: LuaValue, init: LuaValue): LuaResult {
  const s = textArgument(text, 1, 'match');
  const found = findPattern(s, patternOf(textArgument(pattern, 2, 'match')), startOf(init, s, 'match'));
  return found === undefined ? undefined : capturesOf(found, s);
}

/** The captures, or the whole where there are none. */
function capturesOf({ captures, start, end }: Found, text: string): LuaResult {
  if (captures.length === 0) return text.slice(start, end);
  return captures.length === 1 ? captures[0] : captures;
}

/** A pattern that may match again and again, here anchored ones too. */
function unanchored(text: string): Pattern {
  return text.startsWith('^') ? patternOf(`%${text}`) : patternOf(text);
}

function gmatch(text: LuaValue, pattern: LuaValue): LuaFunction {
  const s = textArgument(text, 1, 'gmatch');
  const compiled = unanchored(textArgument(pattern, 2, 'gmatch'));
  let at = 0;
  return () => {
    if (at > s.length) return undefined;
    const found = findPattern(s, compiled, at);
    at = found === undefined ? s.length + 1 : found.end === found.start ? found.end + 1 : found.end;
    return found === undefined ? undefined : capturesOf(found, s);
  };
}

function gsub(text: LuaValue, pattern: LuaValue, replacement: LuaValue, most: LuaValue): LuaResult {
  const s = textArgument(text, 1, 'gsub');
  const compiled = patternOf(textArgument(pattern, 2, 'gsub'));
  const limit = whole(most, 4, 'gsub', s.length + 1);
  let [at, count, out] = [0, 0, ''];
  while (count < limit && at <= s.length) {
    const found = findPattern(s, compiled, at);
    if (found === undefined) break;
    count++;
    out += s.slice(at, found.start) + replaced(found, s, replacement);
    at = found.end;
    if (found.end === found.start) out += s.charAt(at++);
    if (compiled.isAnchored) break;
  }
  return [out + s.slice(at), count];
}

function replaced(found: Found, text: string, replacement: LuaValue): string {
  const all = text.slice(found.start, found.end);
  const key = found.captures.length === 0 ? all : found.captures[0];
  let value: LuaValue;
  if (replacement instanceof LuaTable) value = replacement.get(key);
  else if (typeof replacement === 'function')
    value = first(replacement(...(found.captures.length === 0 ? [all] : found.captures)));
  else return expanded(textArgument(replacement, 3, 'gsub'), all, found);
  if (value === undefined || value === false) return all;
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return showNumber(value);
  throw new LuaError(`invalid replacement value (a ${typeOf(value)})`);
}

function expanded(pattern: string, all: string, { captures }: Found): string {
  if (!pattern.includes('%')) return pattern;
  return pattern.replace(/%([^])/g, (_, letter: string) => {
    if (letter === '0' || (letter === '1' && captures.length === 0)) return all;
    if (!/[1-9]/.test(letter)) return letter;
    const value = captures[Number(letter) - 1];
    if (value === undefined) throw new LuaError('invalid capture index');
    return typeof value === 'number' ? showNumber(value) : String(value);
  });
}

function format(...args: LuaValue[]): string {
  let at = 0;
  return formatText(textArgument(args[0], 1, 'format'), {
    number: () => numberArgument(args[++at], at + 1, 'format'),
    text: () => textArgument(args[++at], at + 1, 'format'),
  });
}

const upper = (s: string): string => s.replace(/[a-z]+/g, (part) => part.toUpperCase());
const lower = (s: string): string => s.replace(/[A-Z]+/g, (part) => part.toLowerCase());

/** The functions of `string`. */
export const STRINGS: Readonly<Record<string, LuaFunction>> = {
  sub,
  byte,
  find,
  match,
  gmatch,
  gsub,
  format,
  char: (...codes) =>
    codes.map((code, i) => String.fromCharCode(numberArgument(code, i + 1, 'char') & 255)).join(''),
  len: (text) => textArgument(text, 1, 'len').length,
  lower: (text) => lower(textArgument(text, 1, 'lower')),
  upper: (text) => upper(textArgument(text, 1, 'upper')),
  rep: (text, times) => textArgument(text, 1, 'rep').repeat(Math.max(0, whole(times, 2, 'rep', 0))),
  reverse: (text) => [...textArgument(text, 1, 'reverse')].reverse().join(''),
};
