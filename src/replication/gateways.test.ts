// Two gateways of one site on one channel of the queue.
import { describe, expect, test } from 'vitest';
import { below, seededRandom } from '../base/index.ts';
import type { GatewayBus } from '../store/index.ts';
import { type FakeStore, fakeStore, TestClock } from './testing.ts';
import { Broker, closeAll, embedded, openSite, set, type Site } from './testing-sites.ts';

describe('two gateways on one channel', () => {
  /** Two faces of one store, joined by a bus that may lose. */
  function gateways(clock: TestClock, loses: () => boolean): FakeStore[] {
    const stores = [fakeStore(clock, 50), fakeStore(clock, 50)];
    const ears = stores.map(() => new Map<string, (bytes: Buffer) => void>());
    return stores.map((store, i): FakeStore => {
      const bus: GatewayBus = {
        send: (kind, bytes) => {
          if (!loses()) clock.after(1, () => ears[1 - i].get(kind)?.(Buffer.from(bytes)));
        },
        on: (kind, hear) => void ears[i].set(kind, hear),
      };
      return Object.assign(store, { bus, notes: stores[0].notes, staging: stores[0].staging });
    });
  }

  test('raise no gap when nothing is lost, whatever of the bus is; merge each message once', async () => {
    const clock = new TestClock();
    const broker = new Broker(clock, 5);
    broker.faults = { lost: 0, doubled: 0, delayMs: 2_000 };
    const random = seededRandom(9);
    const far = embedded(clock, 1);
    const sites = [await openSite({ clock, broker, seed: 1 }, 'a', far)];
    const stores = gateways(clock, () => below(random, 10) < 3);
    for (const [i, store] of stores.entries())
      sites.push(await openSite({ clock, broker, seed: 20 + i }, 'b', store));
    for (let step = 0; step < 300; step++) {
      set(far, clock, `k${step}`, 'v'.repeat(step % 20 === 0 ? 20_000 : 10));
      await clock.advance(100);
    }
    await clock.advance(10_000);
    for (const { replication } of sites.slice(1)) {
      expect(replication.receiver.stats()).toMatchObject({ gaps: 0, gapsLost: 0 });
      expect(replication.receiver.stats().envelopes).toBeGreaterThan(50);
      expect(replication.receiver.applied()[sites[0].replication.sender.stream]).toBe(
        sites[0].replication.sender.lastSequence,
      );
    }
    const merged = stores.flatMap((store) => store.merged);
    expect(merged.toSorted()).toEqual(Array.from({ length: 300 }, (_, i) => `k${i}`).toSorted());
    expect(sites[0].replication.membership.members()).toHaveLength(1);
    await closeAll(sites, clock);
  });

  test('freeze together', async () => {
    const clock = new TestClock();
    const broker = new Broker(clock, 5);
    const sites: Site[] = [];
    for (const [i, store] of gateways(clock, () => false).entries())
      sites.push(await openSite({ clock, broker, seed: 20 + i }, 'b', store));
    sites[0].replication.freeze('in');
    sites[0].replication.freeze('out');
    await clock.advance(10);
    expect(sites.map(({ replication }) => replication.frozen)).toEqual([
      { in: true, out: true },
      { in: true, out: true },
    ]);
    sites[1].replication.freeze('off');
    await clock.advance(10);
    expect(sites.map(({ replication }) => replication.frozen.in)).toEqual([false, false]);
    await closeAll(sites, clock);
  });
});
