// What a gateway remembers of its writes: collapsed, in groups, by origin, bounded.
import { expect, test } from 'vitest';
import { type Clock, PARTIAL_EXPIRIES_MAX, seededRandom } from '../../base/index.ts';
import {
  decodeDeltas,
  digest,
  type KeyState,
  plainState,
  registerOf,
  STRING_FIELD,
  TYPE_STRING,
} from '../../crdt/index.ts';
import { NotedSet } from './noted-set.ts';
import { PartialExpiry } from './partial-expiry.ts';
import { PendingWrites } from './pending-writes.ts';
import { parseVersion } from './version-text.ts';

const version = (ms: number, origin = 1): string =>
  ms.toString(16).padStart(12, '0') + '0000' + origin.toString(16).padStart(8, '0');

function plain(key: string, value: string, text: string, at = 0): NotedSet {
  const set = new NotedSet();
  set.body = Buffer.from(key + value, 'latin1');
  set.keyBytes = set.valueAt = key.length;
  set.valueBytes = value.length;
  set.readVersion(Buffer.from(text, 'latin1'), 0);
  set.at = at;
  return set;
}

/** What was taken: plain SETs as `key=value`, others as their key. */
function taken(writes: PendingWrites, bytesMax: number, keysMax: number): string[] {
  const found = writes.take(bytesMax, keysMax);
  if (found === undefined) return [];
  const sets = [...decodeDeltas(found.deltas)].map(({ key, state }) => `${key}=${valueOf(state)}`);
  expect(sets).toHaveLength(found.plain);
  return [...sets, ...found.writes.map(({ key }) => key)];
}

function valueOf(state: KeyState): string {
  return String(registerOf(state, TYPE_STRING, STRING_FIELD)?.value);
}

test('one entry a key: the newest SET, all fields, whole where one write was', () => {
  const writes = new PendingWrites();
  writes.set(plain('k', 'a', version(1)));
  writes.set(plain('k', 'b', version(2), 77));
  writes.add([{ key: 'h', what: ['2f'] }], version(3));
  writes.add([{ key: 'h', what: ['2g'] }], version(4));
  writes.add([{ key: 'w', what: 'whole' }], version(5));
  writes.add([{ key: 'w', what: ['2g'] }], version(6));
  expect(writes.size).toBe(3);
  const found = writes.take(1e6, 100);
  const [k] = decodeDeltas(found?.deltas ?? Buffer.alloc(0));
  expect(digest(k.state, 0)).toBe(digest(plainState(parseVersion(version(2)), Buffer.from('b'), 77), 0));
  expect(found?.writes).toMatchObject([
    { key: 'h', version: version(4), what: new Set(['2f', '2g']) },
    { key: 'w', what: 'whole' },
  ]);
  expect([writes.size, writes.bytes]).toEqual([0, 0]);
});

test('a SET that is noted late does not cover what was written after it', () => {
  const writes = new PendingWrites();
  writes.add([{ key: 'k', what: 'whole' }], version(5));
  writes.set(plain('k', 'old', version(4)));
  writes.set(plain('s', 'new', version(7)));
  writes.set(plain('s', 'old', version(6)));
  expect(writes.take(1e6, 10)?.writes).toMatchObject([{ key: 'k', version: version(5) }]);
  writes.set(plain('s', 'new', version(7)));
  writes.set(plain('s', 'old', version(6)));
  expect(taken(writes, 1e6, 10)).toEqual(['s=new']);
});

test('a SET and other writes of a key replace each other', () => {
  const writes = new PendingWrites();
  writes.set(plain('k', 'a', version(1)));
  writes.add([{ key: 'k', what: ['2f'] }], version(2));
  expect([writes.size, writes.has('k')]).toEqual([1, true]);
  expect(writes.take(1e6, 10)?.writes).toMatchObject([{ key: 'k', what: 'whole', version: version(2) }]);
  writes.add([{ key: 'k', what: 'whole' }], version(3));
  writes.set(plain('k', 'b', version(4)));
  expect([writes.size, writes.has('k'), writes.has('j')]).toEqual([1, true, false]);
  expect(taken(writes, 1e6, 10)).toEqual(['k=b']);
});

test('groups go whole, one origin at a time, the oldest first', () => {
  const writes = new PendingWrites();
  writes.set(plain('a', 'x'.repeat(100), version(1)));
  writes.add(
    ['b', 'c', 'd'].map((key) => ({ key, what: 'whole' as const })),
    version(2),
  );
  writes.set(plain('e', 'y', version(3, 2)));
  writes.set(plain('f', 'z', version(4)));
  writes.add([{ key: 'g', what: 'whole' }], version(5, 2));
  expect(taken(writes, 121, 100)).toEqual([`a=${'x'.repeat(100)}`]);
  expect(taken(writes, 1, 100)).toEqual(['f=z']);
  expect(taken(writes, 1, 2)).toEqual(['b', 'c', 'd']);
  expect(taken(writes, 1e6, 100)).toEqual(['e=y', 'g']);
  expect(taken(writes, 1e6, 100)).toEqual([]);
});

test('never more bytes than the bound; what does not fit is counted', () => {
  const writes = new PendingWrites(10_000);
  const random = seededRandom(1);
  for (let i = 0; i < 500; i++) {
    writes.set(plain(`k${random.uint32() % 200}`, 'v'.repeat(random.uint32() % 300), version(i)));
    if (i % 3 === 0) writes.add([{ key: `k${random.uint32() % 200}`, what: 'whole' }], version(i));
    expect(writes.bytes).toBeLessThanOrEqual(10_000);
  }
  expect(writes.dropped).toBeGreaterThan(100);
  expect(writes.size).toBeGreaterThan(20);
  while (writes.size > 0) writes.take(1000, 10);
  expect(writes.bytes).toBe(0);
  writes.set(plain('room', 'v', version(1000)));
  expect(writes.size).toBe(1);
});

test('SETs of the same keys again and again need no more room than their newest', () => {
  const writes = new PendingWrites(2_000_000);
  const random = seededRandom(2);
  const newest = new Map<string, string>();
  for (let i = 0; i < 30_000; i++) {
    const key = `key ${random.uint32() % 3000}`;
    newest.set(key, `${i} ${'v'.repeat(random.uint32() % 400)}`);
    writes.set(plain(key, newest.get(key) ?? '', version(i)));
  }
  expect([writes.dropped, writes.size]).toEqual([0, newest.size]);
  const found: string[] = [];
  while (writes.size > 0) found.push(...taken(writes, 30_000, 4096));
  expect(found.sort()).toEqual([...newest].map(([key, value]) => `${key}=${value}`).sort());
  expect(writes.bytes).toBe(0);
});

test('takings and SETs in any order lose none and send none twice', () => {
  const writes = new PendingWrites();
  const random = seededRandom(3);
  const held = new Map<string, string>();
  for (let i = 0; i < 40_000; i++) {
    const key = `${random.uint32() % 9000}`;
    if (random.uint32() % 4000 === 0) {
      for (const one of taken(writes, random.uint32() % 90_000, 1 + (random.uint32() % 2000))) {
        const [name, value] = one.split('=');
        expect(held.get(name)).toBe(value);
        held.delete(name);
      }
    }
    held.set(key, `${i}`);
    writes.set(plain(key, `${i}`, version(i, 1 + (random.uint32() % 2))));
    if (i % 1000 === 0) expect(writes.size).toBe(held.size);
  }
  while (writes.size > 0)
    for (const one of taken(writes, 65_536, 4096)) expect(held.delete(one.split('=')[0])).toBe(true);
  expect([held.size, writes.bytes]).toEqual([0, 0]);
});

test('a value or key too large to keep is left to Redis', () => {
  const writes = new PendingWrites();
  writes.set(plain('k', 'v'.repeat(100_000), version(1)));
  expect(writes.bytes).toBeLessThan(1_000);
  expect(writes.take(1e6, 10)?.writes).toMatchObject([{ key: 'k', what: 'whole' }]);
  writes.set(plain('k'.repeat(40_000), 'v', version(1)));
  expect(writes.take(1e6, 10)?.writes).toMatchObject([{ key: 'k'.repeat(40_000), what: 'whole' }]);
});

test('timers of partial expiries: one a key, the last time counts, bounded', () => {
  const tasks = new Set<() => void>();
  const clock: Clock = {
    now: () => 1000,
    after(_ms, task) {
      tasks.add(task);
      return { cancel: () => tasks.delete(task) };
    },
    every: () => ({ cancel: () => {} }),
  };
  const fired: string[] = [];
  const partial = new PartialExpiry(clock, (key) => fired.push(key));
  partial.note('k', 2000);
  partial.note('k', 3000);
  expect(tasks.size).toBe(1);
  for (const task of tasks) task();
  expect([fired, partial.size]).toEqual([['k'], 0]);
  tasks.clear();
  for (let i = 0; i < PARTIAL_EXPIRIES_MAX + 10; i++) partial.note(`k${i}`, 1e9);
  expect([partial.size, tasks.size]).toEqual([PARTIAL_EXPIRIES_MAX, PARTIAL_EXPIRIES_MAX]);
  partial.close();
  expect([partial.size, tasks.size]).toEqual([0, 0]);
});
