// SINTER, SUNION, SDIFF, their STORE forms, SINTERCARD.
import type { Latin1 } from '../base/index.ts';
import { TYPE_SET } from '../crdt/index.ts';
import type { SetView } from '../store/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { SYNTAX } from './errors.ts';
import { parseLong } from './numbers.ts';
import { replySet } from './sets.ts';

type Combine = (sets: readonly (SetView | undefined)[]) => Latin1[];

function intersect(sets: readonly (SetView | undefined)[], limit = 0): Latin1[] {
  const all = sets.filter((set) => set !== undefined);
  if (all.length < sets.length) return [];
  all.sort((a, b) => a.size - b.size);
  const [smallest, ...others] = all;
  const found: Latin1[] = [];
  for (const member of smallest.members()) {
    if (!others.every((set) => set.has(member))) continue;
    found.push(member);
    if (found.length === limit) break;
  }
  return found;
}

const unite: Combine = (sets) => {
  const found = new Set<Latin1>();
  for (const set of sets) for (const member of set?.members() ?? []) found.add(member);
  return [...found];
};

const subtract: Combine = ([first, ...others]) =>
  [...(first?.members() ?? [])].filter((member) => !others.some((set) => set?.has(member) === true));

/** The sets at keys. undefined: an error was replied. */
function readSets(c: Call, keys: readonly Latin1[]): (SetView | undefined)[] | undefined {
  for (const key of keys) if (!c.accepts(key, TYPE_SET)) return undefined;
  return keys.map((key) => c.keyspace.set(key));
}

function answering(combine: Combine): CommandHandler {
  return (c) => {
    const sets = readSets(c, c.rest(1));
    if (sets !== undefined) replySet(c, combine(sets));
  };
}

function storing(combine: Combine): CommandHandler {
  return (c) => {
    const sets = readSets(c, c.rest(2));
    if (sets === undefined) return;
    const members = combine(sets);
    const key = c.text(1);
    if (members.length === 0) c.keyspace.remove(key);
    else c.keyspace.overwrite(key);
    for (const member of members) c.keyspace.putField(key, TYPE_SET, member, true);
    c.reply.integer(members.length);
  };
}

function sintercard(c: Call): void {
  const found = countedKeys(c, 1);
  if (found === undefined) return;
  const limit = limitOption(c, found.next);
  if (limit === undefined) return;
  const sets = readSets(c, found.keys);
  if (sets !== undefined) c.reply.integer(intersect(sets, limit).length);
}

/** Keys behind their number at argument `at`, and the argument after them. undefined: an error was replied. */
export function countedKeys(
  c: Call,
  at: number,
): { readonly keys: Latin1[]; readonly next: number } | undefined {
  const count = parseLong(c.text(at));
  if (count === undefined || count < 1) return c.fail('ERR numkeys should be greater than 0');
  if (count > c.argc - at - 1) return c.fail("ERR Number of keys can't be greater than number of args");
  return { keys: c.rest(at + 1).slice(0, count), next: at + 1 + count };
}

/** The optional LIMIT of SINTERCARD and ZINTERCARD; 0: none. undefined: an error was replied. */
export function limitOption(c: Call, at: number): number | undefined {
  let limit = 0;
  for (let a = at; a < c.argc; a += 2) {
    if (c.word(a) !== 'LIMIT' || a + 1 >= c.argc) return c.fail(SYNTAX);
    const value = parseLong(c.text(a + 1));
    if (value === undefined || value < 0) return c.fail("ERR LIMIT can't be negative");
    limit = value;
  }
  return limit;
}

export const setAlgebra: Readonly<Record<string, CommandHandler>> = {
  sinter: answering((sets) => intersect(sets)),
  sunion: answering(unite),
  sdiff: answering(subtract),
  sinterstore: storing((sets) => intersect(sets)),
  sunionstore: storing(unite),
  sdiffstore: storing(subtract),
  sintercard,
};
