// Numbers in arguments: as Redis reads them, with its errors.
import { fixed } from '../lua/numbers.ts';
import { fail } from './replies.ts';

export const NOT_INTEGER = 'ERR value is not an integer or out of range';
const NOT_FLOAT = 'ERR value is not a valid float';
export const SYNTAX = 'ERR syntax error';
const INT64_MAX = (1n << 63n) - 1n;
const INT64_MIN = -(1n << 63n);

/** A signed 64-bit integer in its shortest form; undefined: none. */
export function int64(text: string): bigint | undefined {
  if (!/^(?:0|-?[1-9]\d{0,18})$/.test(text)) return undefined;
  const value = BigInt(text);
  return value > INT64_MAX || value < INT64_MIN ? undefined : value;
}

export function int64Of(text: string | undefined, error = NOT_INTEGER): bigint {
  return int64(text ?? '') ?? fail(error);
}

/** An integer argument as a number. */
export function integerOf(text: string | undefined, error = NOT_INTEGER): number {
  return Number(int64Of(text, error));
}

/** A sum within 64 bits; undefined: it overflows. */
export function sum64(a: bigint, b: bigint): bigint | undefined {
  const sum = a + b;
  return sum > INT64_MAX || sum < INT64_MIN ? undefined : sum;
}

/** A float argument: strtod of the whole. */
export function floatOf(text: string | undefined, error = NOT_FLOAT): number {
  const lower = (text ?? '').toLowerCase();
  const inf = /^([+-]?)inf(?:inity)?$/.exec(lower);
  if (inf !== null) return inf[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/.test(lower)) return fail(error);
  const value = Number(lower);
  return Number.isFinite(value) ? value : fail(error);
}

/** A bound of a range: as strtod reads it, nothing being 0 and too much infinity. */
export function boundOf(text: string, error: string): number {
  if (text === '') return 0;
  const value = Number(text);
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? value : floatOf(text, error);
}

/** The sum of two decimals without an exponent, exactly; undefined: another way is needed. */
export function decimalSum(a: string, b: string): string | undefined {
  const [x, y] = [a, b].map((text) => /^([+-]?)(\d+)(?:\.(\d{1,17}))?$/.exec(text));
  if (x === null || x === undefined || y === null || y === undefined) return undefined;
  const scaled = ([, sign, whole, fraction = '']: RegExpExecArray): bigint =>
    BigInt(`${sign === '-' ? '-' : ''}${whole}${fraction.padEnd(17, '0')}`);
  const sum = scaled(x) + scaled(y);
  const digits = String(sum < 0n ? -sum : sum).padStart(18, '0');
  const text = `${digits.slice(0, -17)}.${digits.slice(-17)}`.replace(/\.?0+$/, '');
  return sum < 0n ? `-${text}` : text;
}

/** A float as INCRBYFLOAT stores it: at most 17 digits behind the point. Exact only where a double is. */
export function floatText(x: number): string {
  const shortest = /e/.test(String(x)) ? fixed(x, 17) : String(x);
  return shortest.includes('.') ? shortest.replace(/\.?0+$/, '') : shortest === '-0' ? '0' : shortest;
}

/** A range of indices: inclusive, negative ones from the end; undefined: empty. */
export function indexRange(from: number, to: number, size: number): readonly [number, number] | undefined {
  const start = Math.max(0, from < 0 ? from + size : from);
  const end = Math.min(size - 1, to < 0 ? to + size : to);
  return start > end || start >= size ? undefined : [start, end];
}
