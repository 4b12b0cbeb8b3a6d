// Fragments that several gateways bring to one Redis: exactly one of them gets the whole, whatever is under way.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Broker, eventually, requireBroker, startRedis } from '../../../test/brokers/index.ts';
import { type Clock, FRAGMENT_AGE_MAX_MS, systemClock, systemRandom } from '../../base/index.ts';
import { plainReply } from '../../resp/index.ts';
import type { Fragment } from '../store.ts';
import type { Access } from './access.ts';
import { RedisStaging } from './staging.ts';
import { storeScripts } from './store-scripts.ts';
import { openTestAccess, type TestAccess } from './testing.ts';

vi.setConfig({ testTimeout: 60_000 });
const { skip } = requireBroker('redis-server');

function fragment(name: string, index: number, count: number, bytes = 100): Fragment {
  return { name, index, count, bytes: Buffer.alloc(bytes, `${index}`) };
}

describe.skipIf(skip)(`fragments in a Redis${skip ? ` (${skip})` : ''}`, () => {
  let redis: Broker;
  let control: TestAccess;
  const { fragment: script } = storeScripts();
  beforeAll(async () => {
    redis = await startRedis();
    control = await openTestAccess(redis.port);
  });
  afterAll(async () => {
    await control[Symbol.asyncDispose]();
    await redis.stop();
  });
  beforeEach(async () => {
    await control.ask('FLUSHALL');
  });
  const open = (access: Access = control, more: { clock?: Clock; bytesMax?: number } = {}): RedisStaging =>
    new RedisStaging({ access, script, clock: systemClock, random: systemRandom(), ...more });
  const held = async (): Promise<number> =>
    (plainReply(await control.ask('KEYS', 'mqkv:fragments:*')) as string[]).length;

  test('many fragments at once by two gateways, each twice: one whole', async () => {
    const [one, two] = [open(), open()];
    const adding: Promise<Buffer | undefined>[] = [];
    for (let i = 0; i < 40; i++)
      for (const staging of i % 3 === 0 ? [one, two] : [two]) adding.push(staging.add(fragment('a', i, 40)));
    const whole = (await Promise.all(adding)).filter((body) => body !== undefined);
    expect(whole.map((body) => body.length)).toEqual([4000]);
    expect(
      whole[0].equals(Buffer.concat(Array.from({ length: 40 }, (_, i) => fragment('a', i, 40).bytes))),
    ).toBe(true);
    expect(await held()).toBe(0);
  });

  test('reading them fails: the same gateway gets them when the message comes again, another one does not yet', async () => {
    let isAway = true;
    const failing: Access = {
      isCluster: false,
      script: control.script,
      call: (slot, args, options) =>
        isAway && args[0] === 'HMGET' ? Promise.reject(new Error('away')) : control.call(slot, args, options),
    };
    const [one, two] = [open(failing), open()];
    expect(await one.add(fragment('a', 0, 2))).toBeUndefined();
    await expect(one.add(fragment('a', 1, 2))).rejects.toThrow('away');
    expect(await two.add(fragment('a', 1, 2))).toBeUndefined();
    isAway = false;
    expect((await one.add(fragment('a', 1, 2)))?.length).toBe(200);
    expect([await held(), one.bytes]).toEqual([0, 0]);
  });

  test('a gateway that was killed while it read: another one takes over after a while', async () => {
    const one = open();
    await one.add(fragment('a', 0, 2));
    const [key] = plainReply(await control.ask('KEYS', 'mqkv:fragments:*')) as string[];
    await control.ask('HSET', key ?? '', 'claim', `${Date.now() - 20_000} gone`);
    expect((await one.add(fragment('a', 1, 2)))?.length).toBe(200);
  });

  test('they are bounded in bytes and in time', async () => {
    let now = Date.now();
    const staging = open(control, { clock: { ...systemClock, now: () => now }, bytesMax: 250 });
    for (const name of ['a', 'b', 'c']) await staging.add(fragment(name, 0, 2));
    await eventually('the oldest is given up', () => staging.dropped === 1);
    expect([staging.bytes, await held()]).toEqual([200, 2]);
    expect(Number(plainReply(await control.ask('PTTL', await keyOf('b'))))).toBeGreaterThan(0);
    // Another gateway has put `c` together: that is no loss.
    expect((await open().add(fragment('c', 1, 2)))?.length).toBe(200);
    now += FRAGMENT_AGE_MAX_MS;
    await staging.add(fragment('d', 0, 2));
    await eventually('what is too old is given up', () => staging.dropped === 2);
    expect([staging.bytes, await held()]).toEqual([100, 1]);
  });

  async function keyOf(name: string): Promise<string> {
    const keys = plainReply(await control.ask('KEYS', `mqkv:fragments:*2 ${name}`)) as string[];
    return keys[0] ?? '';
  }
});
