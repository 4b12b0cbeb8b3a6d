// Numbers in values: what counts as one, how totals add up, and the text that a sum shows as.
import type { Latin1 } from '../base/index.ts';

/** A total: exact while every part is an integer, a double from the first float on. */
export type Total = bigint | number;

const INT64_MAX = 9223372036854775807n;
const INT64_MIN = -9223372036854775808n;
/** Also with leading zeros, which INCR refuses but APPEND can make: exact all the same. */
const INTEGER = /^-?[0-9]{1,64}$/;
const FLOAT = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
/** Decimals that Redis prints of a float. */
const DECIMALS_MAX = 17;

/**
 * The number that a value's text is: a bigint where it is an integer of 64 bits, else a double where
 * INCRBYFLOAT would take it.
 */
export function parseTotal(text: Latin1): Total | undefined {
  if (INTEGER.test(text)) {
    const integer = BigInt(text);
    if (integer >= INT64_MIN && integer <= INT64_MAX) return integer;
  }
  if (!FLOAT.test(text)) return undefined;
  const float = Number(text);
  return Number.isFinite(float) ? float : undefined;
}

/** a + b; a double as soon as one of them is. */
export function addTotals(a: Total, b: Total): Total {
  return typeof a === 'bigint' && typeof b === 'bigint' ? a + b : Number(a) + Number(b);
}

/** a - b; a double as soon as one of them is. */
export function subtractTotals(a: Total, b: Total): Total {
  return typeof a === 'bigint' && typeof b === 'bigint' ? a - b : Number(a) - Number(b);
}

/** The base and the parts in order: exact if all are integers (clamped to 64 bits once, here), else in doubles. NaN shows as 0. */
export function sumOf(base: Total, parts: readonly Total[]): Total {
  if (typeof base === 'bigint' && parts.every((part) => typeof part === 'bigint'))
    return clamped(base, parts);
  let sum = Number(base);
  for (const part of parts) sum += Number(part);
  return Number.isNaN(sum) ? 0 : sum;
}

function clamped(base: bigint, parts: readonly bigint[]): bigint {
  let sum = base;
  for (const part of parts) sum += part;
  if (sum > INT64_MAX) return INT64_MAX;
  return sum < INT64_MIN ? INT64_MIN : sum;
}

/** The text of a sum as INCRBY and INCRBYFLOAT print it: shortest decimal, never an exponent, at most 17 decimals. */
export function totalText(total: Total): Latin1 {
  if (typeof total === 'bigint') return total.toString();
  if (!Number.isFinite(total)) return total > 0 ? 'inf' : '-inf';
  const text = expanded(String(total));
  return text === '-0' ? '0' : text;
}

/** Writes `1.5e+21` or `1e-7` out. */
function expanded(text: string): string {
  const split = text.indexOf('e');
  if (split < 0) return text;
  const exponent = Number(text.slice(split + 1));
  const sign = text.startsWith('-') ? '-' : '';
  const [whole, fraction = ''] = text.slice(sign.length, split).split('.') as [string, string?];
  if (exponent > 0) return sign + whole + fraction.padEnd(exponent, '0');
  const decimals = -exponent + fraction.length;
  if (decimals > DECIMALS_MAX) return trimmed(Number(text).toFixed(DECIMALS_MAX));
  return `${sign}0.${(whole + fraction).padStart(decimals, '0')}`;
}

function trimmed(fixed: string): string {
  return fixed.replace(/\.?0+$/, '');
}
