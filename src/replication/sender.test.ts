// The sending half: batches, windows, repeats, and what becomes of messages that nobody takes.
import { describe, expect, test } from 'vitest';
import { MqkvError, SENT_KEYS_BYTES_MAX, STABLE_MS } from '../base/index.ts';
import type { Queue } from '../queue/index.ts';
import type { Store } from '../store/index.ts';
import {
  decodeAfter,
  decodeEnvelope,
  decodeSections,
  isLoose,
  SECTION_AFTER,
  SECTION_LOST,
} from './envelope.ts';
import { Sender } from './sender.ts';
import { around, fakeQueue, fakeStore, keysOf, settle, TestClock } from './testing.ts';

function senderOf(clock: TestClock, store: Store, queue: Queue, messageAgeMaxMs?: number): Sender {
  return new Sender({ site: 's', store, queue, messageAgeMaxMs, ...around(clock) });
}

/** What a message carries: keys, or what it says of a gap. */
function contentOf(body: Buffer): string {
  const { header, body: sections } = decodeEnvelope(body);
  const texts = decodeSections(sections).map(({ kind, bytes }) => {
    if (kind === SECTION_AFTER) return `after ${decodeAfter(bytes).from}-${decodeAfter(bytes).to}`;
    return kind === SECTION_LOST ? 'lost' : keysOf(Buffer.from(bytes)).join(' ');
  });
  return `${header.sequence}: ${texts.join(', ')}`;
}

describe('sender', () => {
  test('publishes marks, repeats the same bytes until the queue accepts, then is empty', async () => {
    const clock = new TestClock();
    const store = fakeStore(clock, 7);
    const queue = fakeQueue();
    queue.down = true;
    const sender = senderOf(clock, store, queue);
    store.mark('one');
    await clock.advance(2_000);
    expect(sender.stats().failures).toBeGreaterThan(1);
    expect([sender.empty, sender.acceptedSequence]).toEqual([false, 0]);
    queue.down = false;
    await clock.advance(5_000);
    expect([sender.empty, sender.acceptedSequence]).toEqual([true, 1]);
    expect(queue.published.map(contentOf)).toEqual(['1: one']);
    expect(decodeEnvelope(queue.published[0]).header).toMatchObject({ site: 's', origin: 7, fragment: 0 });
    expect(store.accepted).toEqual(['one']);
    expect(await sender.close(0)).toBe(true);
    expect(clock.timers).toBe(0);
  });

  test('S2: at most 16 messages are under way', async () => {
    const clock = new TestClock();
    const store = fakeStore(clock, 7);
    const queue = fakeQueue();
    queue.hold = true;
    const sender = senderOf(clock, store, queue);
    for (let i = 0; i < 40; i++) store.mark(`d${i}`);
    await clock.advance(1_000);
    expect([sender.stats().inFlight, store.outbox.pending]).toEqual([16, 24]);
    queue.release();
    await clock.advance(1_000);
    expect([sender.empty, queue.published.length]).toEqual([true, 40]);
    await sender.close(0);
  });

  test('S2: beside large values nothing further is taken', async () => {
    const clock = new TestClock();
    const store = fakeStore(clock, 1);
    const queue = fakeQueue(100_000_000);
    queue.hold = true;
    const sender = senderOf(clock, store, queue);
    for (let i = 0; i < 4; i++) store.mark(`k${i}`, 'x'.repeat(33 * 1024 * 1024));
    await clock.advance(1_000);
    expect([sender.stats().inFlight, store.outbox.pending]).toEqual([2, 2]);
    queue.release();
    await clock.advance(1_000);
    expect([sender.empty, queue.published.length]).toEqual([true, 4]);
    await sender.close(0);
  });

  test('close gives up after its time and says so', async () => {
    const clock = new TestClock();
    const store = fakeStore(clock, 7);
    const queue = fakeQueue();
    queue.down = true;
    const sender = senderOf(clock, store, queue);
    store.mark('one');
    const closed = sender.close(20);
    await clock.advance(20);
    expect(await closed).toBe(false);
    expect(clock.timers).toBe(0);
  });

  test('a message that turns out too large is cut smaller; the sequences not used are closed', async () => {
    const clock = new TestClock();
    const store = fakeStore(clock, 7);
    const queue = fakeQueue(10_000);
    const capabilities = { ...queue.capabilities };
    const publish = queue.publish.bind(queue);
    const shrinking: Queue = Object.assign(queue, {
      capabilities,
      async publish(body: Uint8Array) {
        if (body.length <= 1_000) return publish(body);
        capabilities.maxMessageBytes = 1_000;
        throw new MqkvError('MESSAGE_TOO_LARGE', 'at most 1000');
      },
    });
    const sender = senderOf(clock, store, shrinking);
    store.mark('k', 'x'.repeat(2_500));
    await clock.advance(1_000);
    expect(queue.published.map((body) => decodeEnvelope(body).header.sequence).toSorted()).toEqual([
      1, 2, 3, 4,
    ]);
    expect([sender.acceptedSequence, sender.empty]).toEqual([4, true]);
    await sender.close(0);
  });

  test('a message that no queue takes is said to be lost', async () => {
    const clock = new TestClock();
    const store = fakeStore(clock, 7);
    const queue = fakeQueue();
    const publish = queue.publish.bind(queue);
    const narrow: Queue = Object.assign(queue, {
      async publish(body: Uint8Array) {
        if (body.length > 1_000) throw new MqkvError('MESSAGE_TOO_LARGE', 'no');
        await publish(body);
      },
    });
    const sender = senderOf(clock, store, narrow);
    store.mark('k', 'x'.repeat(2_500));
    store.mark('small');
    await clock.advance(1_000);
    expect(queue.published.map(contentOf).toSorted()).toEqual(['1: lost', '2: small']);
    expect([sender.stats().lost, sender.acceptedSequence]).toEqual([1, 2]);
    await sender.close(0);
  });

  test('heartbeats and requests are not numbered among the writes', async () => {
    const clock = new TestClock();
    const queue = fakeQueue();
    const sender = senderOf(clock, fakeStore(clock, 7), queue);
    await sender.heartbeat(Buffer.from('{}'));
    await sender.peerMessage(6, Buffer.from('ask'));
    const streams = queue.published.map((body) => decodeEnvelope(body).header.stream);
    expect(streams.map(isLoose)).toEqual([true, true]);
    expect([sender.lastSequence, isLoose(sender.stream)]).toEqual([0, false]);
    await sender.close(0);
  });
});

describe('what other sites miss', () => {
  async function sent(keys: readonly string[], maxMessageBytes = 1_000_000) {
    const clock = new TestClock();
    const store = fakeStore(clock, 7);
    const queue = fakeQueue(maxMessageBytes);
    const sender = senderOf(clock, store, queue, 6 * 60 * 60_000);
    for (const key of keys) store.mark(key);
    await clock.advance(1_000);
    queue.published.splice(0);
    return { clock, store, queue, sender };
  }

  test('is repeated as it was, not twice within a second; what was never sent is not', async () => {
    const { clock, queue, sender } = await sent(['one', 'two']);
    sender.answerMissing([2, 77]);
    sender.answerMissing([2]);
    await settle();
    expect(queue.published.map(contentOf)).toEqual(['2: two']);
    await clock.advance(1_000);
    sender.answerMissing([2]);
    await settle();
    expect(queue.published.map(contentOf)).toEqual(['2: two', '2: two']);
    await sender.close(0);
  });

  test('O4: is as it is by now when what ended it may be forgotten', async () => {
    const { clock, queue, sender } = await sent(['one', 'two']);
    await clock.advance(STABLE_MS / 2 - 10_000);
    sender.answerMissing([2]);
    await settle();
    expect(queue.published.map(contentOf)).toEqual(['2: two']);
    await clock.advance(20_000);
    sender.answerMissing([2]);
    await clock.advance(100);
    expect(queue.published.map(contentOf)).toEqual(['2: two', '3: two', '2: after 3-3']);
    await sender.close(0);
  });

  test('is marked again when its bytes are old; then the gap is closed, after what replaces it', async () => {
    const { clock, store, queue, sender } = await sent(['one', 'two', 'three']);
    await clock.advance(7 * 60 * 60_000);
    queue.hold = true;
    sender.answerMissing([1, 3]);
    await settle();
    expect(sender.empty).toBe(false);
    queue.release();
    await clock.advance(100);
    expect(queue.published.map(contentOf)).toEqual(['4: one', '5: three', '1: after 4-5', '3: after 4-5']);
    expect([sender.empty, sender.stats().remarked, store.accepted.length]).toEqual([true, 2, 5]);
    // Once more: it says so again, without marking again.
    await clock.advance(1_000);
    queue.published.splice(0);
    sender.answerMissing([1]);
    await settle();
    expect(queue.published.map(contentOf)).toEqual(['1: after 4-5']);
    await sender.close(0);
  });

  test('is said to be lost where nobody remembers what it was', async () => {
    const { clock, queue, sender, store } = await sent(['one'], 2_000_000);
    for (let i = 0; i < 9; i++) store.mark(`k${i}`.padEnd(SENT_KEYS_BYTES_MAX / 8));
    await clock.advance(1_000);
    expect(sender.empty).toBe(true);
    queue.published.splice(0);
    sender.answerMissing([1]);
    await settle();
    expect(queue.published.map(contentOf)).toEqual(['1: lost']);
    await sender.close(0);
  });

  test('messages that grew old while the queue was away are marked again instead', async () => {
    const clock = new TestClock();
    const store = fakeStore(clock, 7);
    const queue = fakeQueue();
    const sender = senderOf(clock, store, queue, 6 * 60 * 60_000);
    queue.down = true;
    store.mark('one', 'old');
    await clock.advance(1_000);
    store.mark('one', 'new');
    await clock.advance(6 * 60 * 60_000);
    queue.down = false;
    await clock.advance(10_000);
    const contents = queue.published.map(contentOf);
    expect(contents).toContain('1: after 3-3');
    expect(contents.filter((text) => text.endsWith(': one')).length).toBeGreaterThan(0);
    expect([sender.empty, sender.acceptedSequence]).toEqual([true, sender.lastSequence]);
    for (const body of queue.published)
      expect(clock.now() - decodeEnvelope(body).header.timeMs).toBeLessThan(6 * 60 * 60_000 + 10_000);
    await sender.close(0);
  });
});

describe('places in the stream', () => {
  test('everything marked before is handed over at once, and accepted when the queue says so', async () => {
    const clock = new TestClock();
    const store = fakeStore(clock, 7);
    const queue = fakeQueue();
    queue.hold = true;
    const sender = senderOf(clock, store, queue);
    for (let i = 0; i < 3; i++) store.mark(`k${i}`);
    const place = await sender.handOver();
    expect(place).toEqual({ stream: sender.stream, sequence: 3 });
    let isAccepted: boolean | undefined;
    void sender.accepted(place ?? { stream: '', sequence: 0 }).then((all) => {
      isAccepted = all;
    });
    await settle();
    expect(isAccepted).toBeUndefined();
    queue.release();
    await settle();
    expect(isAccepted).toBe(true);
    await sender.close(0);
  });

  test('behind a full window it takes until that is gone; never, once closed', async () => {
    const clock = new TestClock();
    const store = fakeStore(clock, 7);
    const queue = fakeQueue();
    queue.hold = true;
    const sender = senderOf(clock, store, queue);
    for (let i = 0; i < 20; i++) store.mark(`k${i}`);
    let sequence: number | undefined;
    void sender.handOver().then((place) => {
      sequence = place?.sequence;
    });
    await clock.advance(100);
    expect(sequence).toBeUndefined();
    queue.release();
    await clock.advance(100);
    expect(sequence).toBe(20);
    queue.hold = true;
    for (let i = 0; i < 20; i++) store.mark(`m${i}`);
    const never = sender.handOver();
    await sender.close(0);
    expect(await never).toBeUndefined();
  });

  test('frozen, nothing goes out', async () => {
    const clock = new TestClock();
    const store = fakeStore(clock, 7);
    const queue = fakeQueue();
    const sender = senderOf(clock, store, queue);
    sender.isFrozen = true;
    store.mark('one');
    await sender.heartbeat(Buffer.from('{}'));
    await clock.advance(10_000);
    expect(queue.published).toEqual([]);
    sender.isFrozen = false;
    await clock.advance(100);
    expect(queue.published.map(contentOf)).toEqual(['1: one']);
    await sender.close(0);
  });
});
