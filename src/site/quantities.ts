// Sizes, durations and words as users write them in flags, the environment and the config file.
import { MqkvError } from '../base/index.ts';
import { suggestion } from './suggest.ts';

const KIB = 1024;
const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: KIB,
  kib: KIB,
  mb: KIB ** 2,
  mib: KIB ** 2,
  gb: KIB ** 3,
  gib: KIB ** 3,
};
const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A refused value; the message says what is allowed. */
export function badValue(message: string): MqkvError {
  return new MqkvError('BAD_VALUE', message);
}

/** A parser of sizes (`64mb`, `512MiB`, `1gb`, `1048576`) between two sizes written the same way. Units: bytes. */
export function sizeParser(min: string, max: string): (text: string) => number {
  return (text) => {
    const allowed = `must be a size such as 64mb, 512MiB or 1gb, from ${min} to ${max}`;
    return inRange(sizeOf(text), { allowed, min: sizeOf(min), max: sizeOf(max) });
  };
}

/** A parser of durations (`500ms`, `10s`, `24h`) between two durations. Units: ms. */
export function durationParser(min: string, max: string): (text: string) => number {
  return (text) => {
    const allowed = `must be a duration such as 500ms, 10s or 24h, from ${min} to ${max}`;
    const hint = /^\d+$/.test(text) ? `; did you mean "${text}s"?` : '';
    return inRange(durationOf(text), { allowed: allowed + hint, min: durationOf(min), max: durationOf(max) });
  };
}

/** A parser of one of some words. */
export function wordParser<W extends string>(words: readonly W[]): (text: string) => W {
  return (text) => {
    const word = words.find((candidate) => candidate === text);
    if (word !== undefined) return word;
    throw badValue(`must be one of ${words.join(', ')}${suggestion(text, words)}`);
  };
}

interface Bounds {
  readonly allowed: string;
  readonly min: number;
  readonly max: number;
}

function inRange(value: number, bounds: Bounds): number {
  if (value >= bounds.min && value <= bounds.max) return value;
  throw badValue(bounds.allowed);
}

/** NaN when it is none, which lies in no range. */
function sizeOf(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,15})([a-z]*)$/i.exec(text) ?? [];
  return digits === '' ? Number.NaN : Number(digits) * (SIZE_UNITS[unit.toLowerCase()] ?? Number.NaN);
}

function durationOf(text: string): number {
  if (text === '0') return 0;
  const [, digits = '', unit = ''] = /^(\d{1,15})([a-z]+)$/.exec(text) ?? [];
  return digits === '' ? Number.NaN : Number(digits) * (DURATION_UNITS[unit] ?? Number.NaN);
}
