// Which of two parts with the same version wins: a total order on their content, the same at every site ("the larger bytes").
import { type Register, type SeenRun, TOMBSTONE, type Value } from './types.ts';
import type { Total } from './number.ts';
import { compareVersions } from './version.ts';

/** Order of two value parts of equal version: by value (a tombstone is the least), then by what they have seen. */
export function compareParts(a: Register, b: Register): number {
  if (a.value !== b.value) {
    const order = compareValues(a.value, b.value);
    if (order !== 0) return order;
  }
  return a.seen === b.seen ? 0 : compareSeen(a.seen, b.seen);
}

/** Whether two value parts of equal version differ only in that one site has let go what they have seen (`forgetSeen`): no conflict. */
export function differInSeen(a: Register, b: Register): boolean {
  if (a.seen !== undefined && b.seen !== undefined) return false;
  return compareValues(a.value, b.value) === 0;
}

function compareValues(a: Register['value'], b: Register['value']): number {
  const rank = rankOf(a) - rankOf(b);
  if (rank !== 0) return rank;
  if (typeof a === 'object' && typeof b === 'object') return Buffer.compare(a, b);
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : Number(a > b);
  return typeof a === 'number' && typeof b === 'number' ? compareDoubles(a, b) : 0;
}

function rankOf(value: Value | typeof TOMBSTONE | undefined): number {
  if (value === undefined) return 0;
  if (value === TOMBSTONE) return 1;
  if (value === true) return 2;
  if (typeof value === 'number') return 3;
  return typeof value === 'string' ? 4 : 5;
}

/** A total order also on -0, 0 and NaN. */
function compareDoubles(a: number, b: number): number {
  if (Object.is(a, b)) return 0;
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) ? 1 : -1;
  return a - b || (Object.is(a, -0) ? -1 : 1);
}

/** Order of totals: integers below doubles, then by number. */
export function compareTotals(a: Total, b: Total): number {
  if (typeof a === 'bigint' && typeof b === 'bigint') return a < b ? -1 : Number(a > b);
  if (typeof a === 'number' && typeof b === 'number') return compareDoubles(a, b);
  return typeof a === 'bigint' ? -1 : 1;
}

function compareSeen(a: Register['seen'], b: Register['seen']): number {
  const left = sortedSeen(a);
  const right = sortedSeen(b);
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [originA, runA] = left[i] as [number, SeenRun];
    const [originB, runB] = right[i] as [number, SeenRun];
    const order =
      originA - originB || compareVersions(runA.start, runB.start) || compareTotals(runA.total, runB.total);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function sortedSeen(seen: Register['seen']): [number, SeenRun][] {
  return [...(seen ?? [])].sort(([a], [b]) => a - b);
}
