// Registers as text in the site's Redis.
import { assert, bytesOf, type Latin1 } from '../../base/index.ts';
import {
  NONE,
  originOf,
  type Register,
  type Run,
  type SeenRun,
  TOMBSTONE,
  TYPE_HASH,
  TYPE_SET,
  TYPE_ZSET,
  type Value,
  type ValueType,
} from '../../crdt/index.ts';
import {
  doubleText,
  parseDouble,
  parseTotalText,
  parseVersion,
  totalAsText,
  versionText,
} from './version-text.ts';

// register = "V" version                                     a live value, which lies natively; no seen, no runs
//          | "T" version                                     a tombstone; no seen, no runs
//          | "R" kind ";" version ";" seen ";" runs ";" base
//          the first letter in lower case: marked for the outbox
// kind     = "N" live, the value lies natively (no runs) | "B" live, base is the value (there are runs)
//          | "T" tombstone | "-" no value part (version empty, runs only)
// seen     = "" | start ":" total ("," start ":" total)*     ascending by origin
// runs     = "" | v ":" start ":" total ("," …)*             ascending by origin, which is that of its versions
// base     = bytes to the end (zset: the score); "" unless kind is B

/** A register text, and what it needs beside it. */
export interface RegisterText {
  readonly marked: boolean;
  /** Its value lies natively. */
  readonly isNative: boolean;
  /** It has seen or runs: an overwrite must look at it. */
  readonly isRich: boolean;
}

/** What a register text says without reading it all. */
export function glance(text: Latin1): RegisterText {
  const letter = text.charAt(0);
  const marked = letter >= 'a';
  const isRich = letter === 'R' || letter === 'r';
  const isNative = letter === 'V' || letter === 'v' || (isRich && text.charAt(1) === 'N');
  return { marked, isNative, isRich };
}

/**
 * Reads a register. `native`: the value that lies natively (undefined: none does, also where the text says so).
 * Result: undefined where nothing is held: its value is gone, and there are no runs.
 */
export function parseRegister(
  text: Latin1,
  type: ValueType,
  native: Value | undefined,
): Register | undefined {
  const letter = text.charAt(0).toUpperCase();
  if (letter === 'T')
    return { v: parseVersion(text.slice(1)), value: TOMBSTONE, seen: undefined, runs: undefined };
  if (letter === 'V') {
    if (native === undefined) return undefined;
    return { v: parseVersion(text.slice(1)), value: native, seen: undefined, runs: undefined };
  }
  assert(letter === 'R', `a register text begins with V, T or R: ${text.slice(0, 40)}`);
  return parseRich(text, type, native);
}

function parseRich(text: Latin1, type: ValueType, native: Value | undefined): Register | undefined {
  const kind = text.charAt(1);
  const [versionAt, seenAt, runsAt, baseAt] = partsAt(text);
  const base = text.slice(baseAt);
  const part = (from: number, to: number): Latin1 => text.slice(from, to - 1);
  const runs = parseRuns(part(runsAt, baseAt));
  const value =
    kind === 'T' ? TOMBSTONE : kind === 'B' ? baseValue(base, type) : kind === 'N' ? native : undefined;
  if (value === undefined) return runs === undefined ? undefined : { v: NONE, value, seen: undefined, runs };
  return { v: parseVersion(part(versionAt, seenAt)), value, seen: parseSeen(part(seenAt, runsAt)), runs };
}

/** Where version, seen, runs and base begin. */
function partsAt(text: Latin1): readonly [number, number, number, number] {
  const seenAt = text.indexOf(';', 3) + 1;
  const runsAt = text.indexOf(';', seenAt) + 1;
  return [3, seenAt, runsAt, text.indexOf(';', runsAt) + 1];
}

function baseValue(base: Latin1, type: ValueType): Value {
  if (type === TYPE_ZSET) return parseDouble(base);
  return type === TYPE_HASH ? base : type === TYPE_SET ? true : bytesOf(base);
}

function parseSeen(text: Latin1): Map<number, SeenRun> | undefined {
  if (text === '') return undefined;
  const seen = new Map<number, SeenRun>();
  for (const one of text.split(',')) {
    const [start = '', total = ''] = one.split(':');
    const version = parseVersion(start);
    seen.set(originOf(version), { start: version, total: parseTotalText(total) });
  }
  return seen;
}

function parseRuns(text: Latin1): Map<number, Run> | undefined {
  if (text === '') return undefined;
  const runs = new Map<number, Run>();
  for (const one of text.split(',')) {
    const [v = '', start = '', total = ''] = one.split(':');
    const version = parseVersion(v);
    runs.set(originOf(version), { v: version, start: parseVersion(start), total: parseTotalText(total) });
  }
  return runs;
}

/** The text of a register; the value itself is in it only where runs count on it. */
export function formatRegister(register: Register, marked: boolean): Latin1 {
  const text = plainText(register) ?? richText(register);
  return marked ? text.charAt(0).toLowerCase() + text.slice(1) : text;
}

function plainText({ v, value, seen, runs }: Register): Latin1 | undefined {
  if (seen !== undefined || runs !== undefined) return undefined;
  return (value === TOMBSTONE ? 'T' : 'V') + versionText(v);
}

function richText({ v, value, seen, runs }: Register): Latin1 {
  const isLiveValue = value !== undefined && value !== TOMBSTONE;
  const kind = value === undefined ? '-' : value === TOMBSTONE ? 'T' : runs === undefined ? 'N' : 'B';
  const base = isLiveValue && runs !== undefined ? baseText(value) : '';
  return `R${kind};${versionText(v)};${seenText(seen)};${runsText(runs)};${base}`;
}

function baseText(value: Value): Latin1 {
  if (typeof value === 'number') return doubleText(value);
  if (typeof value === 'string') return value;
  return value === true ? '' : value.toString('latin1');
}

function seenText(seen: Map<number, SeenRun> | undefined): Latin1 {
  return byOrigin(seen)
    .map(({ start, total }) => `${versionText(start)}:${totalAsText(total)}`)
    .join(',');
}

function runsText(runs: Map<number, Run> | undefined): Latin1 {
  return byOrigin(runs)
    .map(({ v, start, total }) => `${versionText(v)}:${versionText(start)}:${totalAsText(total)}`)
    .join(',');
}

function byOrigin<T>(runs: Map<number, T> | undefined): T[] {
  return [...(runs ?? [])].sort(([a], [b]) => a - b).map(([, run]) => run);
}
