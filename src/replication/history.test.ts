// A store that goes back, told or found out.
import { describe, expect, test } from 'vitest';
import { encodeEnvelope, encodeSection, SECTION_HEARTBEAT } from './envelope.ts';
import { beat, fakeStore, TestClock } from './testing.ts';
import { Broker, closeAll, embedded, openSite, set } from './testing-sites.ts';

describe('a store that goes back', () => {
  test('what was applied is read from the notes again, and asked for again', async () => {
    const clock = new TestClock();
    const broker = new Broker(clock, 1);
    const [far, near] = [embedded(clock, 1), fakeStore(clock, 2)];
    const a = await openSite({ clock, broker, seed: 1 }, 'a', far);
    const b = await openSite({ clock, broker, seed: 2 }, 'b', near);
    set(far, clock, 'one', '1');
    await clock.advance(3_000);
    const noted = new Map(await near.notes.read());
    set(far, clock, 'two', '2');
    await clock.advance(2_000);
    expect(near.merged).toEqual(['one', 'two']);
    for (const name of (await near.notes.read()).keys()) await near.notes.write({ [name]: '' });
    await near.notes.write(Object.fromEntries(noted));
    near.origin++;
    near.onOrigin?.();
    await clock.advance(10_000);
    expect(near.merged).toEqual(['one', 'two', 'two']);
    expect(b.repair.wanted.filter(({ reason }) => reason === 'origin')).toHaveLength(1);
    await closeAll([a, b], clock);
  });

  test('C2: others have what it never sent: a new origin, a new stream, all is compared', async () => {
    const clock = new TestClock();
    const broker = new Broker(clock, 1);
    const near = fakeStore(clock, 2);
    const b = await openSite({ clock, broker, seed: 2 }, 'b', near);
    const tell = async (applied: Record<string, number>, sources: Record<string, number>): Promise<void> => {
      const bytes = beat('a', 'A', { applied, sources });
      const header = {
        site: 'a',
        origin: 9,
        stream: '00000000aaaaaaaa',
        timeMs: clock.now(),
        fragment: 0,
        fragments: 1,
      };
      const sequence = clock.now() % 1_000_000;
      await b.replication.receiver.apply(
        encodeEnvelope({ ...header, sequence }, encodeSection({ kind: SECTION_HEARTBEAT, bytes })),
      );
      await clock.advance(1_000);
    };
    const { stream } = b.replication.sender;
    await clock.advance(1);
    await tell({ [stream]: 0, other: 9 }, { [stream]: 2, other: 3 });
    expect([near.origin, b.replication.sender.stream]).toEqual([2, stream]);
    await tell({ [stream]: 5 }, { [stream]: 2 });
    expect(near.origin).toBe(3);
    expect(b.replication.sender.stream).not.toBe(stream);
    await tell({ dead: 5 }, { dead: 3 });
    expect(near.origin).toBe(4);
    await tell({ dead: 5 }, { dead: 3 });
    expect([near.origin, b.repair.wanted.map(({ reason }) => reason)]).toEqual([
      4,
      ['linked', 'origin', 'origin'],
    ]);
    await closeAll([b], clock);
  });
});
