// The Redis store as a whole on a real Redis: writes, outbox, marks, merging, own time, several gateways.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Broker, eventually, requireBroker, startRedis } from '../../../test/brokers/index.ts';
import { bytesOf, type Latin1, latin1Of, systemClock } from '../../base/index.ts';
import {
  type Delta,
  DeltaWriter,
  decodeDeltas,
  digest,
  encodeDelta,
  KeyState,
  makeVersion,
  plainState,
  shownType,
  TYPE_HASH,
} from '../../crdt/index.ts';
import { plainReply } from '../../resp/index.ts';
import { type RedisStore, type RedisStoreOptions } from './redis-store.ts';
import {
  openTestAccess,
  runUnit,
  type TestAccess,
  headersOf,
  isMarked,
  openTestStore,
  takenFrom,
  urlOf,
} from './testing.ts';

vi.setConfig({ testTimeout: 60_000 });
const { skip } = requireBroker('redis-server');

describe.skipIf(skip)(`the Redis store${skip ? ` (${skip})` : ''}`, () => {
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

  test('what was written is taken once as deltas of its state, and its marks go when it is accepted', async () => {
    await using store = await open();
    await runUnit(store, [['SET', 'k', 'v']], ['k']);
    await runUnit(store, [['SET', 't', 'v', 'PX', '60000']], ['t']);
    await runUnit(store, [['HSET', 'h', 'f', '1', 'g', '2']], ['h']);
    await runUnit(store, [['INCR', 'n']], ['n']);
    await runUnit(store, [['HINCRBY', 'h', 'f', '4']], ['h']);
    await runUnit(store, [['RPUSH', 'l', 'a', 'b']], ['l']);
    await runUnit(store, [['SET', 'k', 'w']], ['k']);
    await runUnit(store, [['DEL', 'gone']], ['gone']);
    expect((await headers()).every(isMarked)).toBe(true);
    expect(store.outbox.pending).toBe(5);
    const { deltas, accept } = await takenFrom(store);
    expect(deltas.map(({ key }) => key).sort()).toEqual(['h', 'k', 'l', 'n', 't']);
    for (const { key, state } of deltas) {
      const held = await store.stateOf(key);
      expect(digest(state, 0)).toBe(digest(held ?? new KeyState(), 0));
    }
    expect(store.outbox.pending).toBe(0);
    expect((await headers()).every(isMarked)).toBe(true);
    await accept();
    expect((await headers()).filter(isMarked)).toEqual([]);
    expect(plainReply(await control.ask('GET', 'k'))).toBe('w');
  });

  test('a write after the taking keeps its mark', async () => {
    await using store = await open();
    await runUnit(store, [['SET', 'k', '1']], ['k']);
    await runUnit(store, [['HSET', 'h', 'f', '1']], ['h']);
    const { accept } = await takenFrom(store);
    await runUnit(store, [['SET', 'k', '2']], ['k']);
    await runUnit(store, [['HSET', 'h', 'g', '1']], ['h']);
    await accept();
    expect((await headers()).filter(isMarked)).toHaveLength(2);
    const second = await takenFrom(store);
    expect(second.deltas.map(({ key }) => key).sort()).toEqual(['h', 'k']);
    expect([
      ...(second.deltas
        .find(({ key }) => key === 'h')
        ?.state.registers.get(TYPE_HASH)
        ?.keys() ?? []),
    ]).toEqual(['g']);
    await second.accept();
    expect((await headers()).filter(isMarked)).toEqual([]);
  });

  test('a transaction is taken whole; a value too large to remember is read', async () => {
    await using store = await open();
    await runUnit(
      store,
      [
        ['SET', 'a', '1'],
        ['SET', 'b', '2'],
      ],
      ['a', 'b'],
    );
    await runUnit(store, [['SET', 'big', 'x'.repeat(100_000)]], ['big']);
    const first = await store.outbox.take(1);
    expect([...decodeDeltas(first?.deltas ?? Buffer.alloc(0))].map(({ key }) => key)).toEqual(['a', 'b']);
    const second = await store.outbox.take(1);
    const [big] = [...decodeDeltas(second?.deltas ?? Buffer.alloc(0))];
    expect(big?.state.registers.get(1)?.get('')?.value).toHaveLength(100_000);
    expect(first?.origin).toBe(store.origin);
  });

  test('marks of a gateway that was killed are found by the walker; what fits not is left to it', async () => {
    {
      const killed = await open({ isWalking: false });
      await runUnit(killed, [['SET', 'k', 'v']], ['k']);
      await runUnit(killed, [['ZADD', 'z', '1', 'm']], ['z']);
      await killed.close();
    }
    const late = { ...systemClock, now: () => Date.now() + 10_000 };
    await using store = await open({ clock: late });
    await store.walker?.round();
    expect(store.outbox.pending).toBe(2);
    const { deltas, accept } = await takenFrom(store);
    expect(deltas.map(({ key }) => key).sort()).toEqual(['k', 'z']);
    await accept();
    expect((await headers()).filter(isMarked)).toEqual([]);
    await store.walker?.round();
    expect(store.outbox.pending).toBe(0);
  });

  test('a gateway that takes its field of a large hash sends all where another one has changed the expiry', async () => {
    await using one = await open();
    await using two = await open();
    const pairs = Array.from({ length: 200 }, (_, i) => [`f${i}`, '1']).flat();
    await runUnit(one, [['HSET', 'h', ...pairs]], ['h']);
    await (await takenFrom(one)).accept();
    await runUnit(one, [['PEXPIRE', 'h', '60000']], ['h']);
    await runUnit(two, [['HSET', 'h', 'f7', '2']], ['h']);
    const [delta] = (await takenFrom(two)).deltas;
    expect(delta?.state.registers.get(TYPE_HASH)?.size).toBe(200);
  });

  test('deltas of one store merged by another: the same states, values and TTLs', async () => {
    await using far = await startRedis();
    await using farControl = await openTestAccess(far.port);
    await using store = await open();
    await using other = await open({ url: urlOf(far.port), site: 'b' });
    await runUnit(
      store,
      [
        ['SET', 's', '5', 'PX', '60000'],
        ['INCR', 's'],
        ['RPUSH', 'l', 'x', 'y'],
        ['XADD', 'st', '1-1', 'a', 'b'],
      ],
      ['s', 'l', 'st'],
    );
    await runUnit(
      store,
      [
        ['SADD', 'set', 'm'],
        ['ZADD', 'z', '1.5', 'm'],
        ['HSET', 'h', 'f', 'v'],
      ],
      ['set', 'z', 'h'],
    );
    const one = await store.outbox.take(1e6);
    const changed: Latin1[] = [];
    other.onChanged((keys) => changed.push(...keys));
    expect(await other.merge(one?.deltas ?? Buffer.alloc(0))).toEqual({ changed: 6, conflicts: 0 });
    expect(changed.sort()).toEqual(['h', 'l', 's', 'set', 'st', 'z']);
    for (const key of changed)
      expect(digest((await other.stateOf(key)) ?? new KeyState(), 0)).toBe(
        digest((await store.stateOf(key)) ?? new KeyState(), 0),
      );
    expect(plainReply(await farControl.ask('GET', 's'))).toBe('6');
    expect(plainReply(await farControl.ask('LRANGE', 'l', '0', '-1'))).toEqual(['x', 'y']);
    expect(plainReply(await farControl.ask('PEXPIRETIME', 's'))).toBe(
      plainReply(await control.ask('PEXPIRETIME', 's')),
    );
    const snapshot: Delta[] = [];
    for await (const part of other.snapshot(1)) snapshot.push(...decodeDeltas(part));
    expect(snapshot.map(({ key }) => key).sort()).toEqual(['h', 'l', 's', 'set', 'st', 'z']);
    expect((await other.allKeys()).sort()).toEqual(['h', 'l', 's', 'set', 'st', 'z']);
  });

  test('a part that expires alone is freed by a timer', async () => {
    await using store = await open();
    await runUnit(
      store,
      [
        ['HSET', 'h', 'old', '1'],
        ['PEXPIRE', 'h', '300'],
      ],
      ['h'],
    );
    const after = Date.now() + 5_000;
    const newer = new KeyState();
    const { Edit } = await import('../../crdt/index.ts');
    new Edit(newer, makeVersion(after, 0, 7), after).put(TYPE_HASH, 'new', '2');
    const writer = new DeltaWriter();
    encodeDelta(writer, bytesOf('h'), newer, 'whole');
    await store.merge(Buffer.from(writer.bytes()));
    expect(plainReply(await control.ask('HGETALL', 'h'))).toEqual(['old', '1', 'new', '2']);
    expect(plainReply(await control.ask('PTTL', 'h'))).toBe(-1);
    await eventually(
      'only the new field is there',
      async () => plainReply(await control.ask('HLEN', 'h')) === 1,
    );
    expect(plainReply(await control.ask('HGET', 'h', 'new'))).toBe('2');
  });

  test('forgetting: removed keys and old tombstones go after the horizon, marked ones stay', async () => {
    await using store = await open({ horizonMs: 1, isWalking: true });
    await runUnit(store, [['SET', 'k', 'v']], ['k']);
    await runUnit(store, [['DEL', 'k']], ['k']);
    await runUnit(store, [['HSET', 'h', 'f', '1', 'g', '1']], ['h']);
    await runUnit(store, [['HDEL', 'h', 'f']], ['h']);
    await eventually(
      'the clock goes on',
      () => Date.now() > 0 && new Promise((resolve) => setTimeout(() => resolve(true), 20)),
    );
    await store.walker?.round();
    expect((await store.allKeys()).sort()).toEqual(['h', 'k']);
    await (await takenFrom(store)).accept();
    await store.walker?.round();
    expect(await store.allKeys()).toEqual(['h']);
    const state = await store.stateOf('h');
    expect([...(state?.registers.get(TYPE_HASH)?.keys() ?? [])]).toEqual(['g']);
    expect(shownType(state ?? new KeyState(), Date.now())).toBe(TYPE_HASH);
  });

  test('a gateway whose clock is days ahead forgets nothing for that', async () => {
    const ahead = { ...systemClock, now: () => Date.now() + 100 * 3_600_000 };
    await using store = await open({ clock: ahead, isWalking: true });
    await runUnit(store, [['SET', 'k', 'v']], ['k']);
    await runUnit(store, [['DEL', 'k']], ['k']);
    await (await takenFrom(store)).accept();
    await store.walker?.round();
    expect(await store.allKeys()).toEqual(['k']);
  });

  test('marks above a clock that was ahead are found too', async () => {
    {
      await using killed = await open({ isWalking: false });
      const v = makeVersion(Date.now() + 3_600_000, 0, 0xabc);
      const writer = new DeltaWriter();
      encodeDelta(writer, Buffer.from('k'), plainState(v, Buffer.from('1'), 0), 'whole');
      await killed.merge(Buffer.from(writer.bytes()));
      await runUnit(killed, [['INCR', 'k']], ['k']);
    }
    await using store = await open({ clock: { ...systemClock, now: () => Date.now() + 10_000 } });
    await store.walker?.round();
    expect((await takenFrom(store)).deltas.map(({ key }) => key)).toEqual(['k']);
  });

  test.each([0, 50])(
    'a Redis out of memory refuses a merge as a whole (%i decisions before it merges itself)',
    async (tries) => {
      await using store = await open({ triesOutside: tries });
      await runUnit(store, [['HSET', 'h', 'f', '1', 'g', '1', 'i', '1']], ['h']);
      const held = await store.stateOf('h');
      const v = makeVersion(Date.now() + 60_000, 0, 0xabc);
      const { Edit } = await import('../../crdt/index.ts');
      const edit = new Edit(held ?? new KeyState(), v, Date.now());
      edit.remove(TYPE_HASH, 'g');
      edit.put(TYPE_HASH, 'f', '2');
      edit.finish();
      const writer = new DeltaWriter();
      encodeDelta(writer, bytesOf('h'), held ?? new KeyState(), 'whole');
      const deltas = Buffer.from(writer.bytes());
      const all = async () => [await headers(), plainReply(await control.ask('HGETALL', 'h'))];
      const before = await all();
      await control.ask('CONFIG', 'SET', 'maxmemory', '1');
      try {
        await expect(store.merge(deltas)).rejects.toMatchObject({ code: 'OOM' });
        expect(await all()).toEqual(before);
      } finally {
        await control.ask('CONFIG', 'SET', 'maxmemory', '0');
      }
      await store.merge(deltas);
      expect((await all())[1]).toEqual(['f', '2', 'i', '1']);
    },
  );

  test('another site, a newer format: refused', async () => {
    await (await open()).close();
    await expect(open({ site: 'b' })).rejects.toMatchObject({ code: 'STORE_SITE' });
    const again = await open();
    const { id } = again;
    await again.close();
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(plainReply(await control.ask('HGET', 'mqkv:meta', 'id'))).toBe(id);
    await control.ask('HSET', 'mqkv:meta', 'format', '2');
    await expect(open()).rejects.toMatchObject({ code: 'STORE_FORMAT' });
  });

  test('gateways hear each other and not themselves', async () => {
    await using one = await open();
    await using two = await open();
    const heard: string[] = [];
    one.bus.on('x', (bytes) => heard.push(`one ${latin1Of(bytes)}`));
    two.bus.on('x', (bytes) => heard.push(`two ${latin1Of(bytes)}`));
    await eventually('two listens', () => {
      one.bus.send('x', bytesOf('a:b'));
      return heard.length > 0;
    });
    expect(new Set(heard)).toEqual(new Set(['two a:b']));
    expect(one.id).toBe(two.id);
    expect(one.isOwn(two.origin)).toBe(true);
  });
});
