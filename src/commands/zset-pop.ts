// ZPOPMIN, ZPOPMAX, ZMPOP.
import type { Latin1 } from '../base/index.ts';
import { TYPE_ZSET } from '../crdt/index.ts';
import type { ZsetView } from '../store/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { NOT_POSITIVE, SYNTAX } from './errors.ts';
import { parseLong } from './numbers.ts';
import { countedKeys } from './set-algebra.ts';
import { type Element, readZset, replyElements } from './zsets.ts';

interface Pop {
  readonly key: Latin1;
  readonly count: number;
  readonly highest: boolean;
}

/** Removes elements from one end and returns them in the order of their popping. */
function pop(c: Call, zset: ZsetView, { key, count, highest }: Pop): Element[] {
  const from = highest ? Math.max(0, zset.size - count) : 0;
  const to = highest ? zset.size : Math.min(zset.size, count);
  const elements = from < to ? [...zset.range(from, to)] : [];
  for (const { member } of elements) c.keyspace.removeField(key, TYPE_ZSET, member);
  return highest ? elements.reverse() : elements;
}

function zpop(highest: boolean): CommandHandler {
  return (c) => {
    if (c.argc > 3) return c.fail(SYNTAX);
    const count = c.argc === 3 ? parseLong(c.text(2)) : 1;
    if (count === undefined || count < 0) return c.fail(NOT_POSITIVE);
    const zset = readZset(c, 1);
    if (zset === undefined) return;
    const elements = zset === null ? [] : pop(c, zset, { key: c.text(1), count, highest });
    if (c.argc === 3 || elements.length === 0) return replyElements(c, elements, true);
    c.reply.array(2);
    c.reply.latin1(elements[0].member);
    c.double(elements[0].score);
  };
}

function zmpop(c: Call): void {
  const found = countedKeys(c, 1);
  if (found === undefined) return;
  const { keys, next } = found;
  const end = next < c.argc ? c.word(next) : '';
  if (end !== 'MIN' && end !== 'MAX') return c.fail(SYNTAX);
  let count = 1;
  if (next + 1 < c.argc) {
    if (next + 3 !== c.argc || c.word(next + 1) !== 'COUNT') return c.fail(SYNTAX);
    const given = parseLong(c.text(next + 2));
    if (given === undefined || given < 1) return c.fail('ERR count should be greater than 0');
    count = given;
  }
  for (const key of keys) {
    if (!c.accepts(key, TYPE_ZSET)) return;
    const zset = c.keyspace.zset(key);
    if (zset === undefined) continue;
    const elements = pop(c, zset, { key, count, highest: end === 'MAX' });
    return replyPopped(c, key, elements);
  }
  c.reply.nullArray();
}

function replyPopped(c: Call, key: Latin1, elements: readonly Element[]): void {
  c.reply.array(2);
  c.reply.latin1(key);
  c.reply.array(elements.length);
  for (const { member, score } of elements) {
    c.reply.array(2);
    c.reply.latin1(member);
    c.double(score);
  }
}

export const zsetPops: Readonly<Record<string, CommandHandler>> = {
  zpopmin: zpop(false),
  zpopmax: zpop(true),
  zmpop,
};
