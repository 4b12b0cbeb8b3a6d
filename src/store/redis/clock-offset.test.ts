import { expect, it } from 'vitest';
import { below, seededRandom } from '../../base/index.ts';
import { ClockOffset } from './clock-offset.ts';

it('holds the true lead, and comes as near as the quickest round trip', () => {
  const random = seededRandom(3);
  for (const lead of [0, 12_345.25, -987_654.5]) {
    const offset = new ClockOffset();
    let now = 1e12;
    for (let i = 0; i < 200; i++) {
      const ranAt = now + below(random, 1000) / 100;
      const heard = ranAt + below(random, 5000) / 100;
      offset.note(Math.floor(now), ranAt + lead, Math.floor(heard));
      expect(offset.least).toBeLessThan(lead + 1e-3);
      expect(offset.most).toBeGreaterThan(lead - 1e-3);
      now = heard + below(random, 40);
    }
    expect(offset.most - offset.least).toBeLessThan(5);
  }
});

it('follows a clock that was set', () => {
  const offset = new ClockOffset();
  offset.note(1000, 1001, 1002);
  offset.note(1010, 61_011, 1012);
  expect([offset.least, offset.most]).toEqual([59_998, 60_001]);
  offset.note(1020, 21, 1022);
  expect([offset.least, offset.most]).toEqual([-1002, -999]);
});

it('forgets old bounds', () => {
  const offset = new ClockOffset();
  offset.note(1000, 1000, 1000);
  offset.note(20_000, 20_050, 20_100);
  expect(offset.most).toBe(50);
});
