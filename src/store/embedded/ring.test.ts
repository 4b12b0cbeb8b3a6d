// The outbox ring: order, groups, holes, positions that wrap around.
import { expect, test, vi } from 'vitest';
import { below, seededRandom } from '../../base/index.ts';
import { Ring } from './ring.ts';

// Long runs on machines that are busy with others.
vi.setConfig({ testTimeout: 60_000 });

test('one entry a key, groups whole and in the order of their last change', () => {
  const random = seededRandom(11);
  const ring = new Ring();
  const marks = new Map<number, number>();
  const remark = (ref: number, position: number): void => void marks.set(ref, position);
  let model: number[][] = [];
  let grouped = 0;
  let squeezed = 0;
  let kept = 0;
  const refs: number[] = [];
  for (let step = 0; step < 40_000; step++) {
    const what = below(random, 10);
    if (what < 6) {
      const ref = 1 + below(random, 60);
      if (marks.has(ref)) continue;
      marks.set(ref, ring.push(ref));
      model.push([ref]);
    } else if (what < 9) {
      const keys = [...new Set(Array.from({ length: 2 + below(random, 4) }, () => 1 + below(random, 60)))];
      const touched: number[] = [];
      for (const ref of keys) {
        if (!marks.has(ref)) {
          marks.set(ref, ring.push(ref));
          model.push([ref]);
        }
        const position = marks.get(ref) as number;
        if (ring.touch(position)) touched.push(position);
        if (ring.touch(position)) throw new Error('touched twice');
      }
      if (keys.length < 2) {
        ring.untouch(touched[0]);
        continue;
      }
      const before = keys.map((ref) => marks.get(ref)).join();
      ring.group(touched, remark);
      const stayed = keys.map((ref) => marks.get(ref)).join() === before;
      if (stayed) kept++;
      if (!stayed || !model.some((group) => group.join() === keys.join())) {
        model = model
          .map((group) => group.filter((ref) => !keys.includes(ref)))
          .filter((group) => group.length > 0);
        model.push(keys);
      }
      grouped++;
    } else if (step % 20_000 < 5000 && below(random, 4) === 0) {
      // In between nothing is taken, as during an outage: holes gather.
      if (ring.peek(refs) !== model.length > 0) throw new Error('groups miscounted');
      if (refs.length === 0) continue;
      expect(refs).toEqual(model.shift());
      ring.drop(refs.length);
      for (const ref of refs) marks.delete(ref);
    }
    if (ring.isSparse) {
      squeezed++;
      ring.squeeze(remark);
    }
    if (ring.live !== marks.size) throw new Error('live entries miscounted');
  }
  for (const [ref, position] of marks) expect(ring.at(position)).toBe(ref);
  while (ring.peek(refs)) {
    expect(refs).toEqual(model.shift());
    ring.drop(refs.length);
  }
  expect(model).toEqual([]);
  expect(grouped).toBeGreaterThan(1000);
  expect(kept).toBeGreaterThan(5);
  expect(squeezed).toBeGreaterThan(1);
});

test('positions wrap around without being 0', () => {
  const ring = new Ring(-40);
  const refs: number[] = [];
  for (let i = 1; i <= 30; i++) ring.push(i);
  const positions = Array.from({ length: 20 }, (_, i) => ring.push(100 + i));
  expect(positions).not.toContain(0);
  for (const position of positions) ring.touch(position);
  ring.group(positions, () => {});
  for (let i = 1; i <= 30; i++) {
    ring.peek(refs);
    expect(refs).toEqual([i]);
    ring.drop(1);
  }
  ring.peek(refs);
  expect(refs).toEqual(Array.from({ length: 20 }, (_, i) => 100 + i));
});
