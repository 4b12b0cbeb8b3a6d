// Slots as a cluster's CLUSTER KEYSLOT says, and the tags of slots.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Broker, requireBroker, startRedis } from '../../../test/brokers/index.ts';
import { RawPeer } from '../../../test/differential/peers.ts';
import { RedisSite, textOf } from '../../../test/redis-write/site.ts';
import { below, seededRandom } from '../../base/index.ts';
import { slotKey, slotOf, tagOf } from './slots.ts';

const ODD = [
  '',
  '{',
  '}',
  '{}',
  '{}x',
  'x{}y',
  'a}b',
  '{a}',
  'x{a}y',
  '{a',
  'a{b',
  '{{a}}',
  '{a}{b}',
  '}{a}',
  '\x00\xff',
  'x'.repeat(65_536),
];
const { skip } = requireBroker('redis-server');

function randomKeys(count: number): string[] {
  const random = seededRandom(3);
  const any = (): string =>
    below(random, 4) === 0 ? '{}a'.charAt(below(random, 3)) : String.fromCharCode(below(random, 256));
  return Array.from({ length: count }, () => Array.from({ length: below(random, 12) }, any).join(''));
}

it('known slots', () => {
  expect(slotOf('123456789')).toBe(0x31c3);
  expect(slotOf('foo')).toBe(12_182);
  expect(slotOf(Buffer.from('\x00\xff', 'latin1'))).toBe(slotOf('\x00\xff'));
  expect([slotOf(''), slotOf('{}x') === slotOf('x'), slotOf('{a}x'), slotOf('x{a}{b}')]).toEqual([
    0,
    false,
    slotOf('a'),
    slotOf('a'),
  ]);
});

it('each slot has a tag of its own that falls on it; the first ones never change', () => {
  const tags = Array.from({ length: 16_384 }, (_, slot) => tagOf(slot));
  expect(new Set(tags).size).toBe(16_384);
  for (const [slot, tag] of tags.entries()) {
    expect(tag).toMatch(/^[0-9a-zA-Z]{3}$/);
    expect(slotOf(slotKey(slot))).toBe(slot);
  }
  expect(tagOf(slotOf('000'))).toBe('000');
  expect(tags.slice(0, 4)).toMatchInlineSnapshot(`
    [
      "06S",
      "2Gx",
      "5L5",
      "4Iu",
    ]
  `);
});

describe.skipIf(skip !== false)(`slots of redis-server${skip === false ? '' : ` (${skip})`}`, () => {
  let cluster: Broker;
  let single: Broker;
  beforeAll(async () => {
    [cluster, single] = await Promise.all([startRedis(['--cluster-enabled', 'yes']), startRedis()]);
  });
  afterAll(() => Promise.all([cluster.stop(), single.stop()]));

  it('are those of CLUSTER KEYSLOT', async () => {
    const peer = await RawPeer.open(cluster.port);
    const keys = [...ODD, ...randomKeys(2000)];
    const replies = await peer.exchange(keys.map((key) => ['CLUSTER', 'KEYSLOT', key]));
    expect(replies.map((reply) => Number(textOf(reply)))).toEqual(keys.map(slotOf));
    peer.close();
  });

  it('are found by the write script too, for keys that nobody named', async () => {
    const site = await RedisSite.open(single.port, { testClock: false });
    const keys = [...ODD, ...randomKeys(50)];
    for (const key of keys) {
      const [{ reply }] = await site.run(['C', '0', '3', 'set', key, 'v']);
      expect(reply.head, JSON.stringify(key.slice(0, 20))).toBe('+OK');
      expect(await site.header(key)).toMatch(/^p/);
    }
    site.close();
  });
});
