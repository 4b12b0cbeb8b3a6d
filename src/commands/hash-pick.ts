// HRANDFIELD.
import { PICKS_MAX } from '../base/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { NOT_INTEGER, OUT_OF_RANGE, SYNTAX } from './errors.ts';
import { readHash } from './hashes.ts';
import { parseLong } from './numbers.ts';
import { picksFor } from './picks.ts';

/** The count argument of a pick. undefined: an error was replied. */
export function pickCount(c: Call): number | undefined {
  const count = parseLong(c.text(2));
  if (count === undefined) return c.fail(NOT_INTEGER);
  return count < -PICKS_MAX ? c.fail(OUT_OF_RANGE) : count;
}

function hrandfield(c: Call): void {
  const count = c.argc > 2 ? pickCount(c) : 1;
  if (count === undefined) return;
  if (c.argc > 4 || (c.argc === 4 && c.word(3) !== 'WITHVALUES')) return c.fail(SYNTAX);
  const hash = readHash(c);
  if (hash === undefined) return;
  if (c.argc === 2) {
    if (hash === null) return c.reply.null();
    return c.reply.latin1(hash.at(picksFor(c.ctx.random, hash.size, 1)[0]));
  }
  const fields = hash === null ? [] : picksFor(c.ctx.random, hash.size, count).map((i) => hash.at(i));
  if (c.argc === 3) return c.strings(fields);
  replyPairs(
    c,
    fields.map((field) => [field, hash?.get(field) ?? ''] as const),
  );
}

/** Pairs: nested in RESP3, flat in RESP2. */
function replyPairs(c: Call, pairs: readonly (readonly [string, string])[]): void {
  const isNested = c.reply.protocol === 3;
  c.reply.array(isNested ? pairs.length : pairs.length * 2);
  for (const [field, value] of pairs) {
    if (isNested) c.reply.array(2);
    c.reply.latin1(field);
    c.reply.latin1(value);
  }
}

export const hashPicks: Readonly<Record<string, CommandHandler>> = { hrandfield };
