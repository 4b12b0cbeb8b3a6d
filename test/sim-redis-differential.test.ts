// The simulated Redis against a real one: random commands of all that it implements, their replies byte for byte in both protocols;
// and Lua: what its library and operators give.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { below, type Random, seededRandom, systemClock } from '../src/base/index.ts';
import { encodeCommand, type Reply, ReplyParser } from '../src/resp/index.ts';
import { openTestAccess, type TestAccess } from '../src/store/redis/testing.ts';
import { RedisServer } from '../sim/redis/engine/server.ts';
import { Session } from '../sim/redis/engine/session.ts';
import { type Broker, requireBroker, startRedis } from './brokers/index.ts';
import { SIM_COMMANDS, SIM_LUA } from './sim-redis-commands.ts';

const { skip } = requireBroker('redis-server');
const COMMANDS = 12_000;

/** Order is not part of these. */
const UNORDERED = /^(HGETALL|HKEYS|HVALS|SMEMBERS|SPOP|SINTER|SUNION|SDIFF|KEYS|SORT|HSCAN|SSCAN|ZSCAN)$/;
/** Chance or nothing to compare. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  k: ['a', 'b', 'c'],
  f: ['f', 'g', 'h', ''],
  e: ['1', '5', 'y', '-7', '0.5', '', '007', 'text', '9223372036854775807', 'x y\r\nz\0\xff'],
  n: [
    '0',
    '1',
    '-1',
    '2',
    '-3',
    '9223372036854775807',
    '-9223372036854775808',
    '9223372036854775808',
    '1.5',
    '+1',
    '01',
    'abc',
    '',
  ],
  m: ['-1', '0', '100000', '9223372036854775807', '9223372036854775', 'abc', ''],
  s: ['0', '1', '-1.5', '2', 'inf', '-inf', '(1', '1e3', 'nan', '0.1', '0.2', '3.0', 'x', '1e400', ''],
  l: ['-', '+', '[f', '(f', '[g', '(h', 'f', '['],
  i: ['1-1', '2-0', '5', '0-0', '7-*', '3-9', 'x', '2-1'],
  r: ['-', '+', '1', '2-0', '(2-0', '5'],
  u: ['u8', 'i5', 'u63', 'i64', 'u64', 'i0'],
  o: ['0', '7', '#1', '13', '-1', '#x'],
  b: ['0', '1', '9', '33', '-1', '4294967296'],
};

/** A template with arguments put in: a single letter stands for one, `f*` for up to three of them. */
function filled(template: string, random: Random): string[] {
  const words: string[] = [];
  for (const word of template.split(' ')) {
    const [, letter, star] = /^([a-z])(\*?)$/.exec(word) ?? [];
    const from = letter === undefined ? undefined : ARGUMENTS[letter];
    if (from === undefined) words.push(word);
    else
      for (let i = star === '' ? 1 : 1 + below(random, 3); i > 0; i--)
        words.push(from[below(random, from.length)]);
  }
  return words;
}

describe.skipIf(skip)('the simulated Redis', () => {
  let broker: Broker;
  let real: TestAccess;
  let simulated: (args: readonly string[]) => Reply;

  beforeAll(async () => {
    broker = await startRedis();
    real = await openTestAccess(broker.port);
    const server = new RedisServer({ clock: systemClock, random: seededRandom(1) });
    let last: Reply = { kind: 'null' };
    const parser = new ReplyParser();
    const session = new Session(server, (text) => {
      parser.parse(Buffer.from(text, 'latin1'), (reply) => {
        last = reply;
      });
    });
    simulated = (args) => {
      session.feed(encodeCommand(args).toString('latin1'));
      return last;
    };
  });
  afterAll(async () => {
    await real?.[Symbol.asyncDispose]();
    await broker?.stop();
  });

  for (const protocol of ['2', '3'])
    it(`answers random commands as the real one, RESP${protocol}`, async () => {
      const random = seededRandom(Number(protocol));
      for (const args of [['FLUSHALL'], ['HELLO', protocol]]) {
        await real.ask(...args);
        simulated(args);
      }
      const seen = new Map<string, Set<string>>();
      const different = new Map<string, string>();
      for (let i = 0; i < COMMANDS; i++) {
        const template = SIM_COMMANDS[below(random, SIM_COMMANDS.length)];
        const args = i % 40 === 39 ? ['DEL', 'a', 'b', 'c'] : filled(template, random);
        const [theirs, ours] = [shown(await real.ask(...args), args), shown(simulated(args), args)];
        const kinds = seen.get(args[0]) ?? new Set();
        seen.set(args[0], kinds.add(theirs.slice(0, 40)));
        if (ours === theirs) continue;
        different.set(template, `${JSON.stringify(args)}\n  real      ${theirs}\n  simulated ${ours}`);
        simulated(['FLUSHALL']);
        await real.ask('FLUSHALL');
      }
      expect([...different.values()].join('\n')).toBe('');
      const dull = [...seen].filter(([, kinds]) => kinds.size < 2).map(([name]) => name);
      expect(seen.size, 'commands tried').toBeGreaterThan(100);
      expect(dull.length, `commands with only one kind of reply: ${dull.join(' ')}`).toBeLessThan(12);
    });

  it('runs Lua as the real one', async () => {
    await real.ask('HELLO', '2');
    simulated(['HELLO', '2']);
    const different: string[] = [];
    for (const text of SIM_LUA) {
      const args = ['EVAL', text, '1', 'k', '-5', 'abc\0\xff'];
      const [theirs, ours] = [shown(await real.ask(...args), args), shown(simulated(args), args)];
      if (ours !== theirs) different.push(`${text}\n  real      ${theirs}\n  simulated ${ours}`);
    }
    expect(different.join('\n')).toBe('');
  });
});

/** A reply as text that can be compared. */
function shown(reply: Reply, args: readonly string[]): string {
  const text = (one: Reply): string => {
    if (one.kind === 'bulk') return JSON.stringify(one.bytes.toString('latin1'));
    if (one.kind === 'array' || one.kind === 'set' || one.kind === 'push') {
      const items = one.items.map(text);
      return `${one.kind}[${(one.kind === 'set' ? items.sort() : items).join(' ')}]`;
    }
    if (one.kind === 'map')
      return `map[${one.entries
        .map((pair) => pair.map(text).join('='))
        .sort()
        .join(' ')}]`;
    return JSON.stringify(one, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
  };
  const whole = text(reply).replace(/"radix-tree-(keys|nodes)"[ =]\{[^}]*\}/g, '');
  return UNORDERED.test(args[0]) ? [...whole].sort().join('') : whole;
}
