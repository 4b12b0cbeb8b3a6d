// The command table: keys, arity, and that every command in it has a handler.
import { describe, expect, it } from 'vitest';
import { check, handlerOf } from './dispatch.ts';
import { commandTable, keysOf } from './spec.ts';

function args(line: string): { argc: number; text(a: number): string } {
  const words = line.split(' ');
  return { argc: words.length, text: (a) => words[a] };
}

const TRANSACTIONS = ['multi', 'exec', 'discard', 'watch', 'unwatch'];

describe('keysOf', () => {
  it.each([
    ['get k', ['k']],
    ['MSET a 1 b 2', ['a', 'b']],
    ['DEL a b c', ['a', 'b', 'c']],
    ['RENAME a b', ['a', 'b']],
    ['ZUNIONSTORE d 2 x y WEIGHTS 1 2', ['d', 'x', 'y']],
    ['SINTERCARD 2 x y LIMIT 1', ['x', 'y']],
    ['ZMPOP 9 x MIN', []],
    ['ZUNION x a', []],
    ['OBJECT ENCODING k', ['k']],
    ['MEMORY USAGE k', ['k']],
    ['SORT a BY STORE STORE d', ['a', 'd']],
    ['PING', []],
    ['NOSUCH k', []],
    ['GET', []],
  ])('%s', (line, keys) => {
    expect(keysOf(args(line))).toEqual(keys);
  });
});

describe('the table', () => {
  it('has a handler and a summary for every command that it offers', () => {
    const offered = [...commandTable.values()].filter((spec) => spec.supported);
    expect(offered.length).toBeGreaterThan(150);
    for (const spec of offered) {
      expect(spec.summary, spec.name).not.toBe('');
      if (!TRANSACTIONS.includes(spec.name)) expect(handlerOf(spec), spec.name).toBeTypeOf('function');
    }
  });

  it('tells of every write command with keys what it does to registers', () => {
    const writes = [...commandTable.values()].filter(
      (spec) => spec.isWrite && spec.name !== 'move' && spec.name !== 'swapdb',
    );
    expect(writes.length).toBeGreaterThan(50);
    for (const spec of writes) expect(spec.touches, spec.name).not.toBe('');
  });

  it.each([
    ['GET', "ERR wrong number of arguments for 'get' command"],
    ['get a b', "ERR wrong number of arguments for 'get' command"],
    ['CLIENT KILL', "ERR wrong number of arguments for 'client|kill' command"],
    ['client nosuch', "ERR unknown subcommand 'nosuch'. Try CLIENT HELP."],
    ['LPUSH k v', "ERR 'LPUSH' is not supported by the embedded store yet"],
    ['LPUSH k', "ERR wrong number of arguments for 'lpush' command"],
    ['CLIENT TRACKING on', "ERR 'CLIENT TRACKING' is not supported by the embedded store yet"],
    ['nosuch a b', "ERR unknown command 'nosuch', with args beginning with: 'a' 'b' "],
  ])('refuses %s', (line, error) => {
    expect(check(args(line)).error).toBe(error);
  });
});
