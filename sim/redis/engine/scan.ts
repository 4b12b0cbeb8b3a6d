// SCAN and its kin: by the hash of the name, so that what is there all the time is told whatever comes and goes meanwhile.
import { lower } from './command.ts';
import { globOf } from './glob.ts';
import { integerOf, SYNTAX } from './numbers.ts';
import { fail } from './replies.ts';

/** COUNT, MATCH, TYPE. */
export interface ScanOptions {
  readonly count: number;
  readonly match: RegExp | undefined;
  readonly type: string | undefined;
}

/** Options from `at` on. */
export function scanOptions(args: readonly string[], at: number): ScanOptions {
  let [count, match, type]: [number, RegExp | undefined, string | undefined] = [10, undefined, undefined];
  if (!/^\d+$/.test(args[at - 1])) fail('ERR invalid cursor');
  for (let i = at; i < args.length; i += 2) {
    const option = lower(args, i);
    if (i + 1 >= args.length) fail(SYNTAX);
    if (option === 'count') count = integerOf(args[i + 1]);
    else if (option === 'match') match = globOf(args[i + 1]);
    else if (option === 'type' && at === 2) type = lower(args, i + 1);
    else fail(SYNTAX);
    if (count < 1) fail(SYNTAX);
  }
  return { count, match, type };
}

function placeOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** One page: names behind the cursor, about `count`, all of one hash together. */
export function scanPage(
  names: readonly string[],
  cursor: string,
  { count, match }: ScanOptions,
): { readonly next: string; readonly found: string[] } {
  const from = Number(cursor);
  const placed = names.map((name) => [placeOf(name) + 1, name] as const).filter(([place]) => place > from);
  placed.sort((a, b) => a[0] - b[0]);
  let end = Math.min(count, placed.length);
  while (end > 0 && end < placed.length && placed[end][0] === placed[end - 1][0]) end++;
  const found = placed.slice(0, end).map(([, name]) => name);
  const next = end >= placed.length ? '0' : String(placed[end - 1][0]);
  return { next, found: match === undefined ? found : found.filter((name) => match.test(name)) };
}
