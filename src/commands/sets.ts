// Set commands on one set, and SMOVE.
import { below, type Latin1 } from '../base/index.ts';
import { TYPE_SET } from '../crdt/index.ts';
import type { SetView } from '../store/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { NOT_POSITIVE, SYNTAX } from './errors.ts';
import { pickCount } from './hash-pick.ts';
import { parseLong } from './numbers.ts';
import { picksFor } from './picks.ts';

/** The set at the first key. null: no such key; undefined: an error was replied. */
function readSet(c: Call): SetView | null | undefined {
  if (!c.accepts(c.text(1), TYPE_SET)) return undefined;
  return c.keyspace.set(c.text(1)) ?? null;
}

function reading(answer: (c: Call, set: SetView | null) => void): CommandHandler {
  return (c) => {
    const set = readSet(c);
    if (set !== undefined) answer(c, set);
  };
}

/** A set reply: `~` in RESP3. */
export function replySet(c: Call, members: readonly Latin1[]): void {
  c.reply.set(members.length);
  for (const member of members) c.reply.latin1(member);
}

function sadd(c: Call): void {
  const key = c.text(1);
  if (!c.accepts(key, TYPE_SET)) return;
  let added = 0;
  for (const member of c.rest(2)) {
    if (c.keyspace.set(key)?.has(member) !== true) added++;
    c.keyspace.putField(key, TYPE_SET, member, true);
  }
  c.reply.integer(added);
}

function srem(c: Call): void {
  if (!c.accepts(c.text(1), TYPE_SET)) return;
  let removed = 0;
  for (const member of c.rest(2)) if (c.keyspace.removeField(c.text(1), TYPE_SET, member)) removed++;
  c.reply.integer(removed);
}

function smismember(c: Call, set: SetView | null): void {
  c.reply.array(c.argc - 2);
  for (const member of c.rest(2)) c.reply.integer(set?.has(member) === true ? 1 : 0);
}

function smove(c: Call): void {
  const [from, to, member] = [c.text(1), c.text(2), c.text(3)];
  if (c.keyspace.type(from) === 0) return c.reply.integer(0);
  if (!c.accepts(from, TYPE_SET) || !c.accepts(to, TYPE_SET)) return;
  const has = c.keyspace.set(from)?.has(member) === true;
  if (has && from !== to) {
    c.keyspace.removeField(from, TYPE_SET, member);
    c.keyspace.putField(to, TYPE_SET, member, true);
  }
  c.reply.integer(has ? 1 : 0);
}

function spop(c: Call): void {
  if (c.argc > 3) return c.fail(SYNTAX);
  const count = c.argc === 3 ? parseLong(c.text(2)) : 1;
  if (count === undefined || count < 0) return c.fail(NOT_POSITIVE);
  const set = readSet(c);
  if (set === undefined) return;
  if (c.argc === 3) return spopMany(c, set, count);
  if (set === null) return c.reply.null();
  const member = set.at(below(c.ctx.random, set.size));
  c.keyspace.removeField(c.text(1), TYPE_SET, member);
  c.reply.latin1(member);
}

function spopMany(c: Call, set: SetView | null, count: number): void {
  const members = set === null ? [] : picksFor(c.ctx.random, set.size, count).map((i) => set.at(i));
  for (const member of members) c.keyspace.removeField(c.text(1), TYPE_SET, member);
  replySet(c, members);
}

function srandmember(c: Call): void {
  if (c.argc > 3) return c.fail(SYNTAX);
  const count = c.argc === 3 ? pickCount(c) : 1;
  if (count === undefined) return;
  const set = readSet(c);
  if (set === undefined) return;
  const members = set === null ? [] : picksFor(c.ctx.random, set.size, count).map((i) => set.at(i));
  if (c.argc === 3) c.strings(members);
  else if (members.length === 0) c.reply.null();
  else c.reply.latin1(members[0]);
}

export const setCommands: Readonly<Record<string, CommandHandler>> = {
  sadd,
  srem,
  scard: reading((c, set) => c.reply.integer(set?.size ?? 0)),
  sismember: reading((c, set) => c.reply.integer(set?.has(c.text(2)) === true ? 1 : 0)),
  smismember: reading(smismember),
  smembers: reading((c, set) => replySet(c, [...(set?.members() ?? [])])),
  smove,
  spop,
  srandmember,
};
