import { expect, test } from 'vitest';
import { seededRandom, SENT_BYTES_MAX, below } from '../base/index.ts';
import { SentMessages } from './sent-messages.ts';

test('keeps the newest messages whole, whatever their sizes, and never more than its bound', () => {
  const random = seededRandom(5);
  const sent = new SentMessages();
  const messages = new Map<number, Buffer>();
  for (let sequence = 1; sequence <= 3_000; sequence++) {
    const message = Buffer.alloc(
      1 + below(random, sequence % 100 === 0 ? SENT_BYTES_MAX / 3 : 20_000),
      sequence % 251,
    );
    messages.set(sequence, message);
    sent.keep(sequence, message);
    const kept = [...messages.keys()].slice(-400).filter((one) => sent.get(one) !== undefined);
    expect(kept.at(-1)).toBe(sequence);
    // What is kept is the newest without holes.
    expect(sequence - (kept[0] ?? 0) + 1).toBe(kept.length);
    if (sequence % 50 !== 0) continue;
    let bytes = 0;
    for (const one of kept) {
      expect(sent.get(one)?.equals(messages.get(one) ?? Buffer.alloc(0))).toBe(true);
      bytes += messages.get(one)?.length ?? 0;
    }
    expect(bytes).toBeLessThanOrEqual(SENT_BYTES_MAX);
    expect(bytes + SENT_BYTES_MAX / 3 + 20_000 > SENT_BYTES_MAX / 2 || sequence < 400).toBe(true);
  }
  sent.keep(9_999, Buffer.alloc(SENT_BYTES_MAX + 1));
  expect(sent.get(9_999)).toBeUndefined();
});
