// Commands of modules: found by what a Redis says of its commands.
import { describe, expect, it } from 'vitest';
import { type Clock, silentLogger } from '../../base/index.ts';
import type { Reply } from '../../resp/index.ts';
import { ForeignCommands } from './foreign.ts';

const text = (word: string): Reply => ({ kind: 'simple', text: word });
const number = (value: number): Reply => ({ kind: 'integer', value });
const entry = (name: string, flags: readonly string[], keys: readonly number[]): Reply => ({
  kind: 'array',
  items: [
    { kind: 'bulk', bytes: Buffer.from(name) },
    number(-2),
    { kind: 'array', items: flags.map(text) },
    ...keys.map(number),
  ],
});

describe('foreign commands', () => {
  function opened(reply: () => Reply): {
    readonly commands: ForeignCommands;
    asked(): number;
    go(ms: number): void;
  } {
    let now = 1_000;
    let asked = 0;
    const clock: Clock = { now: () => now, after: () => ({ cancel() {} }), every: () => ({ cancel() {} }) };
    const call = async (args: readonly string[]): Promise<Reply> => {
      expect(args).toEqual(['COMMAND']);
      asked++;
      return reply();
    };
    const commands = new ForeignCommands({ call, clock, logger: silentLogger });
    return {
      commands,
      asked: () => asked,
      go: (ms) => {
        now += ms;
      },
    };
  }

  it('are read when the Redis says so, refused otherwise', async () => {
    const items = [
      entry('json.get', ['readonly'], [1, 1, 1]),
      entry('JSON.MGET', ['readonly'], [1, -2, 1]),
      entry('json.set', ['write', 'denyoom'], [1, 1, 1]),
      entry('mod.wait', ['readonly', 'blocking'], [1, 1, 1]),
      entry('get', ['write'], [1, 1, 1]),
    ];
    const { commands, asked } = opened(() => ({ kind: 'array', items }));
    expect(commands.prepare('GET')).toBeUndefined();
    await commands.prepare('JSON.GET');
    expect(commands.find('JSON.Get')).toMatchObject({ via: 'pass', arity: -2, isWrite: false });
    expect(commands.find('json.mget')?.keys[0].find).toEqual({ kind: 'range', last: -2, step: 1, limit: 0 });
    expect(commands.find('json.set')).toMatchObject({ via: 'refused', isWrite: true });
    expect(commands.find('mod.wait')?.via).toBe('refused');
    expect(commands.find('get')).toBeUndefined();
    expect(commands.prepare('json.get')).toBeUndefined();
    expect(asked()).toBe(1);
  });

  it('are asked for again after a while, not for every unknown word', async () => {
    const items: Reply[] = [];
    const { commands, asked, go } = opened(() => ({ kind: 'array', items }));
    await commands.prepare('bf.exists');
    expect(commands.find('bf.exists')).toBeUndefined();
    expect(commands.prepare('bf.exists')).toBeUndefined();
    items.push(entry('bf.exists', ['readonly'], [1, 1, 1]));
    go(10_000);
    await Promise.all([commands.prepare('bf.exists'), commands.prepare('other')]);
    expect(commands.find('bf.exists')?.via).toBe('pass');
    expect(asked()).toBe(2);
  });
});
