// A lifetime: one AbortSignal and the loops that must have ended before it is over.

/** Owns loops: closing aborts them all and waits for each. */
export interface Scope {
  /** Aborted when the scope begins to close. */
  readonly signal: AbortSignal;
  /** Starts a loop; it must return soon after the signal aborts. A rejection goes to `onError`. */
  run(loop: (signal: AbortSignal) => Promise<void>): void;
  /** Aborts, then waits for every loop. Idempotent. */
  close(): Promise<void>;
}

/** Opens a scope. `onError` gets what a loop throws; a loop must not end that way unless it is a bug. */
export function openScope(onError: (error: unknown) => void): Scope {
  const controller = new AbortController();
  const running = new Set<Promise<void>>();
  return {
    signal: controller.signal,
    run(loop) {
      const task = loop(controller.signal)
        .catch(onError)
        .finally(() => running.delete(task));
      running.add(task);
    },
    async close() {
      controller.abort();
      while (running.size > 0) await Promise.all(running);
    },
  };
}
