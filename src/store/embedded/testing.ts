// For this folder's tests: a clock that the test moves, and the store's meaning without any of its fast forms.
import type { Clock, Latin1, Timer } from '../../base/index.ts';
import {
  decodeDeltas,
  digest,
  Edit,
  free,
  KeyState,
  laterOf,
  merge,
  NONE,
  nextVersion,
  registerOf,
  shownAt,
  shownType,
  shownTtlAt,
  shownValue,
  type Version,
} from '../../crdt/index.ts';

/** A clock that stands still until it is moved; timers run when it is advanced, not when the wall time jumps. */
export class ManualClock implements Clock {
  /** Units: Unix ms; may be set, as a machine's clock may jump. */
  time: number;
  #elapsedMs = 0;
  #timers: { readonly atMs: number; readonly task: () => void }[] = [];

  constructor(time: number) {
    this.time = time;
  }

  now(): number {
    return this.time;
  }

  after(delayMs: number, task: () => void): Timer {
    const timer = { atMs: this.#elapsedMs + delayMs, task };
    this.#timers.push(timer);
    return { cancel: () => this.#drop(timer) };
  }

  every(): Timer {
    throw new Error('not used');
  }

  #drop(timer: { readonly atMs: number }): void {
    this.#timers = this.#timers.filter((other) => other !== timer);
  }

  /** Moves the time on, running what falls due on the way. */
  advance(ms: number): void {
    const end = this.#elapsedMs + ms;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.atMs <= end).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#drop(due);
      this.#pass(due.atMs - this.#elapsedMs);
      due.task();
    }
    this.#pass(end - this.#elapsedMs);
  }

  #pass(ms: number): void {
    this.time += ms;
    this.#elapsedMs += ms;
  }
}

/** One site as bare states: what the store must be equal to. */
export class ModelSite {
  readonly states = new Map<Latin1, KeyState>();
  readonly origin: number;

  constructor(origin: number) {
    this.origin = origin;
  }

  /** One unit over `keys`: each effect is an edit with the unit's version. */
  unit(now: number, keys: readonly Latin1[], effects: readonly [Latin1, (edit: Edit) => void][]): void {
    let newest: Version = NONE;
    for (const key of keys) newest = laterOf(newest, this.states.get(key)?.newest ?? NONE);
    const version = nextVersion(now, this.origin, newest);
    for (const [key, effect] of effects) {
      const state = this.states.get(key) ?? new KeyState();
      const edit = new Edit(state, version, now);
      effect(edit);
      if (edit.finish().changed) this.states.set(key, state);
    }
  }

  merge(now: number, deltas: Buffer): void {
    for (const { key, state } of decodeDeltas(deltas)) {
      const into = this.states.get(key) ?? new KeyState();
      free(into, now);
      if (merge(into, state).changed) this.states.set(key, into);
    }
  }

  freeAll(now: number): void {
    for (const state of this.states.values()) free(state, now);
  }

  /** What the key shows, as text. */
  view(key: Latin1, now: number): string {
    return viewOf(this.states.get(key), now);
  }
}

export function viewOf(held: KeyState | undefined, now: number): string {
  if (held === undefined || shownType(held, now) === 0) return '-';
  const state = shownAt(held, now);
  const type = shownType(held, now);
  const fields: string[] = [];
  if (type === 0) return '-';
  for (const field of state.registers.get(type)?.keys() ?? []) {
    const register = registerOf(state, type, field);
    const value = register && shownValue(register, type);
    if (value !== undefined) fields.push(`${field}=${value}`);
  }
  return `${type} ${fields.sort().join(',')} ${shownTtlAt(held, now)}`;
}

/** Everything held of a key, dead parts included, as a digest; '' for nothing. */
export function heldDigest(state: KeyState | undefined): string {
  return state === undefined ? '' : digest(state, 0);
}

/** Waits for a promise while the clock's timers that are due at once run. */
export async function settled<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let isOver = false;
  const over = promise.then(
    () => void (isOver = true),
    () => void (isOver = true),
  );
  while (!isOver) {
    clock.advance(0);
    for (let i = 0; i < 5; i++) await Promise.resolve();
  }
  await over;
  return promise;
}
