// Large keys are sent at a bounded rate, and what is kept back comes once.
import { expect, test } from 'vitest';
import { type Clock, WHOLE_BYTES_PER_SECOND_MAX, WHOLE_KEY_BYTES_MAX } from '../../base/index.ts';
import { SlowKeys } from './slow-keys.ts';

/** A clock that the test moves. */
class HandClock implements Clock {
  #now = 0;
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];
  now(): number {
    return this.#now;
  }
  after(delayMs: number, run: () => void): { cancel(): void } {
    const timer = { atMs: this.#now + delayMs, run };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) };
  }
  every(): { cancel(): void } {
    return { cancel: () => {} };
  }
  pass(ms: number): void {
    this.#now += ms;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#now);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#now);
    for (const { run } of due) run();
  }
}

test('a large key waits as long as its bytes are worth, its newest version comes once; small ones never wait', () => {
  const clock = new HandClock();
  const released: string[] = [];
  const slow = new SlowKeys(clock, (key, version) => void released.push(`${key} ${version}`));
  slow.sent('small', WHOLE_KEY_BYTES_MAX);
  slow.sent('large', WHOLE_BYTES_PER_SECOND_MAX / 2);
  expect([slow.holds('small', '1'), slow.holds('large', '3'), slow.holds('large', '2')]).toEqual([
    false,
    true,
    true,
  ]);
  expect(slow.size).toBe(1);
  clock.pass(499);
  expect(released).toEqual([]);
  clock.pass(1);
  expect(released).toEqual(['large 3']);
  expect([slow.size, slow.holds('large', '4')]).toEqual([0, false]);
});

test('nothing waits behind a large key that is not written again; closing forgets', () => {
  const clock = new HandClock();
  const released: string[] = [];
  const slow = new SlowKeys(clock, (key) => void released.push(key));
  slow.sent('a', WHOLE_BYTES_PER_SECOND_MAX);
  slow.sent('b', WHOLE_BYTES_PER_SECOND_MAX);
  slow.holds('b', '1');
  slow.close();
  clock.pass(2_000);
  expect([released, slow.size]).toEqual([[], 0]);
});
