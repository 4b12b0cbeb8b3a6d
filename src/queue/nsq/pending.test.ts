// Messages that wait: batches within their size, order after a failure, aborts, each settled once.
import { describe, expect, it } from 'vitest';
import { MqkvError } from '../../base/index.ts';
import { mpubBytes } from './commands.ts';
import { Pending } from './pending.ts';

const body = (text: string): Buffer => Buffer.from(text);
const textsOf = (batch: readonly { body: Uint8Array }[]): string[] =>
  batch.map((entry) => String(entry.body));
/** Marks a promise as handled and tells how it ended. */
const outcome = (promise: Promise<void>): Promise<string> =>
  promise.then(
    () => 'accepted',
    (error: MqkvError) => error.code,
  );

describe('Pending', () => {
  it('fills batches up to the size and takes a larger message alone', async () => {
    const pending = new Pending();
    const all = ['aa', 'bb', 'cc', 'd'.repeat(100), 'ee'].map((text) =>
      outcome(pending.add(body(text), undefined)),
    );
    const batches = [];
    while (pending.waiting > 0) batches.push(pending.take(mpubBytes(2, 4)));
    expect(batches.map(textsOf)).toEqual([['aa', 'bb'], ['cc'], ['d'.repeat(100)], ['ee']]);
    expect(pending.bytes).toBe(108);
    for (const entry of batches.flat()) entry.settle();
    expect(await Promise.all(all)).toEqual(Array(5).fill('accepted'));
    expect(pending.bytes).toBe(0);
  });

  it('sends what came back first, in its order, and what failed twice alone', async () => {
    const pending = new Pending();
    for (const text of ['1', '2', '3', '4', '5']) void outcome(pending.add(body(text), undefined));
    const first = pending.take(mpubBytes(2, 2));
    const second = pending.take(mpubBytes(2, 2));
    for (const entry of [...first, ...second]) entry.failures += 1;
    pending.putBack(first);
    pending.putBack(second);
    const all = pending.take(1_000);
    expect(textsOf(all)).toEqual(['1', '2', '3', '4', '5']);
    all[1].failures = 2;
    pending.putBack(all);
    expect([pending.take(1_000), pending.take(1_000), pending.take(1_000)].map(textsOf)).toEqual([
      ['1'],
      ['2'],
      ['3', '4', '5'],
    ]);
  });

  it('an abort drops what waits and leaves alone what is under way', async () => {
    const pending = new Pending();
    const [one, two] = [new AbortController(), new AbortController()];
    const sent = outcome(pending.add(body('sent'), one.signal));
    const batch = pending.take(1_000);
    const waiting = outcome(pending.add(body('waiting'), two.signal));
    one.abort();
    two.abort();
    expect(await waiting).toBe('CLOSED');
    expect(pending.take(1_000)).toEqual([]);
    batch[0].settle();
    batch[0].settle(new MqkvError('QUEUE_REFUSED', 'too late'));
    expect(await sent).toBe('accepted');
    await pending.drained();
  });

  it('drains when the last one has settled', async () => {
    const pending = new Pending();
    const result = outcome(pending.add(body('x'), undefined));
    let isDrained = false;
    const drained = pending.drained().then(() => {
      isDrained = true;
    });
    await Promise.resolve();
    expect(isDrained).toBe(false);
    pending.rejectAll(new MqkvError('CLOSED', 'closed'));
    await drained;
    expect(await result).toBe('CLOSED');
    expect(pending.waiting).toBe(0);
  });
});
