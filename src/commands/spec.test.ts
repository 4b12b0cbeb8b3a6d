// The command table: keys, arity, that every command in it has a handler, and that it is Redis'.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openControl, requireBroker, startRedis } from '../../test/brokers/index.ts';
import { commandsPage } from './commands-page.ts';
import { check, handlerOf } from './dispatch.ts';
import { type CommandSpec, commandTable, keysOf } from './spec.ts';

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
    ['EVAL text 2 a b c', ['a', 'b']],
    ['EVAL text 0 a', []],
    ['EVAL text 3 a', []],
    ['XREAD COUNT 1 STREAMS a b 0 0', ['a', 'b']],
    ['XREADGROUP GROUP g c STREAMS a >', ['a']],
    ['GEORADIUS a 1 2 3 m STOREDIST d', ['a', 'd']],
    ['GEORADIUSBYMEMBER a m 3 m STORE d', ['a', 'd']],
    ['GEORADIUS a 1 2 3 m', ['a']],
    ['BLPOP a b 0', ['a', 'b']],
    ['BLMPOP 0 2 a b LEFT', ['a', 'b']],
    ['BITOP AND d a b', ['d', 'a', 'b']],
    ['MIGRATE h 1 x 0 9 KEYS a b', ['x', 'a', 'b']],
    ['XGROUP CREATE a g $ MKSTREAM', ['a']],
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
    const all = [...commandTable.values()].flatMap((spec) => [spec, ...spec.subcommands.values()]);
    const writes = all.filter((spec) => spec.isWrite && spec.via !== 'refused');
    expect(writes.length).toBeGreaterThan(90);
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
    ['MQKV.VERIFY', 'ERR MQKV.VERIFY needs a Redis store'],
    ['nosuch a b', "ERR unknown command 'nosuch', with args beginning with: 'a' 'b' "],
  ])('refuses %s', (line, error) => {
    expect(check(args(line)).error).toBe(error);
  });

  it.each([
    ['LPUSH k v', undefined],
    ['CLUSTER INFO', undefined],
    ['SAVE', 'ERR SAVE is refused: ask the Redis itself'],
    [
      'FUNCTION LOAD text',
      'ERR FUNCTION LOAD is refused: what functions write could not be recorded; use EVAL',
    ],
    ['FUNCTION LIST', undefined],
    ['SWAPDB 0 1', undefined],
  ])('over a Redis store: %s', (line, error) => {
    expect(check(args(line), 'redis').error).toBe(error);
  });
});

it('docs/redis-commands.md is fresh (npm run docs)', () => {
  expect(readFileSync(new URL('../../docs/redis-commands.md', import.meta.url), 'utf8')).toBe(commandsPage());
});

const { skip } = requireBroker('redis-server');

/** One command as COMMAND tells it: name, arity, flags, first key, last key, step, categories, tips, key specs, subcommands. */
type Told = readonly [
  string,
  number,
  readonly string[],
  number,
  number,
  number,
  readonly string[],
  unknown,
  unknown,
  readonly Told[],
];

describe.skipIf(skip)(`beside redis-server ${skip || ''}`, () => {
  it('has a row for each command, with its arity, flags and categories', async () => {
    await using server = await startRedis();
    const redis = openControl(server.port);
    const told = (await redis.call('COMMAND')) as readonly Told[];
    redis.close();
    const all = told.flatMap((command) => [command, ...command[9]]);
    expect(all.length).toBeGreaterThan(350);
    for (const [name, arity, flags, , , , categories] of all) {
      const spec = specNamed(name);
      expect(spec, name).not.toBe(undefined);
      expect([spec?.arity, [...(spec?.flags ?? [])].sort()], name).toEqual([arity, [...flags].sort()]);
      expect(spec?.acl.map((category) => `@${category}`).sort(), name).toEqual([...categories].sort());
    }
  });
});

function specNamed(name: string): CommandSpec | undefined {
  const [container, sub] = name.split('|');
  const spec = commandTable.get(container);
  return sub === undefined ? spec : spec?.subcommands.get(sub);
}
