// What a gateway remembers of its writes: collapsed, in groups, by origin, bounded.
import { expect, test } from 'vitest';
import { type Clock, PARTIAL_EXPIRIES_MAX, seededRandom } from '../../base/index.ts';
import { PartialExpiry } from './partial-expiry.ts';
import { PendingWrites } from './pending-writes.ts';

const version = (ms: number, origin = 1): string =>
  ms.toString(16).padStart(12, '0') + '0000' + origin.toString(16).padStart(8, '0');
const plain = (text: string) => ({ value: Buffer.from(text), at: 0 });

test('one entry a key: the newest SET, all fields, whole where one write was', () => {
  const writes = new PendingWrites();
  writes.set('k', version(1), plain('a'));
  writes.set('k', version(2), plain('b'));
  writes.add([{ key: 'h', what: ['2f'] }], version(3));
  writes.add([{ key: 'h', what: ['2g'] }], version(4));
  writes.add([{ key: 'w', what: 'whole' }], version(5));
  writes.add([{ key: 'w', what: ['2g'] }], version(6));
  expect(writes.size).toBe(3);
  const [k, h, w] = writes.take(1e6, 100);
  expect(k).toMatchObject({ key: 'k', version: version(2), plain: plain('b') });
  expect(h).toMatchObject({ key: 'h', version: version(4), what: new Set(['2f', '2g']), plain: undefined });
  expect(w).toMatchObject({ key: 'w', what: 'whole' });
  expect([writes.size, writes.bytes]).toEqual([0, 0]);
});

test('a SET that is noted late does not cover what was written after it', () => {
  const writes = new PendingWrites();
  writes.add([{ key: 'k', what: 'whole' }], version(5));
  writes.set('k', version(4), plain('old'));
  expect(writes.take(1e6, 10)).toMatchObject([{ version: version(5), plain: undefined }]);
});

test('groups go whole, one origin at a time, the oldest first', () => {
  const writes = new PendingWrites();
  writes.set('a', version(1), plain('x'.repeat(100)));
  writes.add(
    ['b', 'c', 'd'].map((key) => ({ key, what: 'whole' as const })),
    version(2),
  );
  writes.set('e', version(3, 2), plain('y'));
  writes.set('f', version(4), plain('z'));
  expect(writes.take(1, 100).map(({ key }) => key)).toEqual(['a']);
  expect(writes.take(1, 2).map(({ key }) => key)).toEqual(['b', 'c', 'd']);
  expect(writes.take(1e6, 100).map(({ key }) => key)).toEqual(['e']);
  expect(writes.take(1e6, 100).map(({ key }) => key)).toEqual(['f']);
});

test('never more bytes than the bound; what does not fit is counted', () => {
  const writes = new PendingWrites(10_000);
  const random = seededRandom(1);
  for (let i = 0; i < 500; i++) {
    writes.set(`k${random.uint32() % 200}`, version(i), plain('v'.repeat(random.uint32() % 300)));
    expect(writes.bytes).toBeLessThanOrEqual(10_000);
  }
  expect(writes.dropped).toBeGreaterThan(100);
  expect(writes.size).toBeGreaterThan(20);
  while (writes.size > 0) writes.take(1000, 10);
  expect(writes.bytes).toBe(0);
  writes.set('room', version(1000), plain('v'));
  expect(writes.size).toBe(1);
});

test('a value too large to keep is left to Redis', () => {
  const writes = new PendingWrites();
  writes.set('k', version(1), plain('v'.repeat(100_000)));
  expect(writes.bytes).toBeLessThan(1_000);
  expect(writes.take(1e6, 10)).toMatchObject([{ key: 'k', what: 'whole', plain: undefined }]);
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
