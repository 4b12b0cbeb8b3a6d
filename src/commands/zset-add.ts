// ZADD with all its options, ZINCRBY.
import { TYPE_ZSET } from '../crdt/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { NOT_FLOAT, SYNTAX } from './errors.ts';
import { parseDouble } from './numbers.ts';

interface AddOptions {
  nx: boolean;
  xx: boolean;
  gt: boolean;
  lt: boolean;
  ch: boolean;
  incr: boolean;
}

const NAN = 'ERR resulting score is not a number (NaN)';

/** Options, and the argument after them. */
function addOptions(c: Call): { readonly options: AddOptions; readonly next: number } {
  const options: AddOptions = { nx: false, xx: false, gt: false, lt: false, ch: false, incr: false };
  let a = 2;
  for (; a < c.argc; a++) {
    const word = c.word(a).toLowerCase();
    if (!Object.hasOwn(options, word)) break;
    options[word as keyof AddOptions] = true;
  }
  return { options, next: a };
}

function objection(options: AddOptions, pairs: number): string | undefined {
  if (pairs === 0 || !Number.isInteger(pairs)) return SYNTAX;
  if (options.nx && options.xx) return 'ERR XX and NX options at the same time are not compatible';
  if ((options.gt && options.nx) || (options.lt && options.nx) || (options.gt && options.lt))
    return 'ERR GT, LT, and/or NX options at the same time are not compatible';
  if (options.incr && pairs > 1) return 'ERR INCR option supports a single increment-element pair';
  return undefined;
}

/** Whether the options let `score` take the place of `shown`. */
function allowed(options: AddOptions, score: number, shown: number | undefined): boolean {
  if (shown === undefined) return !options.xx;
  if (options.nx || (options.gt && score <= shown)) return false;
  return !(options.lt && score >= shown);
}

function zadd(c: Call): void {
  const { options, next } = addOptions(c);
  const refused = objection(options, (c.argc - next) / 2);
  if (refused !== undefined) return c.fail(refused);
  const scores: number[] = [];
  for (let a = next; a < c.argc; a += 2) {
    const score = parseDouble(c.text(a));
    if (score === undefined) return c.fail(NOT_FLOAT);
    scores.push(score);
  }
  if (!c.accepts(c.text(1), TYPE_ZSET)) return;
  if (options.incr) return increase(c, options, { member: c.text(next + 1), increment: scores[0] });
  let changed = 0;
  for (const [i, score] of scores.entries()) {
    const member = c.text(next + i * 2 + 1);
    const shown = c.keyspace.zset(c.text(1))?.score(member);
    if (!allowed(options, score, shown)) continue;
    c.keyspace.putField(c.text(1), TYPE_ZSET, member, score);
    if (shown === undefined || (options.ch && shown !== score)) changed++;
  }
  c.reply.integer(changed);
}

function increase(
  c: Call,
  options: AddOptions,
  { member, increment }: { readonly member: string; readonly increment: number },
): void {
  const key = c.text(1);
  const shown = c.keyspace.zset(key)?.score(member);
  const sum = (shown ?? 0) + increment;
  if (shown === undefined ? options.xx : options.nx) return c.reply.null();
  if (Number.isNaN(sum)) return c.fail(NAN);
  if (!allowed(options, sum, shown)) return c.reply.null();
  c.keyspace.addField(key, TYPE_ZSET, member, increment);
  c.double(c.keyspace.zset(key)?.score(member) ?? sum);
}

function zincrby(c: Call): void {
  const increment = parseDouble(c.text(2));
  if (increment === undefined) return c.fail(NOT_FLOAT);
  if (!c.accepts(c.text(1), TYPE_ZSET)) return;
  const none: AddOptions = { nx: false, xx: false, gt: false, lt: false, ch: false, incr: true };
  increase(c, none, { member: c.text(3), increment });
}

export const zsetAdd: Readonly<Record<string, CommandHandler>> = { zadd, zincrby };
