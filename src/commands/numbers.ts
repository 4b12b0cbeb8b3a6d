// Numbers in arguments and values, read and printed exactly as Redis 7.0 does.

const INT64_MAX = 9223372036854775807n;
const INT64_MIN = -9223372036854775808n;
const INTEGER = /^(?:0|-?[1-9][0-9]{0,18})$/;
const DECIMAL = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const HEXADECIMAL = /^([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?(?:[pP]([+-]?[0-9]+))?$/;
const INFINITY = /^([+-]?)inf(?:inity)?$/i;

/** A 64-bit integer: no plus, no leading zero, no blanks. undefined: it is none. */
export function parseInt64(text: string): bigint | undefined {
  if (!INTEGER.test(text)) return undefined;
  const value = BigInt(text);
  return value >= INT64_MIN && value <= INT64_MAX ? value : undefined;
}

/** The same as a double (counts, offsets, indexes: exact up to 2^53, far beyond any of them). */
export function parseLong(text: string): number | undefined {
  if (text.length <= 15) return INTEGER.test(text) ? Number(text) : undefined;
  const value = parseInt64(text);
  return value === undefined ? undefined : Number(value);
}

/** true: the sum does not fit 64 bits. */
export function overflows(sum: bigint): boolean {
  return sum > INT64_MAX || sum < INT64_MIN;
}

/** A double as strtod reads it: decimal, hexadecimal, infinities; no blanks, no NaN. undefined: it is none. */
export function parseDouble(text: string): number | undefined {
  if (DECIMAL.test(text)) return finite(text);
  const infinity = INFINITY.exec(text);
  if (infinity !== null) return infinity[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return parseHexadecimal(text);
}

function finite(text: string): number | undefined {
  const value = Number(text);
  if (!Number.isFinite(value)) return undefined;
  if (value === 0 && /[1-9]/.test(text.split(/[eE]/)[0])) return undefined;
  return value;
}

function parseHexadecimal(text: string): number | undefined {
  const parts = HEXADECIMAL.exec(text);
  if (parts === null || (parts[2] + (parts[3] ?? '')).length === 0) return undefined;
  const [, sign, whole, fraction = '', exponent = '0'] = parts;
  const mantissa = Number(`0x${whole}${fraction}`);
  const value = mantissa * 2 ** (Number(exponent) - fraction.length * 4);
  if (!Number.isFinite(value)) return undefined;
  return sign === '-' ? -value : value;
}

/** The lenient reading that SORT and score bounds use: blanks in front, nothing after a NUL, nothing at all is 0. */
export function parseLenientDouble(text: string): number | undefined {
  const nul = text.indexOf('\0');
  const cut = (nul < 0 ? text : text.slice(0, nul)).replace(/^[ \t\n\v\f\r]+/, '');
  if (cut === '') return nul < 0 && cut !== text ? undefined : 0;
  return DECIMAL.test(cut) ? Number(cut) : parseDouble(cut);
}

/** A value that INCRBYFLOAT can add to and that a merge counts on: plain decimal. */
export function parseCounter(text: string): number | undefined {
  return DECIMAL.test(text) ? finite(text) : undefined;
}

/** C's `%.17g`, as replies print scores. */
export function doubleText(x: number): string {
  if (Number.isInteger(x) && Math.abs(x) < 1e17) return Object.is(x, -0) ? '-0' : String(x);
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf';
  const magnitude = Math.abs(x);
  const small = magnitude < 1e-4;
  const text = small ? x.toExponential(16) : x.toPrecision(17);
  const [mantissa, exponent] = text.split('e');
  const digits = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
  if (exponent === undefined) return digits;
  const power = exponent.replace(/^[+-]/, '').padStart(2, '0');
  return `${digits}e${exponent.startsWith('-') ? '-' : '+'}${power}`;
}
