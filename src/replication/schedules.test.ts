// Random schedules of loss, doubling and disorder: after healing all is applied, and nothing is missed that was not lost.
import { describe, expect, test } from 'vitest';
import { below, seededRandom } from '../base/index.ts';
import { TestClock } from './testing.ts';
import { Broker, closeAll, embedded, NONE, openSite, set, type Site, textOf } from './testing-sites.ts';

describe('random schedules', () => {
  for (let seed = 1; seed <= 12; seed++)
    test(`seed ${seed}: after healing all is applied everywhere, or a comparison is wanted`, async () => {
      const clock = new TestClock();
      const broker = new Broker(clock, seed);
      const random = seededRandom(seed + 100);
      const stores = ['a', 'b', 'c'].map((_, i) => embedded(clock, seed * 10 + i));
      const sites: Site[] = [];
      for (const [i, store] of stores.entries())
        sites.push(await openSite({ clock, broker, seed: seed * 10 + i }, 'abc'.charAt(i), store));
      broker.faults = { lost: 100, doubled: 100, delayMs: 1 + below(random, 3_000) };
      for (let step = 0; step < 60; step++) {
        const at = below(random, 3);
        for (let i = below(random, 5); i > 0; i--)
          set(stores[at], clock, `k${below(random, 30)}`, 'v'.repeat(below(random, 3_000)) + step);
        await clock.advance(below(random, 500));
      }
      broker.faults = NONE;
      await clock.advance(60_000);
      expect(broker.lost).toBeGreaterThan(20);
      expect(broker.doubled).toBeGreaterThan(20);
      const gaps = sites.reduce((sum, { replication }) => sum + replication.receiver.stats().gaps, 0);
      expect(gaps).toBeGreaterThan(0);
      for (const { replication } of sites) {
        expect(replication.sender.empty).toBe(true);
        for (const { envelopes } of replication.lags()) expect(envelopes).toBe(0);
      }
      const wanted = sites.flatMap(({ repair }) => repair.wanted).filter(({ reason }) => reason === 'gap');
      if (wanted.length === 0) for (const store of stores) expect(textOf(store)).toBe(textOf(stores[0]));
      await closeAll(sites, clock);
      for (const store of stores) await store.close();
      // What the broker still had under way.
      await clock.advance(5_000);
      expect(clock.timers).toBe(0);
    });

  test.each(['large values', 'a clock that jumps'])(
    'disorder, doubling and %s raise no gap',
    async (what) => {
      const clock = new TestClock();
      const broker = new Broker(clock, 1);
      broker.faults = { lost: 0, doubled: 200, delayMs: 4_500 };
      const stores = [embedded(clock, 1), embedded(clock, 2)];
      const sites = [
        await openSite({ clock, broker, seed: 1 }, 'a', stores[0]),
        await openSite({ clock, broker, seed: 2 }, 'b', stores[1]),
      ];
      for (let step = 0; step < 200; step++) {
        const isLarge = what === 'large values' && step % 10 === 0;
        set(stores[step % 2], clock, `k${step}`, 'v'.repeat(isLarge ? 20_000 : 10));
        await clock.advance(100);
        if (what === 'large values') continue;
        if (step % 50 === 20) clock.offsetMs += 3_600_000;
        if (step % 50 === 40) clock.offsetMs -= 3_600_000;
      }
      await clock.advance(20_000);
      for (const { replication } of sites)
        expect(replication.receiver.stats()).toMatchObject({ gaps: 0, gapsLost: 0 });
      expect(sites[0].replication.receiver.stats().doubled).toBeGreaterThan(10);
      expect(textOf(stores[0]) === textOf(stores[1])).toBe(true);
      await closeAll(sites, clock);
    },
  );

  test('the last write, lost, is there within 10 s', async () => {
    const clock = new TestClock();
    const broker = new Broker(clock, 1);
    const stores = [embedded(clock, 1), embedded(clock, 2)];
    const sites = [
      await openSite({ clock, broker, seed: 1 }, 'a', stores[0]),
      await openSite({ clock, broker, seed: 2 }, 'b', stores[1]),
    ];
    await clock.advance(3_000);
    broker.faults = { ...NONE, lost: 1_000 };
    set(stores[0], clock, 'last', 'x');
    await clock.advance(20);
    broker.faults = NONE;
    await clock.advance(8_000);
    expect(textOf(stores[1])).toBe('last=x');
    await closeAll(sites, clock);
  });

  test('the same seed does the same', async () => {
    const run = async (): Promise<string> => {
      const clock = new TestClock();
      const broker = new Broker(clock, 3);
      broker.faults = { lost: 100, doubled: 100, delayMs: 1_000 };
      const published: string[] = [];
      broker.onPublished = (body) => published.push(body.toString('hex'));
      const store = embedded(clock, 1);
      const sites = [
        await openSite({ clock, broker, seed: 1 }, 'a', store),
        await openSite({ clock, broker, seed: 2 }, 'b', embedded(clock, 2)),
      ];
      for (let i = 0; i < 50; i++) {
        set(store, clock, `k${i % 7}`, `v${i}`);
        await clock.advance(200);
      }
      await closeAll(sites, clock);
      return published.join(' ');
    };
    expect(await run()).toBe(await run());
  });
});
