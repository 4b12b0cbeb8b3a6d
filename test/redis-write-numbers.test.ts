// Numbers in the write script: sums and their texts are those of src/crdt/number.ts, digit for digit.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { below, type Random, seededRandom } from '../src/base/index.ts';
import { addTotals, parseTotal, subtractTotals, sumOf, totalText } from '../src/crdt/number.ts';
import { type Broker, requireBroker, startRedis } from './brokers/index.ts';
import { RawPeer } from './differential/peers.ts';
import { textOf } from './redis-write/site.ts';

const { skip } = requireBroker('redis-server');
const lua = (name: string): string =>
  readFileSync(new URL(`../src/store/redis/lua/${name}.lua`, import.meta.url), 'utf8');
const HEAD = `${lua('clock')}${lua('numbers')}local out = {} `;

function anyDouble(random: Random): number {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(random.uint32(), 0);
  bytes.writeUInt32LE(random.uint32(), 4);
  const any = bytes.readDoubleLE();
  const kind = below(random, 5);
  if (kind === 0) return Number.isFinite(any) ? any : 1;
  if (kind === 1) return 2 ** (below(random, 120) - 60);
  if (kind === 2) return below(random, 1e9) / 10 ** below(random, 12);
  return (random.uint32() / 2 ** 32) * 10 ** (below(random, 44) - 18) * (below(random, 2) === 0 ? 1 : -1);
}

function anyInteger(random: Random): bigint {
  const size = below(random, 40);
  let x = 0n;
  for (let i = 0; i < size; i++) x = x * 10n + BigInt(below(random, 10));
  return below(random, 2) === 0 ? x : -x;
}

describe.skipIf(skip !== false)(`numbers in Lua${skip === false ? '' : ` (${skip})`}`, () => {
  let redis: Broker;
  let peer: RawPeer;
  beforeAll(async () => {
    redis = await startRedis();
    peer = await RawPeer.open(redis.port);
  });
  afterAll(async () => {
    peer.close();
    await redis.stop();
  });

  async function evaluate(body: string, args: readonly string[]): Promise<string[]> {
    const text = `${HEAD}for i = 1, #ARGV do ${body} end return out`;
    const [reply] = await peer.exchange([['EVAL', text, '0', ...args]]);
    if (reply.head[0] !== '*') throw new Error(reply.head);
    return reply.items.map(textOf);
  }

  it('doubles show as JavaScript writes them, expanded', async () => {
    const random = seededRandom(5);
    const numbers = Array.from({ length: 4000 }, () => anyDouble(random));
    numbers.push(
      2 ** -44,
      2 ** -18,
      1e21,
      1e-7,
      5e-324,
      0.1 + 0.2,
      -0,
      123456789012345680000,
      1.7976931348623157e308,
    );
    const shown = await evaluate('out[i] = shown_total(tonumber(ARGV[i]))', numbers.map(String));
    expect(shown).toEqual(numbers.map(totalText));
  });

  it('integers of any length add, subtract and clamp exactly', async () => {
    const random = seededRandom(6);
    const pairs = Array.from({ length: 1000 }, () => [anyInteger(random), anyInteger(random)] as const);
    const args = pairs.map(([a, b]) => `${a} ${b}`);
    const split = "local a, b = match(ARGV[i], '^(%S+) (%S+)$') ";
    expect(await evaluate(`${split} out[i] = add_totals(a, b)`, args)).toEqual(
      pairs.map(([a, b]) => String(addTotals(a, b))),
    );
    expect(await evaluate(`${split} out[i] = subtract_totals(a, b)`, args)).toEqual(
      pairs.map(([a, b]) => String(subtractTotals(a, b))),
    );
    expect(await evaluate(`${split} out[i] = sum_totals(a, { b, '7' })`, args)).toEqual(
      pairs.map(([a, b]) => String(sumOf(a, [b, 7n]))),
    );
  });

  it('texts count as the same numbers', async () => {
    const texts =
      '0 -0 007 -12 1.5 .5 5. +3 1e3 1E-2 1e400 x 0x10 inf nan -9223372036854775808 9223372036854775808 99999999999999999999 1.2.3 - + . e5 1e'.split(
        ' ',
      );
    texts.push('', ' 1', '1 ', '1\0');
    const found = await evaluate(
      "local total = parse_total(ARGV[i], true) out[i] = total and (type(total) == 'string' and 'i' .. total or 'd' .. shown_total(total)) or 'none'",
      texts,
    );
    const expected = texts.map((text) => {
      const total = parseTotal(text);
      return total === undefined ? 'none' : `${typeof total === 'bigint' ? 'i' : 'd'}${totalText(total)}`;
    });
    expect(found).toEqual(expected);
  });
});
