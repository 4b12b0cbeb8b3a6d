// Doubles as Redis prints them.

/** The shortest text that reads back as `x`; `inf`, `-inf`, `nan` as in RESP3. */
export function formatDouble(x: number): string {
  if (Number.isNaN(x)) return 'nan';
  if (x === Number.POSITIVE_INFINITY) return 'inf';
  if (x === Number.NEGATIVE_INFINITY) return '-inf';
  return Object.is(x, -0) ? '-0' : String(x);
}
