// The store as a whole: expiry by itself, groups of the outbox, merging all or nothing, snapshots, watches.
import { expect, test, vi } from 'vitest';
import { seededRandom, silentLogger } from '../../base/index.ts';
import {
  decodeDeltas,
  DeltaWriter,
  digest,
  Edit,
  encodeDelta,
  KeyState,
  makeVersion,
  TYPE_LIST,
  TYPE_OTHER,
  TYPE_STREAM,
} from '../../crdt/index.ts';
import type { Page } from '../store.ts';
import { type EmbeddedStore, openEmbeddedStore } from './index.ts';
import { ManualClock } from './testing.ts';

// Long runs on machines that are busy with others.
vi.setConfig({ testTimeout: 60_000 });

const START = 1_700_000_000_000;

function open(origin = 1): { clock: ManualClock; store: EmbeddedStore } {
  const clock = new ManualClock(START);
  return {
    clock,
    store: openEmbeddedStore({ clock, random: seededRandom(origin), logger: silentLogger, origin }),
  };
}

function set(store: EmbeddedStore, key: string, value: string, at = 0): void {
  store.keyspace.overwriteString(key, Buffer.from(value), at);
}

test('expired keys are hidden at once and freed by the cycle, whatever their TTL', () => {
  const { clock, store } = open();
  const ttls = [1, 50, 127, 128, 5000, 20_000, 3_600_000, 90_000_000, 40 * 86_400_000];
  for (const ttl of ttls) {
    for (let i = 0; i < 20; i++) set(store, `s${ttl}:${i}`, 'v', START + ttl);
    store.keyspace.putField(`h${ttl}`, 2, 'f', 'v');
    store.keyspace.expire(`h${ttl}`, START + ttl);
  }
  for (const [i, ttl] of ttls.entries()) {
    if (ttl > 20_000) clock.time = START + ttl - 1;
    else clock.advance(START + ttl - 1 - clock.time);
    expect(store.keyspace.type(`s${ttl}:3`)).toBe(1);
    expect(store.keyspace.type(`h${ttl}`)).toBe(2);
    clock.advance(1);
    expect(store.keyspace.type(`s${ttl}:3`)).toBe(0);
    expect(store.keyspace.type(`h${ttl}`)).toBe(0);
    if (ttl < 5000) continue;
    clock.advance(400);
    expect(store.keyspace.size).toBe((ttls.length - 1 - i) * 21);
  }
});

test('a prolonged key lives on, a shortened one goes early; clock jumps do no harm', () => {
  const { clock, store } = open();
  set(store, 'long', 'v', START + 1000);
  set(store, 'long', 'v', START + 100_000);
  set(store, 'short', 'v', START + 100_000);
  set(store, 'short', 'v', START + 1000);
  set(store, 'kept', 'v', START + 1000);
  set(store, 'kept', 'v');
  clock.advance(2000);
  expect(store.keyspace.size).toBe(2);
  clock.time -= 50_000;
  set(store, 'back', 'v', clock.time + 300);
  clock.advance(1000);
  expect(store.keyspace.size).toBe(2);
  clock.advance(400_000);
  expect(store.keyspace.size).toBe(1);
});

test('refreshing a TTL again and again leaves no trail in the wheel', () => {
  const { clock, store } = open();
  for (let i = 0; i < 10_000; i++) {
    set(store, 'k', 'v', clock.time + 60_000);
    set(store, 'k', 'v');
    set(store, 'k', 'v', clock.time + 5000);
    clock.advance(10);
  }
  expect(store.timersHeld).toBeLessThan(100);
});

test('a unit is one group of the outbox, in one version, and never split', () => {
  const { store } = open();
  const { keyspace } = store;
  set(store, 'a', '1');
  set(store, 'other', '1');
  keyspace.begin(START);
  for (const key of ['a', 'b', 'c', 'vain']) keyspace.name(key);
  for (const key of ['a', 'b', 'c']) set(store, key, '2');
  keyspace.end();
  const first = [...decodeDeltas(store.outbox.takeDeltas(1) as Buffer)];
  expect(first.map(({ key }) => key)).toEqual(['other']);
  const group = [...decodeDeltas(store.outbox.takeDeltas(1) as Buffer)];
  expect(group.map(({ key }) => key)).toEqual(['a', 'b', 'c']);
  expect(new Set(group.map(({ state }) => state.clear.tail)).size).toBe(1);
  expect(store.outbox.takeDeltas(1)).toBeUndefined();
});

test('a thousand writes to a key are one delta; onMark is called once, after the unit', () => {
  const { store } = open();
  let calls = 0;
  store.outbox.onMark = () => {
    calls++;
    expect(store.outbox.pending).toBe(1);
  };
  for (let i = 0; i < 1000; i++) set(store, 'k', `v${i}`);
  for (let i = 0; i < 1000; i++) store.keyspace.addString('n', 1n);
  expect([calls, store.outbox.pending]).toEqual([1, 2]);
  const deltas = [...decodeDeltas(store.outbox.takeDeltas(1e6) as Buffer)];
  expect(deltas.map(({ key }) => key)).toEqual(['k', 'n']);
});

test('a merge applies all or nothing', () => {
  const { store } = open(1);
  const { store: other } = open(2);
  set(other, 'a', '1');
  other.keyspace.putField('h', 2, 'f', 'v');
  other.keyspace.remove('a');
  set(other, 'b', 'x'.repeat(300), START + 5000);
  const good = other.outbox.takeDeltas(1e6) as Buffer;
  const whole = boundaries(good);
  for (let cut = 1; cut < good.length; cut += 3) {
    if (whole.has(cut)) continue;
    expect(() => store.merge(good.subarray(0, cut))).toThrow(
      expect.objectContaining({ code: 'MALFORMED_DELTA' }),
    );
    expect(store.allKeys()).toEqual([]);
  }
  for (const form of [0, 5, 77, 255]) {
    expect(() => store.merge(Buffer.concat([good, Buffer.from([form])]))).toThrow('malformed');
    expect(store.allKeys()).toEqual([]);
  }
  expect(store.merge(good)).toEqual({ changed: 3, conflicts: 0 });
  expect(store.merge(good)).toEqual({ changed: 0, conflicts: 0 });
  expect(store.outbox.pending).toBe(0);
});

/** Ends of the deltas of a buffer. */
function boundaries(buffer: Buffer): Set<number> {
  const ends = new Set<number>();
  for (let at = 0; at < buffer.length; ends.add(at)) {
    const key = buffer.readUInt32LE(at + 1);
    const second = buffer[at] === 3 ? 0 : buffer.readUInt32LE(at + 5);
    at += [0, 21, 27, 17, 9][buffer[at]] + key + second;
  }
  return ends;
}

test('equal versions with different bytes: the larger bytes win on both sites, counted', () => {
  const { store } = open(9);
  const { store: other } = open(9);
  set(store, 'k', 'aaa');
  set(other, 'k', 'zzz');
  const [one, two] = [store.outbox.takeDeltas(1e6) as Buffer, other.outbox.takeDeltas(1e6) as Buffer];
  expect(store.merge(two).conflicts + other.merge(one).conflicts).toBe(2);
  expect(store.keyspace.getString('k')?.toString()).toBe('zzz');
  expect(other.keyspace.getString('k')?.toString()).toBe('zzz');
});

test('pages carry every state, while writes go on', async () => {
  const { store } = open(1);
  const { store: copy } = open(2);
  for (let i = 0; i < 20_000; i++) set(store, `k${i}`, `v${i}`);
  for (let i = 0; i < 20; i++) store.keyspace.putField(`h${i}`, 2, 'f', 'v');
  store.keyspace.remove('k7');
  let parts = 0;
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const page: Page = await store.page(cursor, 10_000);
    cursor = page.next;
    copy.merge(page.deltas);
    set(store, `new${parts}`, 'x'.repeat(parts));
    set(store, `k${parts * 50}`, 'changed and longer');
    parts++;
  }
  expect(parts).toBeGreaterThan(50);
  for (let i = 0; i < 20_000; i++)
    if (i !== 7 && copy.keyspace.type(`k${i}`) !== 1) throw new Error(`k${i} is missing`);
  for (let i = 0; i < 20; i++) expect(copy.keyspace.hash(`h${i}`)?.get('f')).toBe('v');
  expect(copy.stateOf('k7')?.clear).toEqual(store.stateOf('k7')?.clear);
});

test('watches hear of writes, merges and expiry, once', () => {
  const { clock, store } = open(1);
  const { store: other } = open(2);
  const heard: string[] = [];
  const watch = (key: string): (() => void) => store.keyspace.watch(key, () => heard.push(key));
  set(store, 'ttl', 'v', START + 100);
  for (const key of ['written', 'merged', 'ttl', 'quiet', 'named']) watch(key);
  watch('stopped')();
  set(store, 'written', '1');
  set(store, 'written', '2');
  set(store, 'stopped', '2');
  set(other, 'merged', '1');
  store.merge(other.outbox.takeDeltas(1e6) as Buffer);
  store.keyspace.begin(START);
  store.keyspace.name('named');
  store.keyspace.end();
  clock.time += 100;
  store.keyspace.begin(clock.time);
  store.keyspace.end();
  expect(heard).toEqual(['written', 'merged', 'ttl']);
});

test('values over a block live beside it, in every form', () => {
  const { clock, store } = open();
  const big = 'B'.repeat(300_000);
  const key = 'K'.repeat(100_000);
  for (const [name, value] of [
    ['k', big],
    [key, big],
    [key, 'small'],
    ['k', 'small'],
    ['k', big],
  ] as const) {
    set(store, name, value, clock.time + 1000);
    expect(store.keyspace.getString(name)?.toString()).toBe(value);
    store.keyspace.putString(name, Buffer.from(`${value}!`));
    expect(store.keyspace.getString(name)?.toString()).toBe(`${value}!`);
    expect(store.keyspace.memoryUsage(name)).toBeGreaterThan(name.length + value.length);
  }
  store.keyspace.remove(key);
  clock.advance(2000);
  expect(store.keyspace.size).toBe(0);
  expect(store.stats().memoryBytes).toBeLessThan(1_500_000);
});

test('random keys are about even, also among few keys and many tombstones', () => {
  const { store } = open();
  expect(store.keyspace.randomKey()).toBeUndefined();
  for (let i = 0; i < 3000; i++) set(store, `gone${i}`, 'v');
  for (let i = 0; i < 3000; i++) store.keyspace.remove(`gone${i}`);
  for (let i = 0; i < 4; i++) set(store, `k${i}`, 'v');
  const counts = new Map<string, number>();
  for (let i = 0; i < 400; i++) {
    const key = store.keyspace.randomKey() ?? '';
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  expect([...counts.keys()].sort()).toEqual(['k0', 'k1', 'k2', 'k3']);
  for (const count of counts.values()) expect(count).toBeGreaterThan(50);
});

test('lists, streams and other whole values of other sites are kept, forwarded, expired and deleted', () => {
  for (const type of [TYPE_LIST, TYPE_STREAM, TYPE_OTHER] as const) {
    const { clock, store } = open();
    const s = new KeyState();
    const edit = new Edit(s, makeVersion(START - 5, 0, 9), START - 5);
    edit.put(type, '', Buffer.from('elements'));
    edit.expire(START + 1000);
    edit.finish();
    const writer = new DeltaWriter();
    encodeDelta(writer, Buffer.from('k'), s, 'whole');
    const delta = Buffer.from(writer.bytes());
    expect(store.merge(delta)).toEqual({ changed: 1, conflicts: 0 });
    expect(store.merge(delta)).toEqual({ changed: 0, conflicts: 0 });
    expect(store.keyspace.type('k')).toBe(type);
    expect(store.keyspace.expiresAt('k')).toBe(START + 1000);
    expect(digest(store.stateOf('k') ?? new KeyState(), START)).toBe(digest(s, START));
    store.keyspace.expire('k', START + 2000);
    const taken = [...decodeDeltas(store.outbox.takeDeltas(1000) ?? Buffer.alloc(0))];
    expect(taken[0]?.state.registers.get(type)?.get('')?.value).toEqual(Buffer.from('elements'));
    clock.advance(1999);
    expect(store.keyspace.type('k')).toBe(type);
    clock.advance(1);
    expect(store.keyspace.type('k')).toBe(0);
    store.merge(delta);
    expect(store.keyspace.type('k')).toBe(0);
  }
  const { store } = open();
  const s = new KeyState();
  new Edit(s, makeVersion(START - 5, 0, 9), START - 5).put(TYPE_LIST, '', Buffer.from('e'));
  const writer = new DeltaWriter();
  encodeDelta(writer, Buffer.from('k'), s, 'whole');
  store.merge(Buffer.from(writer.bytes()));
  expect(store.keyspace.remove('k')).toBe(true);
  expect(store.keyspace.type('k')).toBe(0);
  store.keyspace.putField('k', 2, 'f', 'v');
  expect(store.keyspace.type('k')).toBe(2);
});
