// A set of sequences against a plain set of numbers.
import { expect, test } from 'vitest';
import { below, seededRandom } from '../base/index.ts';
import { SequenceSet } from './sequence-set.ts';

test('random adding, raising and asking gives what a plain set gives', () => {
  const random = seededRandom(7);
  let [holes, ranges] = [0, 0];
  for (let round = 0; round < 80; round++) {
    const set = new SequenceSet();
    const plain = new Set<number>();
    for (let step = 0; step < 40; step++) {
      const from = 1 + below(random, 60);
      const to = from + below(random, below(random, 4) === 0 ? 20 : 2);
      if (below(random, 12) === 0) {
        set.raise(from);
        for (let n = 1; n <= from; n++) plain.add(n);
      } else {
        if (from === to) expect(set.add(from)).toBe(!plain.has(from));
        else set.addRange(from, to);
        for (let n = from; n <= to; n++) plain.add(n);
      }
      const missing: number[] = [];
      for (let n = 1; n <= 80; n++) if (!plain.has(n)) missing.push(n);
      const found: number[] = [];
      set.holes(80, (a, b) => {
        for (let n = a; n <= b; n++) found.push(n);
        return true;
      });
      expect(found).toEqual(missing);
      expect([set.missingUpTo(80), set.floor]).toEqual([missing.length, (missing[0] ?? 81) - 1]);
      expect(set.newest).toBe(Math.max(...plain));
      const [a, b] = [1 + below(random, 80), 1 + below(random, 80)];
      let all = true;
      for (let n = a; n <= b; n++) all &&= plain.has(n);
      expect(set.hasAll(a, b)).toBe(all);
      holes += missing.length;
      ranges = Math.max(ranges, set.ranges.length);
    }
  }
  expect(holes).toBeGreaterThan(500);
  expect(ranges).toBeGreaterThan(8);
});
