// The marks of plain SETs on a real Redis: they go when what was sent has been accepted, and only then.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Broker, requireBroker, startRedis } from '../../../test/brokers/index.ts';
import type { Latin1 } from '../../base/index.ts';
import { digest, KeyState } from '../../crdt/index.ts';
import { type RedisStore, type RedisStoreOptions } from './redis-store.ts';
import {
  openTestAccess,
  type TestAccess,
  headersOf,
  isMarked,
  openTestStore,
  setPlain,
  takenFrom,
} from './testing.ts';

vi.setConfig({ testTimeout: 60_000 });
const { skip } = requireBroker('redis-server');

describe.skipIf(skip)(`marks of plain SETs${skip ? ` (${skip})` : ''}`, () => {
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

  const open = (more: Partial<RedisStoreOptions> = {}): Promise<RedisStore> =>
    openTestStore(redis.port, more);
  const headers = (): Promise<string[]> => headersOf(control);

  test('marks of plain SETs go whatever their keys, and of many at once', async () => {
    await using store = await open();
    const keys = ['', 'k'.repeat(64), 'k'.repeat(65), 'k'.repeat(300), '{\xff\0}\r\n'];
    for (let i = 0; i < 1200; i++) keys.push(`key ${i}`);
    await Promise.all(keys.map((key, i) => setPlain(store, key, { value: `${i}`, ttlMs: (i % 3) * 30_000 })));
    expect((await headers()).filter((header) => /^[px]/.test(header))).toHaveLength(keys.length);
    const sent: Latin1[] = [];
    while (store.outbox.pending > 0) {
      const { deltas, accept } = await takenFrom(store);
      for (const { key, state } of deltas) {
        expect(digest(state, 0)).toBe(digest((await store.stateOf(key)) ?? new KeyState(), 0));
        sent.push(key);
      }
      await accept();
    }
    expect(sent.sort()).toEqual(keys.sort());
    expect((await headers()).filter(isMarked)).toEqual([]);
    expect(await headers()).toHaveLength(keys.length);
  });

  test('the mark of a plain SET stays when the key was written since', async () => {
    await using store = await open();
    await setPlain(store, 'k', { value: '1', ttlMs: 0 });
    await setPlain(store, 'other', { value: '1', ttlMs: 0 });
    const { accept } = await takenFrom(store);
    await setPlain(store, 'k', { value: '2', ttlMs: 0 });
    await accept();
    expect((await headers()).filter(isMarked)).toHaveLength(1);
    const { deltas } = await takenFrom(store);
    expect(deltas.map(({ key }) => key)).toEqual(['k']);
  });
});
