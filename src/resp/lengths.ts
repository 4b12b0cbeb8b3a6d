// Decimal lengths as they stand in RESP headers, read as strictly as Redis does.

/** More than any limit; longer digit strings are malformed at once. */
const DIGITS_MAX = 15;
const BAD = Number.NaN;

/**
 * The number in bytes `start` up to `end`. No plus sign, no leading zero, no blank.
 * Errors: NaN where it is no such number.
 */
export function lengthOf(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  const negative = bytes[at] === 45;
  if (negative) at++;
  if (at === end || end - at > DIGITS_MAX) return BAD;
  if (bytes[at] === 48) return end - at === 1 && !negative ? 0 : BAD;
  let value = 0;
  for (; at < end; at++) {
    const digit = bytes[at] - 48;
    if (digit < 0 || digit > 9) return BAD;
    value = value * 10 + digit;
  }
  return negative ? -value : value;
}
