// WAIT and MQKV.ACK between sites.
import { describe, expect, test } from 'vitest';
import { TestClock } from './testing.ts';
import { NONE, textOf, Broker, closeAll, embedded, openSite, set, type Site } from './testing-sites.ts';

describe('levels', () => {
  async function three() {
    const clock = new TestClock();
    const broker = new Broker(clock, 1);
    broker.faults = { ...NONE, delayMs: 20 };
    const stores = [embedded(clock, 1), embedded(clock, 2), embedded(clock, 3)];
    const sites: Site[] = [];
    for (const [i, store] of stores.entries())
      sites.push(await openSite({ clock, broker, seed: i + 1 }, 'abc'.charAt(i), store));
    await clock.advance(2_000);
    const wait = (count: number, timeoutMs: number) => {
      const result: { count: number | undefined; atMs: number } = { count: undefined, atMs: 0 };
      void sites[0].replication.levels.wait(count, timeoutMs).then((found) => {
        Object.assign(result, { count: found, atMs: clock.now() });
      });
      return result;
    };
    return { clock, broker, stores, sites, wait };
  }

  test('WAIT counts the sites that have applied what was written, as soon as they have', async () => {
    const { clock, stores, sites, wait } = await three();
    set(stores[0], clock, 'k', 'v');
    const startMs = clock.now();
    const found = wait(2, 0);
    await clock.advance(500);
    expect(found.count).toBe(2);
    expect(found.atMs - startMs).toBeLessThan(150);
    expect(stores.map(textOf)).toEqual(['k=v', 'k=v', 'k=v']);
    await closeAll(sites, clock);
  });

  test('WAIT answers with fewer at its time, and goes on without one until they are there', async () => {
    const { clock, broker, stores, sites, wait } = await three();
    broker.cut.add('c');
    set(stores[0], clock, 'k', 'v');
    const limited = wait(2, 300);
    const unlimited = wait(2, 0);
    await clock.advance(299);
    expect(limited.count).toBeUndefined();
    await clock.advance(1);
    expect(limited.count).toBe(1);
    await clock.advance(3_000);
    expect(unlimited.count).toBeUndefined();
    broker.cut.clear();
    await clock.advance(15_000);
    expect(unlimited.count).toBe(2);
    await closeAll(sites, clock);
  });

  test('WAIT ends when its client goes, and when the site closes', async () => {
    const { clock, broker, stores, sites } = await three();
    broker.cut.add('b').add('c');
    set(stores[0], clock, 'k', 'v');
    const gone = new AbortController();
    const first = sites[0].replication.levels.wait(1, 0, gone.signal);
    const second = sites[0].replication.levels.wait(1, 0);
    await clock.advance(100);
    gone.abort();
    expect(await first).toBe(0);
    await closeAll(sites, clock);
    expect(await second).toBe(0);
  });

  test('MQKV.ACK queue waits for the queue, and gives up', async () => {
    const { clock, broker, stores, sites } = await three();
    set(stores[0], clock, 'k', 'v');
    expect(await sites[0].replication.levels.accepted(5_000)).toBe(true);
    broker.cut.add('a');
    set(stores[0], clock, 'k', 'w');
    const never = sites[0].replication.levels.accepted(5_000);
    await clock.advance(5_000);
    expect(await never).toBe(false);
    await closeAll(sites, clock);
  });
});
