import { describe, expect, test } from 'vitest';
import { type Clock, MqkvError, seededRandom, silentLogger, systemClock } from '../base/index.ts';
import type { Queue, QueueMessage } from '../queue/index.ts';
import { MemoryStaging } from '../store/embedded/index.ts';
import type { Outbox, Store } from '../store/index.ts';
import { decodeEnvelope, decodeSections, encodeEnvelope, encodePublish, encodeSection } from './envelope.ts';
import { Fragments } from './fragments.ts';
import { encodeHeartbeat, Membership } from './membership.ts';
import { Receiver } from './receiver.ts';
import { Sender } from './sender.ts';
import { SequenceWindow } from './sequence-window.ts';

const logger = silentLogger;

/** A store that only has an outbox of ready-made deltas, and remembers what it merged. */
function fakeStore(
  origin: number,
): Store & { readonly merged: string[]; readonly accepted: string[]; mark(text: string): void } {
  const marks: Buffer[] = [];
  const merged: string[] = [];
  const accepted: string[] = [];
  const outbox: Outbox = {
    onMark: undefined,
    get pending() {
      return marks.length;
    },
    get pendingBytes() {
      return marks.reduce((sum, mark) => sum + mark.length, 0);
    },
    take() {
      const deltas = marks.shift();
      return deltas === undefined
        ? undefined
        : { origin, deltas, accepted: () => accepted.push(deltas.toString()) };
    },
    remark: () => {},
  };
  return {
    name: 'fake',
    id: `store-${origin}`,
    origin,
    isOwn: (other) => other === origin,
    outbox,
    merged,
    accepted,
    mark(text) {
      marks.push(Buffer.from(text));
      if (marks.length === 1) outbox.onMark?.();
    },
    merge(deltas) {
      const text = deltas.toString();
      if (text.startsWith('broken')) throw new MqkvError('MALFORMED_DELTA', text);
      if (text.startsWith('away')) throw new Error('store away');
      merged.push(text);
      return { changed: 1, conflicts: 0 };
    },
    page: async () => ({ deltas: Buffer.from('snapshot'), next: undefined }),
    compare: async () => {},
    states: async () => ({ deltas: Buffer.alloc(0), count: 1 }),
    notes: { read: async () => new Map<string, string>(), write: () => {} },
    staging: new MemoryStaging(systemClock),
    stableBeforeMs: 0,
    onOrigin: undefined,
    renewOrigin: () => {},
    discard: async () => {},
    stats: () => ({ keys: 0, tombstones: 0, memoryBytes: 0 }),
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

/** A queue whose publishes settle as the test says. */
function fakeQueue(
  maxMessageBytes = 1_000_000,
): Queue & { readonly published: Buffer[]; down: boolean; hold: boolean; release(): void } {
  const published: Buffer[] = [];
  const held: (() => void)[] = [];
  return {
    name: 'fake',
    capabilities: { ordered: false, replayable: false, durableAck: false, maxMessageBytes },
    published,
    down: false,
    hold: false,
    release() {
      for (const resolve of held.splice(0)) resolve();
    },
    async publish(body) {
      if (this.down) throw new MqkvError('QUEUE_UNREACHABLE', 'down');
      if (this.hold) await new Promise<void>((resolve) => held.push(resolve));
      published.push(Buffer.from(body));
    },
    subscribe: async () => {},
    stats: () => Promise.reject(new Error('not asked')),
    brokers: () => [],
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

function senderOf(store: Store, queue: Queue): Sender {
  return new Sender({ site: 's', store, queue, clock: systemClock, random: seededRandom(1), logger });
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 2000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(condition()).toBe(true);
}

function message(body: Buffer): QueueMessage & { readonly fate: string[] } {
  const fate: string[] = [];
  return {
    body,
    attempts: 1,
    fate,
    ack: () => fate.push('ack'),
    requeue: () => fate.push('requeue'),
    touch: () => {},
  };
}

function sealed(origin: number, sections: readonly Uint8Array[], sequence = 1): Buffer {
  return encodeEnvelope(
    { site: 'far', origin, stream: '0011223344556677', sequence, timeMs: 1, fragment: 0, fragments: 1 },
    sections,
  );
}

const deltas = (text: string): Uint8Array[] => encodeSection({ kind: 1, bytes: Buffer.from(text) });

describe('sender', () => {
  test('publishes marks, repeats the same bytes until the queue accepts, then is empty', async () => {
    const store = fakeStore(7);
    const queue = fakeQueue();
    queue.down = true;
    const sender = senderOf(store, queue);
    store.mark('one');
    await until(() => sender.stats().failures > 1);
    expect(sender.empty).toBe(false);
    queue.down = false;
    await until(() => sender.empty);
    expect(queue.published).toHaveLength(1);
    const { header, body } = decodeEnvelope(queue.published[0] ?? Buffer.alloc(0));
    expect(header).toMatchObject({ site: 's', origin: 7, sequence: 1, fragment: 0, fragments: 1 });
    expect(decodeSections(body).map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['one']);
    expect(await sender.close(0)).toBe(true);
  });

  test('S2: at most 16 messages are under way', async () => {
    const store = fakeStore(7);
    const queue = fakeQueue();
    queue.hold = true;
    const sender = senderOf(store, queue);
    for (let i = 0; i < 40; i++) store.mark(`d${i}`);
    await until(() => sender.stats().inFlight === 16);
    expect(store.outbox.pending).toBe(24);
    queue.hold = false;
    queue.release();
    await until(() => sender.empty);
    expect(queue.published).toHaveLength(40);
    await sender.close(0);
  });

  test('S2: beside large values nothing further is taken', async () => {
    const store = fakeStore(1);
    const queue = fakeQueue(100_000_000);
    queue.hold = true;
    const sender = senderOf(store, queue);
    const large = 'x'.repeat(33 * 1024 * 1024);
    for (let i = 0; i < 4; i++) store.mark(large);
    await until(() => sender.stats().inFlight === 2);
    expect(store.outbox.pending).toBe(2);
    queue.hold = false;
    queue.release();
    await until(() => sender.empty);
    expect(queue.published).toHaveLength(4);
    await sender.close(0);
  });

  test('fragments what the queue does not take whole; the receiver puts it together in any order', async () => {
    const store = fakeStore(7);
    const queue = fakeQueue(1000);
    const sender = senderOf(store, queue);
    const long = 'x'.repeat(5_000);
    store.mark(long);
    await until(() => sender.empty);
    expect(queue.published.length).toBeGreaterThan(5);
    expect(Math.max(...queue.published.map(({ length }) => length))).toBeLessThanOrEqual(1000);
    const far = fakeStore(8);
    const receiver = new Receiver({
      store: far,
      clock: systemClock,
      logger,
      onPublish: () => {},
      onHeartbeat: () => {},
    });
    for (const part of queue.published.reverse()) await receiver.apply(part);
    expect(far.merged).toEqual([long]);
    await sender.close(0);
  });

  test('close gives up after its time and says so', async () => {
    const store = fakeStore(7);
    const queue = fakeQueue();
    queue.down = true;
    const sender = senderOf(store, queue);
    store.mark('one');
    expect(await sender.close(20)).toBe(false);
  });
});

describe('receiver', () => {
  const receiverOf = (store: Store, heard: string[] = []): Receiver =>
    new Receiver({
      store,
      clock: systemClock,
      logger,
      onPublish: (channel, text) => heard.push(`${channel}=${text}`),
      onHeartbeat: () => heard.push('heartbeat'),
    });

  test('R1, R3: merges and acknowledges; skips its own origin', async () => {
    const store = fakeStore(7);
    const receiver = receiverOf(store);
    const far = message(sealed(8, deltas('a')));
    await receiver.receive(far);
    const own = message(sealed(7, deltas('b')));
    await receiver.receive(own);
    expect([store.merged, far.fate, own.fate]).toEqual([['a'], ['ack'], ['ack']]);
    expect(receiver.stats()).toMatchObject({ envelopes: 1, own: 1, quarantined: 0 });
  });

  test('R2: what cannot be merged is quarantined; a store that is away gets it again', async () => {
    const store = fakeStore(7);
    const receiver = receiverOf(store);
    const rubbish = [
      Buffer.from('hello'),
      sealed(8, deltas('broken')),
      sealed(8, encodeSection({ kind: 99, bytes: Buffer.alloc(0) })),
    ];
    for (const body of rubbish) {
      const one = message(body);
      await receiver.receive(one);
      expect(one.fate).toEqual(['ack']);
    }
    expect(receiver.stats().quarantined).toBe(3);
    const later = message(sealed(8, deltas('away')));
    await receiver.receive(later);
    expect(later.fate).toEqual(['requeue']);
  });

  test('a PUBLISH arrives once however often its envelope does; heartbeats are handed on', async () => {
    const heard: string[] = [];
    const receiver = receiverOf(fakeStore(7), heard);
    const body = sealed(8, encodeSection({ kind: 3, bytes: encodePublish('news', 'hi') }), 5);
    for (let i = 0; i < 3; i++) await receiver.apply(body);
    await receiver.apply(sealed(8, encodeSection({ kind: 2, bytes: Buffer.from('{}') }), 6));
    expect(heard).toEqual(['news=hi', 'heartbeat']);
  });
});

describe('gaps', () => {
  test('a missing message is named after 5 s, sent again as it was, and fills the gap', async () => {
    let now = 1_000_000;
    const clock: Clock = { ...systemClock, now: () => now };
    const store = fakeStore(7);
    const queue = fakeQueue();
    const sender = senderOf(store, queue);
    for (const text of ['one', 'two', 'three']) store.mark(text);
    await until(() => sender.empty && queue.published.length === 3);
    const far = fakeStore(8);
    const receiver = new Receiver({ store: far, clock, logger, onPublish: () => {}, onHeartbeat: () => {} });
    const [first, second, third] = queue.published as [Buffer, Buffer, Buffer];
    await receiver.apply(first);
    await receiver.apply(third);
    now += 4_999;
    expect(receiver.missing()).toEqual({});
    now += 1;
    const missing = receiver.missing();
    expect(missing).toEqual({ [sender.stream]: [2] });
    expect(receiver.missing()).toEqual({});
    await sender.resend([...(missing[sender.stream] ?? []), 77]);
    expect(queue.published.slice(3).map((body) => body.equals(second))).toEqual([true]);
    await receiver.apply(queue.published[3] ?? Buffer.alloc(0));
    now += 60_000;
    expect(receiver.missing()).toEqual({});
    expect(far.merged).toEqual(['one', 'three', 'two']);
    expect(receiver.stats()).toMatchObject({ gaps: 1, gapsLost: 0 });
    await sender.close(0);
  });

  test('what does not come after twelve requests is counted as lost', () => {
    const window = new SequenceWindow();
    window.note(1, 0);
    window.note(4, 0);
    const ask = (nowMs: number): number[] => window.overdue(nowMs, { afterMs: 10, askedMax: 2, most: 100 });
    expect([ask(10), ask(20), ask(30), ask(40)]).toEqual([[2, 3], [2, 3], [], []]);
    expect(window.lost).toBe(2);
  });

  test('a message that turns out too large for the queue is cut smaller', async () => {
    const store = fakeStore(7);
    const queue = fakeQueue(10_000);
    const capabilities = { ...queue.capabilities };
    const publish = queue.publish.bind(queue);
    const shrinking: Queue = Object.assign(queue, {
      capabilities,
      async publish(body: Uint8Array) {
        if (body.length > 1_000) {
          capabilities.maxMessageBytes = 1_000;
          throw new MqkvError('MESSAGE_TOO_LARGE', 'at most 1000');
        }
        await publish(body);
      },
    });
    const sender = senderOf(store, shrinking);
    store.mark('x'.repeat(25_000));
    await until(() => sender.empty && queue.published.length > 0);
    const far = fakeStore(8);
    const receiver = new Receiver({
      store: far,
      clock: systemClock,
      logger,
      onPublish: () => {},
      onHeartbeat: () => {},
    });
    for (const body of queue.published) await receiver.apply(body);
    expect(far.merged).toEqual(['x'.repeat(25_000)]);
    await sender.close(0);
  });
});

describe('bounds', () => {
  test('sequence window: each once, disorder allowed, memory bounded', () => {
    const window = new SequenceWindow();
    expect([3, 1, 2, 2, 3, 5].map((n) => window.note(n))).toEqual([true, true, true, false, false, true]);
    expect(window.note(1_000_000)).toBe(true);
    expect(window.note(4)).toBe(false);
    expect(window.note(999_999)).toBe(true);
  });

  test('fragments older than ten minutes are given up', () => {
    let now = 0;
    const clock: Clock = { ...systemClock, now: () => now };
    const fragments = new Fragments(clock);
    const header = { site: 's', origin: 1, stream: '00', sequence: 1, timeMs: 0, fragment: 0, fragments: 2 };
    expect(fragments.add({ header, body: Buffer.alloc(10) })).toBeUndefined();
    expect(fragments.bytes).toBe(10);
    now = 600_001;
    fragments.expire();
    expect([fragments.bytes, fragments.dropped]).toEqual([0, 1]);
  });
});

describe('membership', () => {
  const beat = (site: string, storeId: string, startedAtMs: number): Buffer =>
    encodeHeartbeat({
      site,
      storeId,
      origin: 1,
      startedAtMs,
      address: '',
      lastSequence: 1,
      outboxEmpty: true,
      missing: {},
    });

  test('knows others; a second store under its name, started earlier, makes it refuse until that is gone', () => {
    let now = 100_000;
    const clock: Clock = { ...systemClock, now: () => now };
    const membership = new Membership({
      site: 'a',
      storeId: 'mine',
      startedAtMs: 50_000,
      clock,
      logger,
      onMissing: () => {},
    });
    const header = {
      site: 'x',
      origin: 9,
      stream: '00',
      sequence: 1,
      timeMs: 99_990,
      fragment: 0,
      fragments: 1,
    };
    membership.hear(header, beat('b', 'other', 1));
    membership.hear(header, beat('a', 'mine', 50_000));
    membership.hear(header, Buffer.from('no json'));
    expect(membership.members()).toMatchObject([{ site: 'b', lagMs: 10 }]);
    for (let i = 0; i < 6; i++) {
      expect(membership.duplicate).toBe(false);
      membership.hear(header, beat('a', 'rival', 40_000));
      now += 1_000;
    }
    expect(membership.duplicate).toBe(true);
    now += 10_001;
    expect(membership.duplicate).toBe(false);
  });

  test('the one that started earlier goes on', () => {
    let now = 100_000;
    const clock: Clock = { ...systemClock, now: () => now };
    const membership = new Membership({
      site: 'a',
      storeId: 'mine',
      startedAtMs: 50_000,
      clock,
      logger,
      onMissing: () => {},
    });
    const header = {
      site: 'a',
      origin: 9,
      stream: '00',
      sequence: 1,
      timeMs: now,
      fragment: 0,
      fragments: 1,
    };
    for (let i = 0; i < 9; i++) {
      membership.hear(header, beat('a', 'rival', 60_000));
      now += 1_000;
    }
    expect(membership.duplicate).toBe(false);
  });
});
