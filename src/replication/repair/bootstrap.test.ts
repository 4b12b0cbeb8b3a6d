import { afterEach, describe, expect, test } from 'vitest';
import { VirtualClock } from '../../store/file/testing.ts';
import { type TestSite, World } from './testing.ts';
import { PAGE } from './wire.ts';

const START = 1_700_000_000_000;
let world = new World(new VirtualClock(START));
afterEach(() => {
  for (const site of world.sites.values()) site.kill();
  world = new World(new VirtualClock(START));
});

/** A complete site with some data. */
async function full(name: string, keys = 3_000): Promise<TestSite> {
  const site = await world.open(name, { serveWhileLoading: true });
  await world.clock.advance(4_000);
  for (let i = 0; i < keys; i++) site.set(`key:${i}`, `value ${i}`);
  site.set('gone', '1');
  site.del('gone');
  await world.clock.advance(1_000);
  return site;
}

/** Two sites that are complete and equal. */
async function twoFull(): Promise<[TestSite, TestSite]> {
  const a = await full('a');
  const b = await world.open('b');
  await world.until(() => a.bootstrap.isComplete && b.bootstrap.isComplete, 'both complete');
  return [a, b];
}

const same = (a: TestSite, b: TestSite): boolean => a.picture() === b.picture();

describe('bootstrap', () => {
  test('an empty site copies everything before it serves, tombstones too', async () => {
    const [a] = await twoFull();
    const c = await world.open('c');
    expect(c.bootstrap.isLoading).toBe(true);
    let loaded = false;
    void c.bootstrap.loaded.then(() => {
      loaded = true;
    });
    await world.until(() => loaded, 'loaded');
    expect(c.bootstrap.isComplete).toBe(true);
    expect(same(a, c)).toBe(true);
    expect(c.store.stateOf('gone')).toBeDefined();
    expect((await c.store.notes.read()).get('complete')).toBe('1');
  });

  test('what is written while it copies is there too, and no gap is left', async () => {
    const [a, b] = await twoFull();
    const c = await world.open('c');
    for (let i = 0; c.bootstrap.isLoading; i++) {
      a.set(`during:${i}`, 'a');
      b.set(`key:${i}`, 'b');
      b.del(`key:${2_000 + i}`);
      await world.clock.advance(1);
    }
    expect(a.get('during:50')).toBe('a');
    await world.clock.advance(2_000);
    expect(same(a, c)).toBe(true);
    expect(c.replication.receiver.stats().gaps).toBe(0);
  });

  test('alone it serves after three seconds, without a queue of others at once with --serve-while-loading', async () => {
    const a = await world.open('a');
    await world.clock.advance(2_900);
    expect(a.bootstrap.isLoading).toBe(true);
    await world.clock.advance(400);
    expect([a.bootstrap.isLoading, a.bootstrap.isComplete]).toEqual([false, false]);
    const b = await world.open('b', { serveWhileLoading: true });
    expect(b.bootstrap.isLoading).toBe(false);
  });

  test('sites that are all empty serve after two seconds, and one counts as complete', async () => {
    const sites = [await world.open('a'), await world.open('b'), await world.open('c')];
    await world.clock.advance(1_500);
    expect(sites.map(({ bootstrap }) => bootstrap.isLoading)).toEqual([true, true, true]);
    await world.clock.advance(1_500);
    expect(sites.map(({ bootstrap }) => bootstrap.isComplete)).toEqual([true, true, true]);
  });

  test('a lone site with data that never was complete gives it to the first that comes', async () => {
    const a = await full('a', 500);
    expect(a.bootstrap.isComplete).toBe(false);
    const b = await world.open('b', { id: '0000000000000000' });
    await world.until(() => !b.bootstrap.isLoading, 'served');
    expect(same(a, b)).toBe(true);
    expect([a.bootstrap.isComplete, b.bootstrap.isComplete]).toEqual([true, true]);
  });

  test('cut off it serves, and fills up when a complete site appears', async () => {
    const [a] = await twoFull();
    world.cut.add('c');
    const c = await world.open('c');
    await world.until(() => !c.bootstrap.isLoading, 'served', { limitMs: 5_000 });
    c.set('mine', '1');
    c.del('key:5');
    await world.clock.advance(20_000);
    expect(c.bootstrap.isComplete).toBe(false);
    world.cut.clear();
    await world.until(() => c.bootstrap.isComplete, 'complete');
    await world.until(() => same(a, c), 'equal');
    expect([a.get('mine'), c.get('key:7')]).toEqual(['1', 'value 7']);
  });

  test('the peer is killed in the middle: it goes on with another one', async () => {
    const [a, b] = await twoFull();
    const c = await world.open('c');
    await world.until(() => c.port.kinds.includes(PAGE), 'pages come', { stepMs: 1 });
    const busy = a.port.stats().answered > b.port.stats().answered ? a : b;
    busy.kill();
    await world.until(() => c.bootstrap.isComplete, 'complete', { limitMs: 10_000 });
    const other = busy === a ? b : a;
    expect(same(other, c)).toBe(true);
  });

  test('a peer that is heard but does not answer any more: it goes on with another one', async () => {
    const [a, b] = await twoFull();
    const c = await world.open('c');
    await world.until(() => c.port.kinds.includes(PAGE), 'pages come', { stepMs: 1 });
    const busy = a.port.stats().answered > b.port.stats().answered ? a : b;
    busy.port.answer = () => Promise.reject(new Error('no'));
    await world.until(() => c.bootstrap.isComplete, 'complete', { limitMs: 10_000 });
    expect(same(a, c)).toBe(true);
  });

  test('the only peer is killed in the middle: it serves what it has, and goes on when one is back', async () => {
    const a = await full('a');
    const b = await world.open('b');
    await world.until(() => b.port.kinds.includes(PAGE), 'pages come', { stepMs: 1 });
    a.kill();
    const diedMs = world.clock.now();
    await world.until(() => !b.bootstrap.isLoading, 'served');
    expect(world.clock.now() - diedMs).toBeLessThan(7_000);
    expect(b.bootstrap.isComplete).toBe(false);
    const again = await world.open('a', { store: a.store });
    await world.until(() => b.bootstrap.isComplete, 'complete');
    await world.until(() => same(again, b), 'equal');
  });

  test('a puller that was restarted goes on where it was', async () => {
    const a = await full('a', 40_000);
    const b = await world.open('b', { id: 'bbbbbbbbbbbbbbbb' });
    await world.until(() => b.store.stats().keys > 20_000, 'half is copied', { stepMs: 2 });
    expect(b.bootstrap.isComplete).toBe(false);
    const pages = b.port.kinds.filter((kind) => kind === PAGE).length;
    b.kill();
    await b.replication.close(0);
    const again = await world.open('b', { store: b.store });
    expect(again.bootstrap.isLoading).toBe(true);
    await world.until(() => again.bootstrap.isComplete, 'complete');
    expect(same(a, again)).toBe(true);
    expect(again.port.kinds.filter((kind) => kind === PAGE).length).toBeLessThan(pages * 1.6);
  });

  test('a site that no connection reaches is copied through the queue', async () => {
    const [a] = await twoFull();
    world.refusing.add('a').add('b');
    const c = await world.open('c');
    await world.until(() => c.bootstrap.isComplete, 'complete');
    expect(same(a, c)).toBe(true);
    expect(c.port.kinds).toEqual([]);
  });

  test('a store that was complete serves at once, and a store with data that nobody told to be incomplete', async () => {
    const [, b] = await twoFull();
    await b.close();
    const again = await world.open('b', { store: b.store });
    await world.clock.advance(1);
    expect(again.bootstrap.isComplete).toBe(true);
    await b.store.notes.write({ complete: '' });
    await again.close();
    const adopted = await world.open('b', { store: b.store });
    await world.clock.advance(1);
    expect(adopted.bootstrap.isLoading).toBe(false);
  });
});
