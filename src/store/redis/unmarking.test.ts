// The marks of plain SETs on a real Redis: they go when what was sent has been accepted, and only then.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Broker, requireBroker, startRedis } from '../../../test/brokers/index.ts';
import { bytesOf, type Latin1, silentLogger, systemClock, systemRandom } from '../../base/index.ts';
import { type Delta, decodeDeltas, digest, KeyState } from '../../crdt/index.ts';
import { plainReply } from '../../resp/index.ts';
import { openLane } from '../executor.ts';
import { openRedisStore, type RedisStore, type RedisStoreOptions } from './redis-store.ts';
import { slotOf } from './slots.ts';
import { openTestAccess, type TestAccess } from './testing.ts';

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

  function open(more: Partial<RedisStoreOptions> = {}): Promise<RedisStore> {
    return openRedisStore({
      url: urlOf(redis.port),
      clock: systemClock,
      random: systemRandom(),
      logger: silentLogger,
      site: 'a',
      marks: true,
      ...more,
    });
  }

  async function taken(store: RedisStore): Promise<{ deltas: Delta[]; accept(): Promise<void> }> {
    const one = await store.outbox.take(1e6);
    return {
      deltas: one === undefined ? [] : [...decodeDeltas(one.deltas)],
      async accept() {
        one?.accepted();
        await store.outbox.settled();
      },
    };
  }

  async function headers(): Promise<string[]> {
    const keys = (plainReply(await control.ask('KEYS', 'mqkv:{*')) as string[]).filter((key) =>
      /\}\.?$/.test(key),
    );
    const all: string[] = [];
    for (const key of keys) {
      const flat = plainReply(await control.ask('HGETALL', key)) as string[];
      all.push(...flat.filter((_, i) => i % 2 === 1 && flat[i] !== 'L'));
    }
    return all;
  }

  const isMarked = (header: string): boolean => /^[a-z]/.test(header) || /^G([^,]*,){8}\d/.test(header);

  /** A plain SET by the hot way. */
  function setPlain(
    store: RedisStore,
    key: Latin1,
    { value, ttlMs }: { readonly value: Latin1; readonly ttlMs: number },
  ): Promise<void> {
    const source = bytesOf(key + value);
    return new Promise((resolve, reject) => {
      const target = { protocol: 2, slot: slotOf(key) } as const;
      const run = store.executor.writes(openLane(), target, {
        replies: (bytes) => (bytes[0] === 43 ? resolve() : reject(new Error(bytes.toString()))),
        failed: () => reject(new Error('failed')),
      });
      run.set(source, 0, key.length, key.length, source.length, ttlMs);
    });
  }

  test('marks of plain SETs go whatever their keys, and of many at once', async () => {
    await using store = await open();
    const keys = ['', 'k'.repeat(64), 'k'.repeat(65), 'k'.repeat(300), '{\xff\0}\r\n'];
    for (let i = 0; i < 1200; i++) keys.push(`key ${i}`);
    await Promise.all(keys.map((key, i) => setPlain(store, key, { value: `${i}`, ttlMs: (i % 3) * 30_000 })));
    expect((await headers()).filter((header) => /^[px]/.test(header))).toHaveLength(keys.length);
    const sent: Latin1[] = [];
    while (store.outbox.pending > 0) {
      const { deltas, accept } = await taken(store);
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
    const { accept } = await taken(store);
    await setPlain(store, 'k', { value: '2', ttlMs: 0 });
    await accept();
    expect((await headers()).filter(isMarked)).toHaveLength(1);
    const { deltas } = await taken(store);
    expect(deltas.map(({ key }) => key)).toEqual(['k']);
  });
});

function urlOf(port: number): RedisStoreOptions['url'] {
  return {
    kind: 'redis',
    mode: 'standalone',
    addresses: [{ host: '127.0.0.1', port }],
    db: 0,
    tls: false,
    readReplica: false,
  };
}
