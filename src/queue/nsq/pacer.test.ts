// Slowing down after requeues, on a clock that stands still until told.
import { describe, expect, it } from 'vitest';
import { type Clock, seededRandom } from '../../base/index.ts';
import { Pacer } from './pacer.ts';

interface Hands {
  readonly clock: Clock;
  /** Runs what waits; answers the longest wait. */
  run(): number;
}

function hands(): Hands {
  let waiting: { delayMs: number; task: () => void }[] = [];
  const after: Clock['after'] = (delayMs, task) => {
    const entry = { delayMs, task };
    waiting.push(entry);
    return { cancel: () => void (waiting = waiting.filter((other) => other !== entry)) };
  };
  return {
    clock: { now: () => 0, after, every: after },
    run: () => {
      const due = waiting.splice(0);
      for (const { task } of due) task();
      return Math.max(0, ...due.map(({ delayMs }) => delayMs));
    },
  };
}

describe('Pacer', () => {
  it('pauses after a requeue, tries one, and opens after as many acknowledgements', () => {
    const { clock, run } = hands();
    let changes = 0;
    const pacer = new Pacer(clock, seededRandom(1), () => changes++);
    expect(pacer.budget(64)).toBe(64);
    pacer.requeued();
    expect(pacer.budget(64)).toBe(0);
    pacer.requeued();
    pacer.acked();
    expect(pacer.budget(64)).toBe(0);
    run();
    expect(pacer.budget(64)).toBe(1);
    pacer.acked();
    expect(pacer.budget(64)).toBe(64);
    expect(changes).toBe(3);
  });

  it('pauses longer and longer, within 10 s, while nothing succeeds', () => {
    const { clock, run } = hands();
    const pacer = new Pacer(clock, seededRandom(1), () => {});
    const waits: number[] = [];
    for (let i = 0; i < 20; i++) {
      pacer.requeued();
      waits.push(run());
    }
    expect(waits[0]).toBeLessThanOrEqual(50);
    expect(waits[7]).toBeGreaterThan(3_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(10_000);
    expect(pacer.budget(64)).toBe(1);
  });
});
