// INCR and its family: checked as Redis checks, recorded as additions.
import { TYPE_STRING } from '../crdt/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { NOT_FLOAT, NOT_INTEGER, OVERFLOW } from './errors.ts';
import { overflows, parseCounter, parseDouble, parseInt64 } from './numbers.ts';
import { readString } from './string-read.ts';

function addInteger(c: Call, increment: bigint): void {
  const old = readString(c, 1);
  if (old === undefined) return;
  const value = old === null ? 0n : parseInt64(old.toString('latin1'));
  if (value === undefined) return c.fail(NOT_INTEGER);
  const sum = value + increment;
  if (overflows(sum)) return c.fail(OVERFLOW);
  c.keyspace.addString(c.text(1), increment);
  c.reply.integer(sum);
}

function byArgument(sign: 1n | -1n): CommandHandler {
  return (c) => {
    const increment = parseInt64(c.text(2));
    if (increment === undefined) return c.fail(NOT_INTEGER);
    if (sign < 0n && overflows(-increment)) return c.fail('ERR decrement would overflow');
    addInteger(c, sign * increment);
  };
}

function incrbyfloat(c: Call): void {
  if (!c.accepts(c.text(1), TYPE_STRING)) return;
  const old = c.keyspace.getString(c.text(1));
  const value = old === undefined ? 0 : parseCounter(old.toString('latin1'));
  const increment = parseDouble(c.text(2));
  if (value === undefined || increment === undefined) return c.fail(NOT_FLOAT);
  if (!Number.isFinite(value + increment)) return c.fail('ERR increment would produce NaN or Infinity');
  c.keyspace.addString(c.text(1), increment);
  c.reply.bulk(c.keyspace.getString(c.text(1)) ?? Buffer.alloc(0));
}

export const counterCommands: Readonly<Record<string, CommandHandler>> = {
  incr: (c) => addInteger(c, 1n),
  decr: (c) => addInteger(c, -1n),
  incrby: byArgument(1n),
  decrby: byArgument(-1n),
  incrbyfloat,
};
