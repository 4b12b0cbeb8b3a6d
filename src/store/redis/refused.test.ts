// Deltas that a Redis can never take do not hold up the others.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Broker, eventually, requireBroker, startRedis } from '../../../test/brokers/index.ts';
import { bytesOf, type Latin1, REFUSED_NOTED_MAX } from '../../base/index.ts';
import {
  DeltaWriter,
  Edit,
  encodeDelta,
  KeyState,
  makeVersion,
  plainState,
  TYPE_OTHER,
  type Value,
} from '../../crdt/index.ts';
import { plainReply } from '../../resp/index.ts';
import { Refused } from './refused.ts';
import { openTestAccess, openTestStore, type TestAccess } from './testing.ts';

vi.setConfig({ testTimeout: 60_000 });
const { skip } = requireBroker('redis-server');
const MS = 1_000_000;
const MEBIBYTE = 1024 * 1024;

function deltasOf(states: Readonly<Record<Latin1, KeyState>>): Buffer {
  const writer = new DeltaWriter();
  for (const [key, state] of Object.entries(states)) encodeDelta(writer, bytesOf(key), state, 'whole');
  return Buffer.from(writer.bytes());
}

function text(value: string, ms = MS): KeyState {
  return plainState(makeVersion(ms, 0, 9), Buffer.from(value), 0);
}

function other(value: Value): KeyState {
  const state = new KeyState();
  const edit = new Edit(state, makeVersion(MS, 0, 9), MS);
  edit.put(TYPE_OTHER, '', value);
  edit.finish();
  return state;
}

describe.skipIf(skip)(`what a Redis cannot take${skip ? ` (${skip})` : ''}`, () => {
  let redis: Broker;
  let control: TestAccess;
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
  const noted = async (): Promise<number> => Number(plainReply(await control.ask('HLEN', 'mqkv:refused')));

  test('a value longer than its proto-max-bulk-len is left out until it takes it', async () => {
    await control.ask('CONFIG', 'SET', 'proto-max-bulk-len', '1mb');
    await using store = await openTestStore(redis.port);
    const deltas = deltasOf({ before: text('1'), big: text('x'.repeat(MEBIBYTE + 1)), after: text('2') });
    expect(await store.merge(deltas)).toEqual({ changed: 2, conflicts: 0, refused: 1 });
    expect(plainReply(await control.ask('MGET', 'before', 'after'))).toEqual(['1', '2']);
    await eventually('it is noted', async () => (await noted()) === 1);
    expect(await store.verify()).toMatchObject({ keys: 2, refused: 1 });
    await control.ask('CONFIG', 'SET', 'proto-max-bulk-len', '512mb');
    await store.lookAtLimits();
    expect(await store.merge(deltas)).toEqual({ changed: 1, conflicts: 0 });
    expect(plainReply(await control.ask('STRLEN', 'big'))).toBe(MEBIBYTE + 1);
    expect(await store.verify()).toMatchObject({ keys: 3, refused: 0 });
    expect(await noted()).toBe(0);
  });

  test('a value of a module that it does not have is left out; a later write ends it', async () => {
    await using store = await openTestStore(redis.port);
    const deltas = deltasOf({ module: other(Buffer.from('no dump of this Redis')), k: text('v') });
    expect(await store.merge(deltas)).toMatchObject({ conflicts: 0, refused: 1 });
    expect(plainReply(await control.ask('GET', 'k'))).toBe('v');
    await eventually('it is noted', async () => (await noted()) === 1);
    expect(await store.verify()).toMatchObject({ refused: 1 });
    await store.merge(deltasOf({ module: text('known', MS + 1) }));
    expect(plainReply(await control.ask('GET', 'module'))).toBe('known');
    expect(await store.verify()).toMatchObject({ refused: 0 });
  });

  test('of a part that it refuses only what is refused by itself is left out', async () => {
    await using store = await openTestStore(redis.port, {
      changeScript: (script) =>
        script.name === 'apply'
          ? {
              ...script,
              text: `for _, a in ipairs(ARGV) do if a == 'poison' then return redis.error_reply('ERR poison') end end\n${script.text}`,
              sha1: '0'.repeat(40),
            }
          : script,
    });
    const deltas = deltasOf({ a: text('1'), poison: text('2'), b: text('3') });
    expect(await store.merge(deltas)).toEqual({ changed: 2, conflicts: 0, refused: 1 });
    expect(plainReply(await control.ask('MGET', 'a', 'b', 'poison'))).toEqual(['1', '3', null]);
    expect(store.refused.total).toBe(1);
  });

  test('notes are bounded', async () => {
    await using store = await openTestStore(redis.port);
    const few = new Refused(store.router, { debug() {}, info() {}, warn() {}, error() {} });
    for (let i = 0; i < REFUSED_NOTED_MAX + 50; i++) few.note(`k${i}`, text('v'), 'refused');
    await eventually('the notes are there', async () => (await noted()) >= REFUSED_NOTED_MAX);
    few.note('more', text('v'), 'refused');
    expect(await few.remaining(store.scripts.read)).not.toContain('more');
    expect(few.total).toBe(REFUSED_NOTED_MAX + 51);
  });
});
