// Streams that begin, end and go on: senders and receivers that start again, heartbeats, what is stable.
import { describe, expect, test } from 'vitest';
import { decodeEnvelope } from './envelope.ts';
import { TestClock } from './testing.ts';
import { Broker, closeAll, embedded, NONE, openSite, set, type Site, textOf } from './testing-sites.ts';

describe('streams that begin and end', () => {
  test('a sender that starts again begins at 1, and its first messages may be lost', async () => {
    const clock = new TestClock();
    const broker = new Broker(clock, 1);
    const [far, near] = [embedded(clock, 1), embedded(clock, 2)];
    const b = await openSite({ clock, broker, seed: 2 }, 'b', near);
    let a = await openSite({ clock, broker, seed: 1 }, 'a', far);
    set(far, clock, 'one', '1');
    await clock.advance(2_000);
    await closeAll([a], clock);
    broker.faults = { ...NONE, lost: 1_000 };
    a = await openSite({ clock, broker, seed: 3 }, 'a', far);
    set(far, clock, 'two', '2');
    await clock.advance(1_500);
    broker.faults = NONE;
    set(far, clock, 'three', '3');
    await clock.advance(10_000);
    expect(textOf(near)).toBe('one=1 three=3 two=2');
    await closeAll([a, b], clock);
  });

  test('what a site that is gone sent and lost is left to a comparison', async () => {
    const clock = new TestClock();
    const broker = new Broker(clock, 1);
    const [far, near] = [embedded(clock, 1), embedded(clock, 2)];
    const b = await openSite({ clock, broker, seed: 2 }, 'b', near);
    const a = await openSite({ clock, broker, seed: 1 }, 'a', far);
    await clock.advance(2_000);
    broker.faults = { ...NONE, lost: 1_000 };
    set(far, clock, 'lost', '1');
    await clock.advance(20);
    broker.faults = NONE;
    set(far, clock, 'two', '2');
    await clock.advance(500);
    await closeAll([a], clock);
    await clock.advance(60_000);
    expect(b.repair.wanted).toContainEqual({ reason: 'gap', storeId: far.id });
    expect(b.replication.receiver.stats()).toMatchObject({ gapsLost: 1 });
    await closeAll([b], clock);
  });

  test('a receiver that starts again with its notes misses nothing and asks for nothing', async () => {
    const clock = new TestClock();
    const broker = new Broker(clock, 1);
    const [far, near] = [embedded(clock, 1), embedded(clock, 2)];
    const a = await openSite({ clock, broker, seed: 1 }, 'a', far);
    let b = await openSite({ clock, broker, seed: 2 }, 'b', near);
    for (let i = 0; i < 10; i++) {
      set(far, clock, `k${i}`, 'v');
      await clock.advance(100);
    }
    await clock.advance(3_000);
    await closeAll([b], clock);
    b = await openSite({ clock, broker: broker, seed: 3 }, 'b', near);
    const applied = b.replication.receiver.applied();
    expect(applied[a.replication.sender.stream]).toBe(a.replication.sender.lastSequence);
    expect(b.replication.membership.members()).toMatchObject([{ site: 'a', isNoted: true }]);
    await clock.advance(20_000);
    expect(b.replication.receiver.stats().gaps).toBe(0);
    await closeAll([a, b], clock);
  });
});

test('once all sites are well, what is older than a moment is stable; not beside a dead one', async () => {
  const clock = new TestClock();
  const broker = new Broker(clock, 1);
  const stores = [embedded(clock, 1), embedded(clock, 2), embedded(clock, 3)];
  const sites: Site[] = [];
  for (const [i, store] of stores.entries())
    sites.push(await openSite({ clock, broker, seed: i + 1 }, 'abc'.charAt(i), store));
  for (let i = 0; i < 20; i++) {
    set(stores[i % 3], clock, `k${i}`, 'v');
    await clock.advance(500);
  }
  await clock.advance(5_000);
  for (const store of stores) expect(clock.now() - store.stableBeforeMs).toBeLessThan(4_000);
  broker.cut.add('c');
  const cutAtMs = clock.now();
  set(stores[0], clock, 'k', 'w');
  await clock.advance(60_000);
  for (const store of stores) expect(store.stableBeforeMs).toBeLessThanOrEqual(cutAtMs);
  await closeAll(sites, clock);
});

test('heartbeats are in loose streams: what the queue loses of them is no gap', async () => {
  const clock = new TestClock();
  const broker = new Broker(clock, 1);
  const sites = [
    await openSite({ clock, broker, seed: 1 }, 'a', embedded(clock, 1)),
    await openSite({ clock, broker, seed: 2 }, 'b', embedded(clock, 2)),
  ];
  const streams = new Set<string>();
  broker.onPublished = (body) => streams.add(decodeEnvelope(body).header.stream.slice(0, 8));
  broker.faults = { ...NONE, lost: 500 };
  await clock.advance(60_000);
  expect([...streams]).toEqual(['00000000']);
  for (const { replication } of sites) expect(replication.receiver.stats().gaps).toBe(0);
  await closeAll(sites, clock);
});
