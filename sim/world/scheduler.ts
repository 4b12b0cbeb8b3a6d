// Virtual time: one queue of events, by time and then by order of their making; one runs at a time, and all that it set going in
// promises ends before the next one begins.

/** An event that may be taken back. */
export interface Scheduled {
  cancel(): void;
}

interface Entry extends Scheduled {
  readonly atMs: number;
  readonly order: number;
  task: (() => void) | undefined;
}

const macrotask = setImmediate;

/** Resolves when every promise that can settle by itself has done so. */
function quiet(): Promise<void> {
  return new Promise((resolve) => macrotask(resolve));
}

export class Scheduler {
  /** Units: ms of the world, which no site sees but through its own clock. */
  nowMs: number;
  /** Events that ran. */
  count = 0;
  readonly #heap: Entry[] = [];
  #order = 0;

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  /** Runs a task `delayMs` from now. Order: of the same time, as they were made. */
  after(delayMs: number, task: () => void): Scheduled {
    const entry: Entry = {
      atMs: this.nowMs + Math.max(0, delayMs),
      order: this.#order++,
      task,
      cancel: () => {
        entry.task = undefined;
      },
    };
    this.#push(entry);
    return entry;
  }

  /** Runs what is due within the next `ms`. */
  async run(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      this.#pop();
      const { task } = next;
      if (task === undefined) continue;
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.count++;
      task();
      await quiet();
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  /** Lets a promise end whose way needs no time of the world. */
  async settle(): Promise<void> {
    await quiet();
  }

  /** Time passes while nothing runs, as for machines that are suspended; then everything is late. */
  skip(ms: number): void {
    this.nowMs += ms;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (isBefore(heap[up], entry)) break;
      heap[at] = heap[up];
      at = up;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && isBefore(heap[down + 1], heap[down])) down++;
      if (isBefore(last, heap[down])) break;
      heap[at] = heap[down];
      at = down;
    }
    heap[at] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
