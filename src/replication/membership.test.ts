// Who is there: heartbeats old and new, several gateways, silence, clocks, and a second site under one name.
import { describe, expect, test } from 'vitest';
import { HORIZON_MS, type Logger, silentLogger } from '../base/index.ts';
import { skewOf } from './delays.ts';
import { decodeHeartbeat, type Heartbeat } from './heartbeat.ts';
import { Membership } from './membership.ts';
import { beat, TestClock } from './testing.ts';

function membershipOf(clock: TestClock, logger: Logger = silentLogger) {
  const linked: string[] = [];
  const left: string[] = [];
  const membership = new Membership({
    site: 'a',
    storeId: 'mine',
    startedAtMs: 50_000,
    clock,
    logger,
    horizonMs: HORIZON_MS,
    onLinked: ({ site, storeId }) => linked.push(`${site} ${storeId}`),
    onRivalLeft: () => left.push('left'),
  });
  const sequences = new Map<string, number>();
  const hear = (
    site: string,
    storeId: string,
    more: Partial<Heartbeat> & { stream?: string; sentAtMs?: number } = {},
  ): void => {
    const { stream = `00000000${storeId}`, sentAtMs = clock.now() - 10, ...fields } = more;
    const sequence = (sequences.get(stream) ?? 0) + 1;
    sequences.set(stream, sequence);
    const header = { site, origin: 9, stream, sequence, timeMs: sentAtMs, fragment: 0, fragments: 1 };
    membership.hear(header, beat(site, storeId, fields));
  };
  const silence = (seconds: number): void => {
    for (let i = 0; i < seconds * 2; i++) membership.tick();
  };
  return { membership, linked, left, hear, silence };
}

describe('membership', () => {
  test('knows other sites; a store is linked when it is new, and again after silence', () => {
    const { membership, linked, hear, silence } = membershipOf(new TestClock());
    hear('b', 'one');
    hear('a', 'mine');
    expect(membership.members()).toMatchObject([{ site: 'b', storeId: 'one', lagMs: 10, silentMs: 0 }]);
    silence(9);
    hear('b', 'one');
    silence(11);
    expect(membership.members()).toMatchObject([{ silentMs: 11_000 }]);
    hear('b', 'one');
    hear('b', 'two');
    expect(linked).toEqual(['b one', 'b one', 'b two']);
    expect([membership.storeOf('b'), membership.memberOf('one')]).toEqual(['two', undefined]);
  });

  test('who is not heard within the horizon leaves', () => {
    const { membership, hear, silence } = membershipOf(new TestClock());
    hear('b', 'one');
    silence(HORIZON_MS / 1000);
    expect(membership.members()).toHaveLength(1);
    silence(1);
    expect(membership.members()).toEqual([]);
    expect(membership.takeNotes()).toEqual({ 'member:b': '' });
  });

  test('an older build is understood; what is no heartbeat is not', () => {
    const old = {
      site: 'b',
      storeId: 's',
      origin: 7,
      startedAtMs: 1,
      address: 'h:1',
      lastSequence: 9,
      outboxEmpty: true,
      missing: { aa: [1, 2], formats: [1, 1] },
    };
    const heartbeat = decodeHeartbeat(Buffer.from(JSON.stringify(old)));
    expect(heartbeat).toMatchObject({
      origins: [7],
      streams: {},
      applied: {},
      complete: true,
      loading: false,
      missing: { aa: [1, 2] },
    });
    for (const text of ['no json', '{}', '[]', 'null', JSON.stringify({ ...old, missing: { aa: ['x'] } })])
      expect(decodeHeartbeat(Buffer.from(text))).toBeUndefined();
    const odd = decodeHeartbeat(
      Buffer.from(
        JSON.stringify({ ...old, applied: { x: 'y', z: 3, n: -1, f: 1.5 }, heard: [], streams: null }),
      ),
    );
    expect(odd).toMatchObject({ applied: { z: 3 }, heard: {}, streams: {} });
  });

  test('two gateways of one site: what either applied counts, one that fell silent does not', () => {
    const { membership, hear, silence } = membershipOf(new TestClock());
    hear('b', 'one', { stream: '0000000011', streams: { x: 5 }, applied: { mine: 3, other: 7 } });
    hear('b', 'one', { stream: '0000000022', streams: { y: 6 }, applied: { mine: 9 }, outboxEmpty: false });
    expect(membership.members()).toMatchObject([
      { streams: { x: 5, y: 6 }, applied: { mine: 9, other: 7 }, outboxEmpty: false },
    ]);
    silence(6);
    hear('b', 'one', { stream: '0000000011', streams: { x: 8 }, applied: { mine: 4 } });
    expect(membership.members()).toMatchObject([
      { streams: { x: 8, y: 6 }, applied: { mine: 4 }, outboxEmpty: true },
    ]);
    silence(61);
    hear('b', 'one', { stream: '0000000011', streams: { x: 9 } });
    expect(membership.members()[0]?.streams).toEqual({ x: 9 });
  });

  test('an older heartbeat that comes late changes nothing', () => {
    const clock = new TestClock();
    const { membership } = membershipOf(clock);
    const header = {
      site: 'b',
      origin: 9,
      stream: '0000000033',
      timeMs: clock.now(),
      fragment: 0,
      fragments: 1,
    };
    membership.hear({ ...header, sequence: 2 }, beat('b', 'one', { applied: { x: 2 } }));
    membership.hear({ ...header, sequence: 1 }, beat('b', 'one', { applied: { x: 1 } }));
    expect(membership.members()[0]?.applied).toEqual({ x: 2 });
  });

  test('notes remember who was heard and when', () => {
    const clock = new TestClock();
    const before = membershipOf(clock);
    before.hear('b', 'one', { address: 'h:1' });
    const notes = new Map(Object.entries(before.membership.takeNotes()));
    expect(before.membership.takeNotes()).toEqual({});
    const heardAtMs = clock.now();
    clock.offsetMs = 60_000;
    const { membership, hear } = membershipOf(clock);
    membership.restore(notes);
    expect(membership.lastHeardBeforeMs).toBe(heardAtMs);
    expect(membership.members()).toMatchObject([
      { site: 'b', storeId: 'one', address: 'h:1', isNoted: true, silentMs: 60_000 },
    ]);
    hear('b', 'one');
    expect(membership.members()).toMatchObject([{ isNoted: false, silentMs: 0 }]);
  });
});

describe('clocks', () => {
  test('the difference is what is left of both ways, or what one way cannot explain', () => {
    // The other is 300 ms ahead, 50 ms away: its heartbeats seem to come 250 ms early, ours 350 ms late.
    expect([
      skewOf(-250, 350),
      skewOf(-250, undefined),
      skewOf(250, undefined),
      skewOf(undefined, 3),
    ]).toEqual([300, 250, undefined, undefined]);
  });

  test('is told once when it is large, and taken out of the lag', async () => {
    const clock = new TestClock();
    const warned: unknown[] = [];
    const { membership, hear } = membershipOf(clock, {
      ...silentLogger,
      warn: (fields) => warned.push(fields),
    });
    for (let i = 0; i < 5; i++) {
      hear('b', 'one', { sentAtMs: clock.now() + 950, delays: { a: 1_050 } });
      await clock.advance(1_000);
    }
    expect(membership.members()).toMatchObject([{ skewMs: 1_000, lagMs: 50 }]);
    expect(warned).toEqual([{ other: 'b', skewMs: 1_000 }]);
    expect(membership.delays()).toEqual({ b: -950 });
  });

  test('a backlog that comes at once is lag, no skew', async () => {
    const clock = new TestClock();
    const warned: unknown[] = [];
    const { membership, hear } = membershipOf(clock, {
      ...silentLogger,
      warn: (fields) => warned.push(fields),
    });
    for (let i = 30; i > 0; i--) hear('b', 'one', { sentAtMs: clock.now() - i * 1_000, delays: { a: 10 } });
    expect(membership.members()).toMatchObject([{ skewMs: undefined, lagMs: 5_000 }]);
    for (let i = 0; i < 5; i++) {
      await clock.advance(1_000);
      hear('b', 'one', { delays: { a: 10 } });
    }
    expect(membership.members()).toMatchObject([{ skewMs: 0 }]);
    expect(warned).toEqual([]);
  });
});

describe('a second site under one name', () => {
  test('the one that started later refuses until the other is gone', async () => {
    const clock = new TestClock();
    const { membership, hear, left } = membershipOf(clock);
    for (let i = 0; i < 6; i++) {
      expect(membership.duplicate).toBe(false);
      hear('a', 'rival', { startedAtMs: 40_000 });
      await clock.advance(1_000);
    }
    expect([membership.duplicate, membership.hasRival]).toEqual([true, true]);
    membership.tick();
    expect(left).toEqual([]);
    await clock.advance(10_001);
    expect(membership.duplicate).toBe(false);
    for (let i = 0; i < 3; i++) membership.tick();
    expect([left, membership.hasRival]).toEqual([['left'], false]);
  });

  test('the one that started earlier goes on', async () => {
    const clock = new TestClock();
    const { membership, hear } = membershipOf(clock);
    for (let i = 0; i < 9; i++) {
      hear('a', 'rival', { startedAtMs: 60_000 });
      await clock.advance(1_000);
    }
    expect(membership.duplicate).toBe(false);
  });
});
