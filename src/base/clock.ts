// Time as a parameter: the wall clock and timers that everything else takes instead of the global ones.

/** A running timer. */
export interface Timer {
  /** Stops the timer; idempotent. */
  cancel(): void;
}

/** Wall time and timers. The simulator and the tests pass their own. */
export interface Clock {
  /** Units: Unix ms, an integer. May jump either way, as the machine's clock does. */
  now(): number;
  /** Runs `task` once after `delayMs` (Units: ms). The timer alone does not keep the process alive. */
  after(delayMs: number, task: () => void): Timer;
  /** Runs `task` every `periodMs` (Units: ms) until cancelled. Does not keep the process alive. */
  every(periodMs: number, task: () => void): Timer;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, task) {
    const handle = setTimeout(task, delayMs);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
  every(periodMs, task) {
    const handle = setInterval(task, periodMs);
    handle.unref();
    return { cancel: () => clearInterval(handle) };
  },
};

/** Resolves after `delayMs`, or at once (also without error) when `signal` aborts. Units: ms. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after(delayMs, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Whether a time is ahead, by no more than `spanMs`: what was meant to last so long must not last longer because the clock went back. Units: ms. */
export function isWithin(clock: Clock, untilMs: number, spanMs: number): boolean {
  const left = untilMs - clock.now();
  return left > 0 && left <= spanMs;
}
