// Sorted set commands on one element or the whole: scores, ranks, counts, ZREM, ZRANDMEMBER.
import { TYPE_ZSET } from '../crdt/index.ts';
import type { ZsetView } from '../store/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { SYNTAX } from './errors.ts';
import { pickCount } from './hash-pick.ts';
import { picksFor } from './picks.ts';

/** An element with its score. */
export interface Element {
  readonly member: string;
  readonly score: number;
}

/** The sorted set at argument a. null: no such key; undefined: an error was replied. */
export function readZset(c: Call, a: number): ZsetView | null | undefined {
  if (!c.accepts(c.text(a), TYPE_ZSET)) return undefined;
  return c.keyspace.zset(c.text(a)) ?? null;
}

function reading(answer: (c: Call, zset: ZsetView | null) => void): CommandHandler {
  return (c) => {
    const zset = readZset(c, 1);
    if (zset !== undefined) answer(c, zset);
  };
}

function replyScore(c: Call, score: number | undefined): void {
  if (score === undefined) c.reply.null();
  else c.double(score);
}

/** Elements with or without scores: nested pairs in RESP3. */
export function replyElements(c: Call, elements: readonly Element[], withScores: boolean): void {
  const isNested = withScores && c.reply.protocol === 3;
  c.reply.array(withScores && !isNested ? elements.length * 2 : elements.length);
  for (const { member, score } of elements) {
    if (isNested) c.reply.array(2);
    c.reply.latin1(member);
    if (withScores) c.double(score);
  }
}

function rank(fromEnd: boolean): CommandHandler {
  return reading((c, zset) => {
    const found = zset?.rank(c.text(2)) ?? -1;
    if (zset === null || found < 0) c.reply.null();
    else c.reply.integer(fromEnd ? zset.size - 1 - found : found);
  });
}

function zrem(c: Call): void {
  if (!c.accepts(c.text(1), TYPE_ZSET)) return;
  let removed = 0;
  for (const member of c.rest(2)) if (c.keyspace.removeField(c.text(1), TYPE_ZSET, member)) removed++;
  c.reply.integer(removed);
}

function zmscore(c: Call, zset: ZsetView | null): void {
  c.reply.array(c.argc - 2);
  for (const member of c.rest(2)) replyScore(c, zset?.score(member));
}

function zrandmember(c: Call): void {
  const count = c.argc > 2 ? pickCount(c) : 1;
  if (count === undefined) return;
  if (c.argc > 4 || (c.argc === 4 && c.word(3) !== 'WITHSCORES')) return c.fail(SYNTAX);
  const zset = readZset(c, 1);
  if (zset === undefined) return;
  const elements = zset === null ? [] : picksFor(c.ctx.random, zset.size, count).map((i) => zset.at(i));
  if (c.argc > 2) replyElements(c, elements, c.argc === 4);
  else if (elements.length === 0) c.reply.null();
  else c.reply.latin1(elements[0].member);
}

export const zsetCommands: Readonly<Record<string, CommandHandler>> = {
  zcard: reading((c, zset) => c.reply.integer(zset?.size ?? 0)),
  zscore: reading((c, zset) => replyScore(c, zset?.score(c.text(2)))),
  zmscore: reading(zmscore),
  zrank: rank(false),
  zrevrank: rank(true),
  zrem,
  zrandmember,
};
