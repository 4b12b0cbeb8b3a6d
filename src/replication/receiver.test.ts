// The receiving half: merge and acknowledge, drop what is known or old, put fragments together, name what is missing.
import { describe, expect, test } from 'vitest';
import { HORIZON_MS, seededRandom, silentLogger } from '../base/index.ts';
import type { Store } from '../store/index.ts';
import {
  encodeAfter,
  encodePublish,
  encodeSection,
  SECTION_AFTER,
  SECTION_HEARTBEAT,
  SECTION_LOST,
  SECTION_PUBLISH,
} from './envelope.ts';
import { Receiver } from './receiver.ts';
import { Sender } from './sender.ts';
import { Streams } from './streams.ts';
import {
  around,
  deltas,
  fakeQueue,
  fakeStore,
  message,
  rawDeltas,
  sealed,
  settle,
  TestClock,
} from './testing.ts';

const STREAM = '1122334455667788';

function receiverOf(clock: TestClock, store: Store) {
  const heard: string[] = [];
  const lost: string[] = [];
  const streams = new Streams({ clock, horizonMs: HORIZON_MS, onLost: (stream) => lost.push(stream) });
  const receiver = new Receiver({
    site: 'here',
    store,
    streams,
    clock,
    logger: silentLogger,
    horizonMs: HORIZON_MS,
    onPublish: (channel, text) => heard.push(`${channel}=${text}`),
    onHeartbeat: () => heard.push('heartbeat'),
    onLost: (loss, site) => lost.push(`${loss} ${site}`),
  });
  /** Half-seconds of ticks; what is missing then. */
  const after = (ticks: number): Record<string, number[]> => {
    for (let i = 0; i < ticks; i++) streams.tick(true);
    return streams.missing();
  };
  return { receiver, streams, heard, lost, after };
}

function opened() {
  const clock = new TestClock();
  const store = fakeStore(clock, 7);
  return { clock, store, ...receiverOf(clock, store) };
}

describe('receiver', () => {
  test('R1, R3: merges and acknowledges; skips its own origin', async () => {
    const { store, receiver } = opened();
    const far = message(sealed(deltas('a')));
    await receiver.receive(far);
    const own = message(sealed(deltas('b'), { origin: 7, sequence: 2 }));
    await receiver.receive(own);
    expect([store.merged, far.fate, own.fate]).toEqual([['a'], ['ack'], ['ack']]);
    expect(receiver.stats()).toMatchObject({ envelopes: 1, own: 1, quarantined: 0 });
    expect(receiver.applied()).toEqual({ [STREAM]: 1 });
  });

  test('R2: what cannot be merged is quarantined; a store that is away gets it again', async () => {
    const { receiver } = opened();
    const rubbish = [
      Buffer.from('hello'),
      sealed(rawDeltas('broken')),
      sealed(encodeSection({ kind: 99, bytes: Buffer.alloc(0) }), { sequence: 2 }),
    ];
    for (const body of rubbish) {
      const one = message(body);
      await receiver.receive(one);
      expect(one.fate).toEqual(['ack']);
    }
    expect(receiver.stats().quarantined).toBe(3);
    const later = message(sealed(rawDeltas('away'), { sequence: 3 }));
    await receiver.receive(later);
    expect([later.fate, receiver.applied()]).toEqual([['requeue'], { [STREAM]: 0 }]);
  });

  test('R5: a doubled message is acknowledged and dropped, also while its twin is being merged', async () => {
    const { store, receiver } = opened();
    store.hold = true;
    const twins = [message(sealed(deltas('a'))), message(sealed(deltas('a')))];
    for (const twin of twins) void receiver.receive(twin);
    await settle();
    expect(twins.map(({ fate }) => fate)).toEqual([[], []]);
    store.release();
    await settle();
    expect([store.merged, ...twins.map(({ fate }) => fate)]).toEqual([['a'], ['ack'], ['ack']]);
    expect(receiver.stats().doubled).toBe(1);
  });

  test('R5: what is older than half the horizon is dropped, lost and acknowledged', async () => {
    const { clock, store, receiver, lost, streams } = opened();
    const timeMs = clock.now() - HORIZON_MS / 2;
    const [old, young] = [
      message(sealed(deltas('old'), { timeMs: timeMs - 1 })),
      message(sealed(deltas('young'), { timeMs, sequence: 2 })),
    ];
    for (const one of [old, young]) await receiver.receive(one);
    expect([store.merged, old.fate, young.fate]).toEqual([['young'], ['ack'], ['ack']]);
    expect([lost, receiver.stats().old, streams.hasAll(STREAM, 1, 2)]).toEqual([['old far'], 1, true]);
  });

  test('R4: what was merged into a store that has gone back meanwhile comes again', async () => {
    const { store, receiver, streams } = opened();
    store.hold = true;
    const one = message(sealed(deltas('a')));
    void receiver.receive(one);
    await settle();
    receiver.epoch++;
    streams.reset();
    store.release();
    await settle();
    expect([one.fate, receiver.applied()]).toEqual([['requeue'], { [STREAM]: 0 }]);
    await receiver.receive(message(one.body));
    expect(receiver.applied()).toEqual({ [STREAM]: 1 });
  });

  test('a PUBLISH arrives once, after what it came with; heartbeats are handed on; none of an earlier self', async () => {
    const { receiver, heard, store } = opened();
    const publish = encodeSection({ kind: SECTION_PUBLISH, bytes: encodePublish('news', 'hi') });
    const body = sealed([...publish, ...deltas('a')], { sequence: 5 });
    for (let i = 0; i < 3; i++) await receiver.apply(body);
    await receiver.apply(
      sealed(encodeSection({ kind: SECTION_HEARTBEAT, bytes: Buffer.from('{}') }), { sequence: 6 }),
    );
    await receiver.apply(sealed([...publish, ...deltas('b')], { site: 'here', stream: 'aa22334455667788' }));
    expect([heard, store.merged]).toEqual([
      ['news=hi', 'heartbeat'],
      ['a', 'b'],
    ]);
    const away = sealed([...publish, ...rawDeltas('away')], { sequence: 7 });
    for (let i = 0; i < 2; i++) await receiver.receive(message(away));
    expect(heard).toHaveLength(2);
  });

  test('frozen, messages are held unacknowledged, and touched; then all are merged, or given back at the end', async () => {
    const { clock, store, receiver } = opened();
    receiver.isFrozen = true;
    const held = message(sealed(deltas('a')));
    await receiver.receive(held);
    await clock.advance(20_000);
    expect([store.merged, held.fate]).toEqual([[], ['touch']]);
    receiver.isFrozen = false;
    await settle();
    expect([store.merged, held.fate]).toEqual([['a'], ['touch', 'ack']]);
    receiver.isFrozen = true;
    const last = message(sealed(deltas('b'), { sequence: 2 }));
    await receiver.receive(last);
    receiver.close();
    expect([last.fate, clock.timers]).toEqual([['requeue'], 0]);
  });
});

describe('fragments', () => {
  async function fragmented(key: string) {
    const clock = new TestClock();
    const queue = fakeQueue(1000);
    const store = fakeStore(clock, 8);
    const sender = new Sender({ site: 'far', store, queue, ...around(clock, seededRandom(2)) });
    store.mark(key);
    await clock.advance(1_000);
    await sender.close(0);
    expect(Math.max(...queue.published.map(({ length }) => length))).toBeLessThanOrEqual(1000);
    return queue.published;
  }

  test('are put together in any order, and applied only when all are there', async () => {
    const key = 'x'.repeat(5_000);
    const parts = await fragmented(key);
    const { store, receiver } = opened();
    for (const part of parts.toReversed()) {
      expect(Object.values(receiver.applied()).every((upTo) => upTo === 0)).toBe(true);
      await receiver.apply(part);
    }
    expect([store.merged, Object.values(receiver.applied())]).toEqual([[key], [parts.length]]);
  });

  test('staged ones are not missing, until they are too old', async () => {
    const parts = await fragmented('x'.repeat(3_000));
    const { receiver, after } = opened();
    for (const part of [parts[0], parts[3]]) await receiver.apply(part);
    expect(Object.values(after(12))).toEqual([[2, 3]]);
    expect(Object.values(after(1_200)).flat()).toContain(1);
  });

  test('a whole one whose merge failed is merged when its last piece comes again', async () => {
    const { store, receiver } = opened();
    const parts = await fragmented('k'.padEnd(3_000));
    const merge = store.merge.bind(store);
    let isAway = true;
    store.merge = (bytes) => {
      if (isAway) throw new Error('store away');
      return merge(bytes);
    };
    const delivered = parts.map(message);
    for (const one of delivered) await receiver.receive(one);
    expect(delivered.map(({ fate }) => fate[0])).toEqual(['ack', 'ack', 'ack', 'requeue']);
    isAway = false;
    await receiver.receive(message(parts[3]));
    expect([store.merged.length, Object.values(receiver.applied())]).toEqual([1, [4]]);
  });
});

describe('gaps', () => {
  test('what is missing 5 s after something later is asked for, again and again, then lost', async () => {
    const { receiver, after, lost, streams } = opened();
    await receiver.apply(sealed(deltas('a'), { sequence: 1 }));
    await receiver.apply(sealed(deltas('c'), { sequence: 3 }));
    expect(after(10)).toEqual({});
    expect(after(1)).toEqual({ [STREAM]: [2] });
    expect(after(1)).toEqual({});
    expect(after(1)).toEqual({ [STREAM]: [2] });
    let asked = 2;
    for (let i = 0; i < 100; i++) asked += Object.keys(after(1)).length;
    expect([asked, lost, streams.hasAll(STREAM, 1, 3), streams.lost]).toEqual([12, [STREAM], true, 1]);
    expect(receiver.stats()).toMatchObject({ gaps: 12, gapsLost: 1 });
  });

  test('everything from 1 on, and what a heartbeat told of; nothing while it is not asking', async () => {
    const { receiver, after, streams } = opened();
    await receiver.apply(sealed(deltas('c'), { sequence: 3 }));
    streams.tell(STREAM, 5);
    for (let i = 0; i < 20; i++) streams.tick(false);
    expect(streams.missing()).toEqual({});
    expect(after(1)).toEqual({ [STREAM]: [1, 2, 4, 5] });
  });

  test('what another site had applied is not missing once its data was taken over', async () => {
    const { receiver, after } = opened();
    await receiver.apply(sealed(deltas('x'), { sequence: 1_000_000 }));
    receiver.adopt({ [STREAM]: 999_998, other: 5 });
    expect(after(12)).toEqual({ [STREAM]: [999_999] });
    expect(receiver.applied()).toEqual({ [STREAM]: 999_998, other: 5 });
  });

  test('too many at once are lost at once', async () => {
    const { receiver, after, lost, streams } = opened();
    await receiver.apply(sealed(deltas('x'), { sequence: 10_000 }));
    expect([after(12), lost, streams.hasAll(STREAM, 1, 10_000)]).toEqual([{}, [STREAM], true]);
  });

  test('are closed by an empty message, by one that names what replaces it once that is applied, and by a loss', async () => {
    const { receiver, lost, store, streams } = opened();
    for (const sequence of [4, 6]) await receiver.apply(sealed(deltas(`k${sequence}`), { sequence }));
    await receiver.apply(sealed([], { sequence: 1 }));
    expect(receiver.applied()[STREAM]).toBe(1);
    const after = encodeSection({ kind: SECTION_AFTER, bytes: encodeAfter({ from: 4, to: 5 }) });
    await receiver.apply(sealed(after, { sequence: 2 }));
    expect(receiver.applied()[STREAM]).toBe(1);
    await receiver.apply(sealed(deltas('k5'), { sequence: 5 }));
    await receiver.apply(sealed(after, { sequence: 2 }));
    expect([receiver.applied()[STREAM], lost]).toEqual([2, []]);
    await receiver.apply(
      sealed(encodeSection({ kind: SECTION_LOST, bytes: Buffer.alloc(0) }), { sequence: 3 }),
    );
    expect([streams.hasAll(STREAM, 1, 6), lost, store.merged]).toEqual([
      true,
      ['gap far'],
      ['k4', 'k6', 'k5'],
    ]);
  });

  test('W3: what is lost is vouched for neither to others nor in the notes until a store that has it was compared with', async () => {
    const { receiver, after, streams } = opened();
    for (const sequence of [1, 3, 4]) await receiver.apply(sealed(deltas('k'), { sequence }));
    for (let i = 0; i < 120; i++) after(1);
    expect([receiver.applied(), streams.recent().applied, streams.hasAll(STREAM, 1, 4)]).toEqual([
      { [STREAM]: 1 },
      { [STREAM]: 1 },
      true,
    ]);
    expect(streams.doubtfulSites(1000)).toEqual(new Set(['far']));
    expect(streams.recentRanges(1000)).toEqual({
      [STREAM]: [
        [1, 1],
        [3, 4],
      ],
    });
    const notes = streams.takeNotes();
    expect(notes[`applied:${STREAM}`]).toMatch(/^4!1-2;/);
    const again = opened();
    again.streams.restore(new Map(Object.entries(notes)));
    expect([again.receiver.applied(), again.streams.hasAll(STREAM, 1, 4)]).toEqual([{ [STREAM]: 1 }, true]);
    again.streams.adopt({ [STREAM]: 1 });
    expect(again.receiver.applied()).toEqual({ [STREAM]: 1 });
    again.streams.adopt({ [STREAM]: 2 });
    expect(again.receiver.applied()).toEqual({ [STREAM]: 4 });
    expect(again.streams.doubtfulSites(1000).size).toBe(0);
    expect(again.streams.takeNotes()[`applied:${STREAM}`]).toMatch(/^4;/);
  });

  test('what was applied a while ago is remembered', async () => {
    const { receiver, after } = opened();
    for (let sequence = 1; sequence <= 20; sequence++) {
      await receiver.apply(sealed(deltas('k'), { sequence }));
      after(2);
    }
    const before = receiver.appliedBefore(10_000)[STREAM] ?? 0;
    expect(before).toBeLessThanOrEqual(10);
    expect(before).toBeGreaterThanOrEqual(8);
    expect(receiver.appliedBefore(3_600_000)).toEqual({});
  });
});
