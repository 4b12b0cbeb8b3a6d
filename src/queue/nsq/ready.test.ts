// Sharing RDY: never above the budget or a cap, nothing left unused, everyone gets a turn.
import { describe, expect, it } from 'vitest';
import { below, seededRandom } from '../../base/index.ts';
import { backoffMs } from '../backoff.ts';
import { shareReady } from './ready.ts';

describe('shareReady', () => {
  it('keeps the budget and the caps and uses all it can', () => {
    const random = seededRandom(3);
    for (let round = 0; round < 2_000; round++) {
      const caps = Array.from({ length: below(random, 8) }, () => 1 + below(random, 30));
      const total = below(random, 120);
      const shares = shareReady(total, caps, below(random, 100));
      const sum = shares.reduce((all, share) => all + share, 0);
      expect(sum).toBe(
        Math.min(
          total,
          caps.reduce((all, cap) => all + cap, 0),
        ),
      );
      expect(shares.every((share, i) => share >= 0 && share <= caps[i])).toBe(true);
      if (total >= caps.length) expect(shares.every((share) => share >= 1)).toBe(true);
    }
  });

  it('gives everyone a turn when there are fewer than connections', () => {
    const served = new Set<number>();
    for (let turn = 0; turn < 6; turn += 2) {
      for (const [i, share] of shareReady(2, [9, 9, 9, 9, 9], turn).entries()) if (share === 1) served.add(i);
    }
    expect(served.size).toBe(5);
  });
});

describe('backoffMs', () => {
  it('doubles between half and whole steps up to the limit', () => {
    const random = seededRandom(5);
    const waits = { firstMs: 100, mostMs: 3_000 };
    for (let failures = 1; failures < 60; failures++) {
      const step = Math.min(3_000, 100 * 2 ** (failures - 1));
      const wait = backoffMs(waits, failures, random);
      expect(wait).toBeGreaterThanOrEqual(step / 2);
      expect(wait).toBeLessThanOrEqual(step);
    }
  });
});
