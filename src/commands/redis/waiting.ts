// Connections that wait for keys, first come first served, and what wakes them.
//
// 1. A waiter is tried at once when it comes, and again whenever one of its keys may have changed; only one try of a
//    key's waiters is under way at a time, in the order they came: whoever waits longest gets an element first.
// 2. A try that finds nothing changes nothing; one that finds something ends the wait with its reply.
// 3. A wait ends once: by a try, its timeout, CLIENT UNBLOCK, or the end of its connection (then without a try).
import type { Clock, Latin1, Timer } from '../../base/index.ts';

/** How a wait ended. */
export type Outcome =
  | { readonly kind: 'reply'; readonly bytes: Buffer }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'unblocked' }
  | { readonly kind: 'gone' };

/** What waits. */
export interface Wanted {
  readonly keys: readonly Latin1[];
  /** Units: ms; 0: for ever. */
  readonly timeoutMs: number;
  /** Waiters of one such kind take from each other: when one finds nothing, later ones of the kind are not tried. '': each may find something. */
  readonly kind: string;
  /** Executes the command. undefined: nothing there. */
  attempt(): Promise<Buffer | undefined>;
  readonly signal: AbortSignal;
}

/** A wait under way. */
export interface Waiter {
  readonly outcome: Promise<Outcome>;
  end(outcome: Outcome): void;
}

class Wait implements Waiter {
  readonly wanted: Wanted;
  readonly outcome: Promise<Outcome>;
  isOver = false;
  isTrying = false;
  /** What ended the wait while a try was under way: it counts only if the try finds nothing. */
  pendingEnd: Outcome | undefined;
  readonly #settle: (outcome: Outcome) => void;
  readonly #finished: () => void;

  constructor(wanted: Wanted, finished: (wait: Wait) => void) {
    this.wanted = wanted;
    this.#finished = () => finished(this);
    let settle: (outcome: Outcome) => void = () => {};
    this.outcome = new Promise((resolve) => {
      settle = resolve;
    });
    this.#settle = settle;
  }

  end(outcome: Outcome): void {
    if (this.isOver) return;
    if (this.isTrying && outcome.kind !== 'reply') {
      this.pendingEnd ??= outcome;
      return;
    }
    this.isOver = true;
    this.#finished();
    this.#settle(outcome);
  }

  /** Tries once. true: the wait is over. */
  async attempt(): Promise<boolean> {
    if (this.isOver || this.isTrying) return this.isOver;
    this.isTrying = true;
    const bytes = await this.wanted.attempt().catch(() => undefined);
    this.isTrying = false;
    if (bytes !== undefined) this.end({ kind: 'reply', bytes });
    else if (this.pendingEnd !== undefined) this.end(this.pendingEnd);
    return this.isOver;
  }
}

/** Makes sure that `changed` is called when one of these keys changes; called anew after every change. */
export interface Watcher {
  /** Resolves when a change from now on will be told. */
  watch(keys: readonly Latin1[]): Promise<void>;
}

/** Everyone who waits at one gateway. */
export class Waiting {
  readonly #clock: Clock;
  readonly #watcher: Watcher;
  readonly #byKey = new Map<Latin1, Set<Wait>>();
  readonly #serving = new Set<Latin1>();
  /** Keys that changed while they were served. */
  readonly #again = new Set<Latin1>();
  readonly #waits = new Set<Wait>();
  #recheck: Timer | undefined;

  constructor(clock: Clock, watcher: Watcher) {
    this.#clock = clock;
    this.#watcher = watcher;
  }

  /** Connections that wait. */
  get size(): number {
    return this.#waits.size;
  }

  isAwaited(key: Latin1): boolean {
    return this.#byKey.has(key);
  }

  /** Begins a wait; it has been tried once, in vain. */
  wait(wanted: Wanted): Waiter {
    const wait = new Wait(wanted, (over) => this.#forget(over));
    this.#remember(wait);
    const timer =
      wanted.timeoutMs === 0
        ? undefined
        : this.#clock.after(Math.min(wanted.timeoutMs, 2 ** 31 - 1), () => wait.end({ kind: 'timeout' }));
    const gone = (): void => wait.end({ kind: 'gone' });
    wanted.signal.addEventListener('abort', gone, { once: true });
    void wait.outcome.then(() => {
      timer?.cancel();
      wanted.signal.removeEventListener('abort', gone);
    });
    if (wanted.signal.aborted) gone();
    void this.#begin(wait);
    return wait;
  }

  /** A key may have changed: who waits for it is tried. */
  changed(key: Latin1): void {
    if (!this.#byKey.has(key)) return;
    if (this.#serving.has(key)) this.#again.add(key);
    else void this.#serve(key);
  }

  /** Ends every wait, e.g. when the gateway closes. */
  close(): void {
    for (const wait of this.#waits) wait.end({ kind: 'gone' });
    this.#recheck?.cancel();
    this.#recheck = undefined;
  }

  async #begin(wait: Wait): Promise<void> {
    await this.#watcher.watch(wait.wanted.keys);
    for (const key of wait.wanted.keys) this.changed(key);
  }

  /** Serves a key's waiters in order until one finds nothing. */
  async #serve(key: Latin1): Promise<void> {
    this.#serving.add(key);
    do {
      this.#again.delete(key);
      await this.#watcher.watch([key]);
      await tryAll([...(this.#byKey.get(key) ?? [])]);
    } while (this.#again.has(key) && this.#byKey.has(key));
    this.#serving.delete(key);
    this.#again.delete(key);
  }

  #remember(wait: Wait): void {
    this.#waits.add(wait);
    for (const key of wait.wanted.keys) {
      const waits = this.#byKey.get(key);
      if (waits === undefined) this.#byKey.set(key, new Set([wait]));
      else waits.add(wait);
    }
    this.#recheck ??= this.#clock.every(RECHECK_MS, () => {
      for (const key of this.#byKey.keys()) this.changed(key);
    });
  }

  #forget(wait: Wait): void {
    this.#waits.delete(wait);
    for (const key of wait.wanted.keys) {
      const waits = this.#byKey.get(key);
      waits?.delete(wait);
      if (waits?.size === 0) this.#byKey.delete(key);
    }
    if (this.#waits.size > 0) return;
    this.#recheck?.cancel();
    this.#recheck = undefined;
  }
}

/** Tries waiters in order, of each kind that takes until the first that finds nothing. */
async function tryAll(waits: readonly Wait[]): Promise<void> {
  const exhausted = new Set<string>();
  for (const wait of waits) {
    const { kind } = wait.wanted;
    if (exhausted.has(kind)) continue;
    if (!(await wait.attempt()) && kind !== '') exhausted.add(kind);
  }
}

/** Units: ms. A net below the invalidations: what they miss (a connection lost just then) is found that much later. */
const RECHECK_MS = 1000;
