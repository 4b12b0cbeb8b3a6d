// The bounds of what a store holds beside its data: marks, notes, fragments. And a new origin, and a new beginning.
import { describe, expect, test } from 'vitest';
import {
  FRAGMENT_AGE_MAX_MS,
  NOTES_BYTES_MAX,
  seededRandom,
  silentLogger,
  SLOTS,
  slotOf,
} from '../../base/index.ts';
import { decodeDeltas } from '../../crdt/index.ts';
import { type EmbeddedStore, MemoryStaging, openEmbeddedStore } from './index.ts';
import { MemoryNotes } from './notes.ts';
import { ManualClock } from './testing.ts';

const START = 10_000_000_000;

const warned: string[] = [];

function open(outboxBytesMax?: number): EmbeddedStore {
  const clock = new ManualClock(START);
  const random = seededRandom(5);
  const logger = { ...silentLogger, warn: (_: object, message: string) => void warned.push(message) };
  const options = { clock, random, logger, origin: 7, activeExpiry: false };
  return openEmbeddedStore(outboxBytesMax === undefined ? options : { ...options, outboxBytesMax });
}

function set({ keyspace }: EmbeddedStore, key: string, value = 'v'): void {
  const bytes = Buffer.from(key + value, 'latin1');
  keyspace.setString(bytes, 0, key.length, key.length, bytes.length, 0);
}

function takenKeys(store: EmbeddedStore): string[] {
  return [...decodeDeltas(store.outbox.takeDeltas(1e9) ?? Buffer.alloc(0))].map(({ key }) => key);
}

describe('the outbox', () => {
  test('beyond its bound the oldest marks become slots; each mark is in one or the other', () => {
    const store = open(200_000);
    const count = 100_000;
    let peak = 0;
    for (let i = 0; i < count; i++) {
      set(store, `k${i}`);
      peak = Math.max(peak, store.outbox.pendingBytes);
    }
    expect(peak).toBeLessThan(200_000 + 16_384 * 5 + 1);
    expect(warned.splice(0)).toEqual([
      'the outbox is full: the oldest marks are left to comparisons with the other sites',
    ]);
    const slots = store.outbox.collapsed;
    const pending = new Set(takenKeys(store));
    expect(pending.size).toBeGreaterThan(20_000);
    expect(pending.size).toBeLessThan(60_000);
    expect(pending.has(`k${count - 1}`)).toBe(true);
    const isKept = (key: string): boolean => pending.has(key) || slots?.[slotOf(key)] === 1;
    expect(Array.from({ length: count }, (_, i) => `k${i}`).filter((key) => !isKept(key))).toEqual([]);
    expect(store.outbox.takeCollapsed()).toBe(slots);
    expect(store.outbox.collapsed).toBeUndefined();
    set(store, 'k0', 'again');
    expect(takenKeys(store)).toEqual(['k0']);
  });

  test('touched fields count, and what was taken or forgotten counts no more', () => {
    const store = open(1_000_000);
    const { keyspace, outbox } = store;
    expect(outbox.pendingBytes).toBe(0);
    for (let i = 0; i < 1000; i++) keyspace.putField('h', 2, `field${i}`, 'v');
    const fields = outbox.pendingBytes;
    expect(fields).toBeGreaterThan(1000 * 50);
    for (let i = 0; i < 1000; i++) keyspace.putField('h', 2, `field${i}`, 'w');
    expect(outbox.pendingBytes).toBe(fields);
    keyspace.overwrite('h');
    expect(outbox.pendingBytes).toBeLessThan(100);
    for (let i = 0; i < 1000; i++) keyspace.putField('h', 2, `field${i}`, 'v');
    takenKeys(store);
    expect(outbox.pendingBytes).toBe(0);
    expect(outbox.collapsed).toBeUndefined();
  });

  test('one key with more touched fields than the bound collapses', () => {
    const store = open(100_000);
    for (let i = 0; i < 3000; i++) store.keyspace.putField('h', 2, `field${i}`, 'v');
    expect(store.outbox.collapsed?.[slotOf('h')]).toBe(1);
    expect(store.outbox.pendingBytes).toBeLessThan(100_000);
    expect(store.keyspace.hash('h')?.size).toBe(3000);
  });

  test('slots that could not be compared are given back', () => {
    const store = open();
    const slots = new Uint8Array(SLOTS);
    slots[3] = 1;
    store.outbox.collapse(slots);
    const more = new Uint8Array(SLOTS);
    more[9] = 1;
    store.outbox.collapse(more);
    const taken = store.outbox.takeCollapsed();
    expect([taken?.[3], taken?.[9], taken?.[4]]).toEqual([1, 1, 0]);
  });

  test('remark marks whole keys that are held, and tells of it', () => {
    const store = open();
    set(store, 'k');
    store.keyspace.putField('h', 2, 'f', 'v');
    store.keyspace.putField('h', 2, 'g', 'v');
    set(store, 'dead');
    store.keyspace.overwrite('dead');
    takenKeys(store);
    let told = 0;
    store.outbox.onMark = () => told++;
    store.outbox.remark(['none', 'h', 'k', 'dead', 'k']);
    expect([told, store.outbox.pending]).toEqual([1, 3]);
    const taken = [...decodeDeltas(store.outbox.takeDeltas(1e9) ?? Buffer.alloc(0))];
    expect(taken.map(({ key }) => key)).toEqual(['h', 'k', 'dead']);
    expect(taken[0]?.state.registers.get(2)?.size).toBe(2);
    store.outbox.remark(['none']);
    expect(told).toBe(1);
  });
});

describe('a new origin', () => {
  test('later writes carry it, others are no longer its own', () => {
    const store = open();
    let heard = 0;
    store.onOrigin = () => heard++;
    store.keyspace.addString('n', 5n);
    const before = store.origin;
    store.renewOrigin();
    expect(store.origin).not.toBe(before);
    expect([store.isOwn(before), store.isOwn(store.origin), heard]).toEqual([false, true, 1]);
    store.keyspace.addString('n', 2n);
    expect(store.keyspace.getString('n')?.toString()).toBe('7');
    expect([...(store.stateOf('n')?.registers.get(1)?.get('')?.runs?.keys() ?? [])].sort()).toEqual(
      [before, store.origin].sort(),
    );
    expect(store.outbox.take(1e9)?.origin).toBe(store.origin);
  });

  test('discard forgets data, marks and notes, and tells who watches', async () => {
    const store = open();
    set(store, 'k');
    store.keyspace.putField('h', 2, 'f', 'v');
    store.notes.write({ complete: '1' });
    store.staging.add({ name: 'a', index: 0, count: 2, bytes: Buffer.alloc(100) });
    store.stableBeforeMs = 5;
    let changed = 0;
    store.keyspace.watch('k', () => changed++);
    const before = store.origin;
    await store.discard();
    expect(store.stats()).toMatchObject({ keys: 0, tombstones: 0 });
    expect([store.allKeys(), store.keyspace.size, store.outbox.pending, changed]).toEqual([[], 0, 0, 1]);
    expect(store.outbox.pendingBytes).toBe(0);
    expect((await store.notes.read()).size).toBe(0);
    expect([store.staging.bytes, store.stableBeforeMs]).toEqual([0, 0]);
    expect(store.origin).not.toBe(before);
    set(store, 'k', 'new');
    expect(takenKeys(store)).toEqual(['k']);
    expect(store.keyspace.getString('k')?.toString()).toBe('new');
  });
});

describe('notes', () => {
  test('are set, changed, removed and read as they were', async () => {
    const notes = new MemoryNotes();
    notes.write({ a: '1', b: '2', '\xff': '\0' });
    const before = await notes.read();
    notes.write({ a: '3', b: '' });
    expect([...(await notes.read())].sort()).toEqual([
      ['a', '3'],
      ['\xff', '\0'],
    ]);
    expect(before.get('b')).toBe('2');
  });

  test('take no more than their bound; what would is refused whole', async () => {
    const notes = new MemoryNotes();
    const value = 'x'.repeat(NOTES_BYTES_MAX / 4);
    notes.write({ a: value, b: value, c: value });
    expect(() => notes.write({ small: '1', d: value, e: value })).toThrow(
      expect.objectContaining({ code: 'NOTES_FULL' }) as Error,
    );
    expect([...(await notes.read()).keys()]).toEqual(['a', 'b', 'c']);
    notes.write({ a: '' });
    notes.write({ d: value });
    expect(notes.bytes).toBeLessThanOrEqual(NOTES_BYTES_MAX);
    notes.write({ b: '', c: '', d: '' });
    expect(notes.bytes).toBe(0);
  });
});

describe('staging', () => {
  const piece = (name: string, index: number, count: number, bytes = `${name}${index}`) => ({
    name,
    index,
    count,
    bytes: Buffer.from(bytes),
  });

  test('puts pieces together in any order, doubled ones too', () => {
    const staging = new MemoryStaging(new ManualClock(START));
    expect(staging.add(piece('a', 2, 3))).toBeUndefined();
    expect(staging.add(piece('b', 0, 2))).toBeUndefined();
    expect(staging.add(piece('a', 2, 3))).toBeUndefined();
    expect(staging.add(piece('a', 0, 3))).toBeUndefined();
    expect(staging.bytes).toBe(6);
    expect(staging.add(piece('a', 1, 3))?.toString()).toBe('a0a1a2');
    expect(staging.bytes).toBe(2);
    expect(staging.add(piece('c', 0, 1))?.toString()).toBe('c0');
    expect(staging.add(piece('b', 1, 2))?.toString()).toBe('b0b1');
    expect([staging.bytes, staging.dropped]).toEqual([0, 0]);
  });

  test('keeps copies', () => {
    const staging = new MemoryStaging(new ManualClock(START));
    const first = piece('a', 0, 2);
    staging.add(first);
    first.bytes.fill(0);
    expect(staging.add(piece('a', 1, 2))?.toString()).toBe('a0a1');
  });

  test('another count under the same name, and pieces that cannot be, are not mixed in', () => {
    const staging = new MemoryStaging(new ManualClock(START));
    staging.add(piece('a', 0, 2));
    expect(staging.add(piece('a', 1, 3))).toBeUndefined();
    expect(staging.add(piece('a', 5, 2))).toBeUndefined();
    expect(staging.add(piece('a', -1, 2))).toBeUndefined();
    expect(staging.add(piece('a', 0, 1e9))).toBeUndefined();
    expect(staging.add(piece('a', 1, 2))?.toString()).toBe('a0a1');
  });

  test('what is older than ten minutes is given up', () => {
    const clock = new ManualClock(START);
    const staging = new MemoryStaging(clock);
    staging.add(piece('a', 0, 2));
    clock.time += FRAGMENT_AGE_MAX_MS - 1;
    staging.add(piece('b', 0, 2));
    expect(staging.bytes).toBe(4);
    clock.time += 2;
    staging.expire();
    expect([staging.bytes, staging.dropped]).toEqual([2, 1]);
    expect(staging.add(piece('a', 1, 2))).toBeUndefined();
    expect(staging.add(piece('b', 1, 2))?.toString()).toBe('b0b1');
  });

  test('the oldest make room; a single one larger than the bound stays', () => {
    const staging = new MemoryStaging(new ManualClock(START), 1000);
    const large = 'x'.repeat(400);
    for (const name of ['a', 'b', 'c']) staging.add(piece(name, 0, 2, large));
    expect([staging.bytes, staging.dropped]).toEqual([800, 1]);
    expect(staging.add(piece('a', 1, 2))).toBeUndefined();
    expect(staging.add(piece('c', 1, 2))?.length).toBe(402);
    const alone = new MemoryStaging(new ManualClock(START), 100);
    alone.add(piece('a', 0, 2, large));
    expect(alone.add(piece('a', 1, 2, large))?.length).toBe(800);
  });
});
