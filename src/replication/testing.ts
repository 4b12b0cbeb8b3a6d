// For the tests of this folder: time that stands still, a store of ready-made deltas, queues that do as the test says.
import { type Clock, MqkvError, type Random, seededRandom, silentLogger, type Timer } from '../base/index.ts';
import { DeltaWriter, decodeDeltas, encodeDelta, makeVersion, plainState } from '../crdt/index.ts';
import type { Queue, QueueMessage } from '../queue/index.ts';
import { MemoryNotes, MemoryStaging } from '../store/embedded/index.ts';
import type { Outbox, Store } from '../store/index.ts';
import { encodeEnvelope, encodeSection, SECTION_DELTAS } from './envelope.ts';
import { encodeHeartbeat, type Heartbeat } from './heartbeat.ts';

interface Due {
  atMs: number;
  readonly number: number;
  readonly periodMs: number;
  readonly task: () => void;
}

/** Time that goes on only when told; timers run in order, promises settle in between. */
export class TestClock implements Clock {
  /** Wall time is this much off. */
  offsetMs = 0;
  #nowMs: number;
  #count = 0;
  readonly #due = new Map<number, Due>();

  constructor(nowMs = 1_000_000_000_000) {
    this.#nowMs = nowMs;
  }

  now(): number {
    return this.#nowMs + this.offsetMs;
  }

  get timers(): number {
    return this.#due.size;
  }

  after(delayMs: number, task: () => void): Timer {
    return this.#add(delayMs, 0, task);
  }

  every(periodMs: number, task: () => void): Timer {
    return this.#add(periodMs, periodMs, task);
  }

  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (let due = this.#next(endMs); due !== undefined; due = this.#next(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      if (due.periodMs > 0) due.atMs += due.periodMs;
      else this.#due.delete(due.number);
      due.task();
      await settle();
    }
    this.#nowMs = endMs;
  }

  #add(delayMs: number, periodMs: number, task: () => void): Timer {
    const number = ++this.#count;
    this.#due.set(number, { atMs: this.#nowMs + Math.max(0, delayMs), number, periodMs, task });
    return { cancel: () => void this.#due.delete(number) };
  }

  #next(endMs: number): Due | undefined {
    let first: Due | undefined;
    for (const due of this.#due.values())
      if (due.atMs <= endMs && (first === undefined || due.atMs < first.atMs)) first = due;
    return first;
  }
}

/** Lets everything settle that needs no time. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A delta of one plain key. */
export function deltaOf(key: string, value = ''): Buffer {
  const writer = new DeltaWriter();
  encodeDelta(writer, Buffer.from(key), plainState(makeVersion(1, 0, 1), Buffer.from(value), 0), 'whole');
  return Buffer.from(writer.bytes());
}

export function keysOf(deltas: Buffer): string[] {
  return [...decodeDeltas(deltas)].map(({ key }) => key);
}

/** A store that only has an outbox of ready-made keys, and remembers what it merged. */
export interface FakeStore extends Store {
  readonly merged: string[];
  readonly accepted: string[];
  origin: number;
  mark(key: string, value?: string): void;
  /** Merges wait until it is called again. */
  hold: boolean;
  release(): void;
}

export function fakeStore(clock: Clock, origin: number): FakeStore {
  const marks = new Map<string, string>();
  const values = new Map<string, string>();
  const merged: string[] = [];
  const accepted: string[] = [];
  const held: (() => void)[] = [];
  const mark = (key: string, value: string): void => {
    const wasEmpty = marks.size === 0;
    values.set(key, value);
    marks.set(key, value);
    if (wasEmpty) outbox.onMark?.();
  };
  const outbox: Outbox = {
    onMark: undefined,
    get pending() {
      return marks.size;
    },
    get pendingBytes() {
      return marks.size;
    },
    take() {
      const first = marks.entries().next();
      if (first.done === true) return undefined;
      const [key, value] = first.value;
      marks.delete(key);
      return { origin, deltas: deltaOf(key, value), accepted: () => accepted.push(key) };
    },
    remark(keys) {
      for (const key of keys) {
        const value = values.get(key);
        if (value !== undefined) mark(key, value);
      }
    },
  };
  return {
    name: 'fake',
    id: `store-${origin}`,
    origin,
    isOwn(other) {
      return other === this.origin;
    },
    outbox,
    merged,
    accepted,
    mark: (key, value = '') => mark(key, value),
    hold: false,
    release() {
      this.hold = false;
      for (const resolve of held.splice(0)) resolve();
    },
    async merge(deltas) {
      if (deltas.toString().startsWith('broken')) throw new MqkvError('MALFORMED_DELTA', 'broken');
      if (deltas.toString().startsWith('away')) throw new Error('store away');
      if (this.hold) await new Promise<void>((resolve) => held.push(resolve));
      merged.push(...keysOf(deltas));
      return { changed: 1, conflicts: 0 };
    },
    page: async () => ({ deltas: Buffer.alloc(0), next: undefined }),
    compare: async () => {},
    states: async () => ({ deltas: Buffer.alloc(0), count: 1 }),
    notes: new MemoryNotes(),
    staging: new MemoryStaging(clock),
    stableBeforeMs: 0,
    onOrigin: undefined,
    renewOrigin() {
      this.origin++;
      this.onOrigin?.();
    },
    discard: async () => {},
    stats: () => ({ keys: 0, tombstones: 0, memoryBytes: 0 }),
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

/** A queue that keeps what is published. */
export interface FakeQueue extends Queue {
  readonly published: Buffer[];
  down: boolean;
  hold: boolean;
  release(): void;
  /** Hands a message to the subscriber. */
  deliver(message: QueueMessage): void;
}

export function fakeQueue(maxMessageBytes = 1_000_000): FakeQueue {
  const published: Buffer[] = [];
  const held: (() => void)[] = [];
  let handler = (_message: QueueMessage): void => {};
  return {
    name: 'fake',
    capabilities: { ordered: false, replayable: false, durableAck: false, maxMessageBytes },
    published,
    down: false,
    hold: false,
    release() {
      this.hold = false;
      for (const resolve of held.splice(0)) resolve();
    },
    async publish(body) {
      if (this.down) throw new MqkvError('QUEUE_UNREACHABLE', 'down');
      if (this.hold) await new Promise<void>((resolve) => held.push(resolve));
      published.push(Buffer.from(body));
    },
    subscribe: async (handle) => {
      handler = handle;
    },
    deliver: (message) => handler(message),
    stats: () => Promise.reject(new Error('not asked')),
    brokers: () => [],
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

/** A delivered message that remembers what became of it. */
export function message(body: Buffer): QueueMessage & { readonly fate: string[] } {
  const fate: string[] = [];
  return {
    body,
    attempts: 1,
    fate,
    ack: () => fate.push('ack'),
    requeue: () => fate.push('requeue'),
    touch: () => fate.push('touch'),
  };
}

/** A numbered envelope of the site `far`. */
export function sealed(
  sections: readonly Uint8Array[],
  header: Partial<Parameters<typeof encodeEnvelope>[0]> = {},
): Buffer {
  return encodeEnvelope(
    {
      site: 'far',
      origin: 8,
      stream: '1122334455667788',
      sequence: 1,
      timeMs: 1_000_000_000_000,
      fragment: 0,
      fragments: 1,
      ...header,
    },
    sections,
  );
}

export function deltas(key: string): Uint8Array[] {
  return encodeSection({ kind: SECTION_DELTAS, bytes: deltaOf(key) });
}

export function rawDeltas(text: string): Uint8Array[] {
  return encodeSection({ kind: SECTION_DELTAS, bytes: Buffer.from(text) });
}

/** A heartbeat of a site, with what the test says of it. */
export function beat(site: string, storeId: string, more: Partial<Heartbeat> = {}): Buffer {
  return encodeHeartbeat({
    site,
    storeId,
    origin: 1,
    origins: [1],
    startedAtMs: 1,
    address: '',
    lastSequence: 0,
    streams: {},
    outboxEmpty: true,
    applied: {},
    sources: {},
    missing: {},
    complete: true,
    loading: false,
    lacking: false,
    heard: {},
    delays: {},
    asks: {},
    ...more,
  });
}

export const around = (clock: Clock, random: Random = seededRandom(1)) => ({
  clock,
  random,
  logger: silentLogger,
});
