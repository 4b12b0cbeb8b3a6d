// Slab, index and table against a Map: growth, resizing, deleting, and scans that miss nothing meanwhile.
import { expect, test, vi } from 'vitest';
import { below, seededRandom } from '../../base/index.ts';
import { HashIndex, homeOf, slotAfter } from './hash-index.ts';
import { DELETED, PLAIN, PLAIN_TTL } from './record.ts';
import { roundUnits, Slab } from './slab.ts';
import { Table } from './table.ts';

// Long runs on machines that are busy with others.
vi.setConfig({ testTimeout: 60_000 });

/** As `expect(a).toBe(b)`, fast enough for every step of a long run. */
function same<T>(a: T, b: T): void {
  if (a !== b) expect(a).toBe(b);
}

test('slab: blocks never overlap, also after splitting and reuse', () => {
  const random = seededRandom(3);
  const slab = new Slab();
  const held = new Map<number, { units: number; stamp: number }>();
  for (let i = 0; i < 60_000; i++) {
    if (held.size > 3000 || (held.size > 0 && below(random, 3) === 0)) {
      const [ref, { units, stamp }] = held.entries().next().value as [
        number,
        { units: number; stamp: number },
      ];
      const words = slab.words[ref >>> 21];
      const o = (ref & 0x1fffff) << 1;
      for (let w = 0; w < roundUnits(units) * 2; w++) same(words[o + w], stamp);
      held.delete(ref);
      slab.release(ref, units);
      continue;
    }
    const units = below(random, 20) === 0 ? 1 + below(random, 2000) : 3 + below(random, 40);
    const ref = slab.allocate(units);
    same(held.has(ref), false);
    const o = (ref & 0x1fffff) << 1;
    slab.words[ref >>> 21].fill(i, o, o + roundUnits(units) * 2);
    held.set(ref, { units, stamp: i });
  }
  expect(slab.words.length).toBeGreaterThan(1);
});

test('slab: sizes of classes waste at most an eighth', () => {
  for (let units = 1; units <= 8192; units++) {
    const rounded = roundUnits(units);
    same(rounded >= units && rounded <= units * 1.125, true);
    same(roundUnits(rounded), rounded);
  }
});

interface Held {
  value: Buffer;
  at: number;
}

function put(table: Table, key: Buffer, { value, at }: Held): void {
  const ref = table.find(key, 0, key.length, table.hash(key, 0, key.length));
  const form = at === 0 ? PLAIN : PLAIN_TTL;
  const kept =
    ref === 0 ? table.create(form, at !== 0, value.length) : table.reshape(ref, form, at !== 0, value.length);
  table.writeValue(kept, value, 0, value.length);
  if (table.isTimed(kept)) table.setAt(kept, at);
}

test('table: as a Map under growth, resizing and deleting', () => {
  const random = seededRandom(5);
  const table = new Table(random);
  const model = new Map<string, Held>();
  let seenBig = 0;
  for (let i = 0; i < 100_000; i++) {
    const name = `${below(random, 60_000)}${'k'.repeat(below(random, 40))}`.slice(0, 30);
    const key = Buffer.from(below(random, 3000) === 0 ? name.padEnd(61_000, 'K') : name);
    const what = below(random, 10);
    const ref = table.find(key, 0, key.length, table.hash(key, 0, key.length));
    same(ref !== 0, model.has(key.toString()));
    if (what < 7) {
      const bytes = below(random, 2000) === 0 ? 70_000 : below(random, 200);
      if (bytes === 70_000) seenBig++;
      const held = { value: Buffer.alloc(bytes, i), at: below(random, 2) * (i * 2 ** 16 + 1) };
      put(table, key, held);
      model.set(key.toString(), held);
    } else if (what < 9 && ref !== 0) {
      table.remove(ref);
      model.delete(key.toString());
    } else if (ref !== 0) {
      const kept = table.reshape(ref, DELETED, false, 0);
      same(table.key(kept).equals(key), true);
      put(table, key, { value: Buffer.from('back'), at: 0 });
      model.set(key.toString(), { value: Buffer.from('back'), at: 0 });
    }
  }
  expect(seenBig).toBeGreaterThan(20);
  expect(table.count).toBe(model.size);
  expect(table.count).toBeGreaterThan(20_000);
  for (const [name, held] of model) {
    const key = Buffer.from(name);
    const ref = table.find(key, 0, key.length, table.hash(key, 0, key.length));
    same(table.value(ref).equals(held.value), true);
    same(table.at(ref), held.at);
  }
  for (const name of model.keys()) {
    const key = Buffer.from(name);
    table.remove(table.find(key, 0, key.length, table.hash(key, 0, key.length)));
  }
  expect([table.count, table.bigBytes, table.slab.usedBytes]).toEqual([0, 0, 0]);
});

test('scan: what is there from start to end is seen exactly once, while the index grows and shrinks', () => {
  const random = seededRandom(9);
  const table = new Table(random);
  const keyOf = (i: number): Buffer => Buffer.from(`key:${i}`);
  for (let i = 0; i < 10_000; i++) put(table, keyOf(i), { value: keyOf(i), at: 0 });
  const seen = new Map<string, number>();
  let next = 10_000;
  let cursor = 0;
  let calls = 0;
  do {
    cursor = table.index.scan(cursor, 100, (ref) => {
      const key = table.key(ref).toString();
      seen.set(key, (seen.get(key) ?? 0) + 1);
    });
    calls++;
    for (let i = 0; i < 400 && next < 60_000; i++, next++)
      put(table, keyOf(next), { value: keyOf(next), at: 0 });
    const victim = keyOf(10_000 + below(random, next - 10_000));
    const ref = table.find(victim, 0, victim.length, table.hash(victim, 0, victim.length));
    if (ref !== 0) table.remove(ref);
  } while (cursor !== 0);
  expect(calls).toBeGreaterThan(100);
  for (let i = 0; i < 10_000; i++) same(seen.get(`key:${i}`), 1);
  expect(table.index.directory.length).toBeGreaterThan(2);
});

test('a scan of an index that is nearly empty stops early, and goes on', () => {
  const random = seededRandom(11);
  const index = new HashIndex();
  const hashes = Array.from({ length: 200_000 }, () => random.uint32() | 0);
  for (const [i, hash] of hashes.entries()) index.insert(hash, i + 1);
  for (const hash of hashes.slice(20)) {
    const segment = index.segmentOf(hash);
    let slot = homeOf(hash);
    while (segment[2 * slot] !== hash || segment[2 * slot + 1] <= 20) slot = slotAfter(slot);
    index.removeAt(segment, slot);
  }
  const seen: number[] = [];
  let calls = 0;
  let cursor = 0;
  do {
    cursor = index.scan(cursor, 50, (ref) => seen.push(ref));
    calls++;
  } while (cursor !== 0);
  expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  expect(calls).toBeGreaterThan(4);
});

test('an index whose keys go joins its segments; scans meanwhile see what stays exactly once', () => {
  const random = seededRandom(10);
  const table = new Table(random);
  const keyOf = (i: number): Buffer => Buffer.from(`key:${i}`);
  const find = (key: Buffer): number => table.find(key, 0, key.length, table.hash(key, 0, key.length));
  const count = 120_000;
  const stays = (i: number): boolean => i % 40 === 0;
  for (let i = 0; i < count; i++) put(table, keyOf(i), { value: keyOf(i), at: 0 });
  const full = table.index.memoryBytes;
  const seen = new Map<string, number>();
  let next = 0;
  let cursor = 0;
  do {
    cursor = table.index.scan(cursor, 50, (ref) => {
      const key = table.key(ref).toString();
      seen.set(key, (seen.get(key) ?? 0) + 1);
    });
    for (const end = Math.min(count, next + 1000); next < end; next++)
      if (!stays(next)) table.remove(find(keyOf(next)));
  } while (cursor !== 0);
  expect(next).toBe(count);
  for (let i = 0; i < count; i++) {
    same(find(keyOf(i)) !== 0, stays(i));
    if (stays(i)) same(seen.get(`key:${i}`), 1);
  }
  expect(table.index.memoryBytes).toBeLessThan(full / 2);
  for (let i = 0; i < count; i++) if (!stays(i)) put(table, keyOf(i), { value: keyOf(i), at: 0 });
  for (let i = 0; i < count; i++) same(find(keyOf(i)) !== 0, true);
  expect(table.index.memoryBytes).toBeLessThan(full * 1.2);
});
