// A machine's wall clock with its error, and the event loop of one process on it: it can stall and it can die.
import type { Clock, Timer } from '../../src/base/index.ts';
import type { Scheduler } from './scheduler.ts';

/** A machine's clock: the world's time and an error. */
export interface MachineClock {
  /** Units: ms that it is ahead of the world. */
  skewMs: number;
}

/** Units: ms of the world. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What a process runs on. Nothing of a dead one runs any more; what falls due while it stalls runs afterwards, in order. */
export class ProcessLoop implements Clock {
  isAlive = true;
  readonly #scheduler: Scheduler;
  readonly #machine: MachineClock;
  /** When it stood still; the last one may end early. */
  readonly stalls: Span[] = [];
  #stalledUntilMs = 0;

  constructor(scheduler: Scheduler, machine: MachineClock) {
    this.#scheduler = scheduler;
    this.#machine = machine;
  }

  now(): number {
    return Math.floor(this.#scheduler.nowMs + this.#machine.skewMs);
  }

  after(delayMs: number, task: () => void): Timer {
    let isOver = false;
    const due = (): void => {
      if (isOver || !this.isAlive) return;
      const stallMs = this.#stalledUntilMs - this.#scheduler.nowMs;
      if (stallMs > 0) scheduled = this.#scheduler.after(stallMs, due);
      else task();
    };
    let scheduled = this.#scheduler.after(Math.max(1, delayMs), due);
    return {
      cancel() {
        isOver = true;
        scheduled.cancel();
      },
    };
  }

  every(periodMs: number, task: () => void): Timer {
    let timer: Timer;
    const tick = (): void => {
      timer = this.after(periodMs, tick);
      task();
    };
    timer = this.after(periodMs, tick);
    return { cancel: () => timer.cancel() };
  }

  get isStalled(): boolean {
    return this.#stalledUntilMs > this.#scheduler.nowMs;
  }

  /** Units: ms of the world; in the past where it runs. */
  get stalledUntilMs(): number {
    return this.#stalledUntilMs;
  }

  stall(ms: number): void {
    const { nowMs: fromMs } = this.#scheduler;
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, fromMs + ms);
    this.stalls.push({ fromMs, toMs: this.#stalledUntilMs });
  }

  wake(): void {
    const { nowMs } = this.#scheduler;
    if (this.isStalled)
      this.stalls.push(
        ...this.stalls.splice(0).map(({ fromMs, toMs }) => ({ fromMs, toMs: Math.min(toMs, nowMs) })),
      );
    this.#stalledUntilMs = 0;
  }
}
