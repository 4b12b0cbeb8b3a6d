// ZUNION, ZINTER, ZDIFF, their STORE forms, ZINTERCARD: over sorted sets and sets.
import type { Latin1 } from '../base/index.ts';
import { TYPE_SET, TYPE_ZSET } from '../crdt/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { NOT_INTEGER, SYNTAX, WRONG_TYPE } from './errors.ts';
import { parseDouble, parseLong } from './numbers.ts';
import { limitOption } from './set-algebra.ts';
import { storeElements } from './zset-range.ts';
import { type Element, replyElements } from './zsets.ts';

type Source = ReadonlyMap<Latin1, number>;
type Operation = 'union' | 'inter' | 'diff';

interface Options {
  readonly weights: number[];
  aggregate: 'SUM' | 'MIN' | 'MAX';
  withScores: boolean;
}

/** The sources, and the argument after their keys. undefined: an error was replied. */
function readSources(c: Call, at: number): { readonly sources: Source[]; readonly next: number } | undefined {
  const count = parseLong(c.text(at));
  if (count === undefined) return c.fail(NOT_INTEGER);
  if (count < 1) return c.fail(`ERR at least 1 input key is needed for '${c.spec.name}' command`);
  if (count > c.argc - at - 1) return c.fail(SYNTAX);
  const keys = c.rest(at + 1).slice(0, count);
  const sources: Source[] = [];
  for (const key of keys) {
    const source = readSource(c, key);
    if (source === undefined) return c.fail(WRONG_TYPE);
    sources.push(source);
  }
  return { sources, next: at + 1 + count };
}

function readSource({ keyspace }: Call, key: Latin1): Source | undefined {
  const type = keyspace.type(key);
  const source = new Map<Latin1, number>();
  if (type === TYPE_SET) for (const member of keyspace.set(key)?.members() ?? []) source.set(member, 1);
  else if (type === TYPE_ZSET) {
    const zset = keyspace.zset(key);
    for (const { member, score } of zset?.range(0, zset.size) ?? []) source.set(member, score);
  } else if (type !== 0) return undefined;
  return source;
}

interface Parsing {
  readonly at: number;
  readonly sources: number;
  readonly operation: Operation;
  readonly store: boolean;
}

function parseOptions(c: Call, { at, sources, operation, store }: Parsing): Options | undefined {
  const options: Options = {
    weights: new Array<number>(sources).fill(1),
    aggregate: 'SUM',
    withScores: false,
  };
  for (let a = at; a < c.argc; a++) {
    const word = c.word(a);
    if (operation !== 'diff' && word === 'WEIGHTS' && a + sources < c.argc) {
      for (let i = 0; i < sources; i++) {
        const weight = parseDouble(c.text(++a));
        if (weight === undefined) return c.fail('ERR weight value is not a float');
        options.weights[i] = weight;
      }
    } else if (operation !== 'diff' && word === 'AGGREGATE' && a + 1 < c.argc) {
      const choice = c.word(++a);
      if (choice !== 'SUM' && choice !== 'MIN' && choice !== 'MAX') return c.fail(SYNTAX);
      options.aggregate = choice;
    } else if (!store && word === 'WITHSCORES') options.withScores = true;
    else return c.fail(SYNTAX);
  }
  return options;
}

function weighted(score: number, weight: number): number {
  const product = score * weight;
  return Number.isNaN(product) ? 0 : product;
}

function join(aggregate: Options['aggregate'], a: number, b: number): number {
  if (aggregate === 'MIN') return Math.min(a, b);
  if (aggregate === 'MAX') return Math.max(a, b);
  return Number.isNaN(a + b) ? 0 : a + b;
}

function combine(operation: Operation, sources: readonly Source[], options: Options): Map<Latin1, number> {
  const [first, ...others] = sources;
  if (operation === 'diff')
    return new Map([...first].filter(([member]) => !others.some((source) => source.has(member))));
  const result = new Map<Latin1, number>();
  for (const [i, source] of sources.entries()) {
    for (const [member, score] of source) {
      if (operation === 'inter' && !sources.every((other) => other.has(member))) continue;
      const value = weighted(score, options.weights[i]);
      const held = result.get(member);
      result.set(member, held === undefined ? value : join(options.aggregate, held, value));
    }
  }
  return result;
}

function inOrder(result: ReadonlyMap<Latin1, number>): Element[] {
  const elements = [...result].map(([member, score]) => ({ member, score }));
  return elements.sort((a, b) => {
    if (a.score !== b.score) return a.score < b.score ? -1 : 1;
    return a.member < b.member ? -1 : 1;
  });
}

function combining(operation: Operation, store: boolean): CommandHandler {
  return (c) => {
    const read = readSources(c, store ? 2 : 1);
    if (read === undefined) return;
    const { sources, next } = read;
    const options = parseOptions(c, { at: next, sources: sources.length, operation, store });
    if (options === undefined) return;
    const elements = inOrder(combine(operation, sources, options));
    if (store) storeElements(c, elements);
    else replyElements(c, elements, options.withScores);
  };
}

function zintercard(c: Call): void {
  const read = readSources(c, 1);
  if (read === undefined) return;
  const limit = limitOption(c, read.next);
  if (limit === undefined) return;
  const [first, ...others] = read.sources;
  let count = 0;
  for (const member of first.keys()) {
    if (!others.every((source) => source.has(member))) continue;
    count++;
    if (count === limit) break;
  }
  c.reply.integer(count);
}

export const zsetAlgebra: Readonly<Record<string, CommandHandler>> = {
  zunion: combining('union', false),
  zinter: combining('inter', false),
  zdiff: combining('diff', false),
  zunionstore: combining('union', true),
  zinterstore: combining('inter', true),
  zdiffstore: combining('diff', true),
  zintercard,
};
