import { afterEach, describe, expect, test } from 'vitest';
import { VirtualClock } from '../../store/file/testing.ts';
import { type TestSite, World } from './testing.ts';

const START = 1_700_000_000_000;
/** Short, so that virtual time is soon over. */
const horizonMs = 10 * 60_000;
const APART_MS = 17 * 60_000;
let world = new World(new VirtualClock(START));
afterEach(() => {
  for (const site of world.sites.values()) site.kill();
  world = new World(new VirtualClock(START));
});

async function opened(...names: string[]): Promise<TestSite[]> {
  const sites: TestSite[] = [];
  for (const name of names) sites.push(await world.open(name, { horizonMs }));
  await world.until(() => sites.every(({ bootstrap }) => bootstrap.isComplete), 'all are complete');
  for (let i = 0; i < 50; i++) sites[0]?.set(`key:${i}`, 'v');
  await world.clock.advance(40_000);
  return sites;
}

const same = (sites: readonly TestSite[]): boolean => new Set(sites.map((site) => site.picture())).size === 1;

async function apart(name: string, ms: number): Promise<void> {
  world.cut.add(name);
  await world.clock.advance(ms);
}

describe('a site apart for longer than the horizon', () => {
  test('that wrote nothing discards its copy and copies anew: what was deleted meanwhile stays dead', async () => {
    const sites = await opened('a', 'b', 'c');
    const [a, , c] = sites as [TestSite, TestSite, TestSite];
    await apart('c', 1_000);
    for (let i = 0; i < 10; i++) a.del(`key:${i}`);
    a.set('new', '1');
    await world.clock.advance(APART_MS);
    await a.store.forget();
    expect(a.store.stateOf('key:1')).toBeUndefined();
    expect(c.get('key:1')).toBe('v');
    const { origin } = c.store;
    world.cut.clear();
    await world.until(() => c.store.origin !== origin, 'discarded');
    await world.until(() => c.bootstrap.isComplete, 'copied');
    await world.until(() => same(sites), 'equal');
    expect([a.get('key:1'), c.get('key:1'), c.get('new'), c.get('key:20')]).toEqual([
      undefined,
      undefined,
      '1',
      'v',
    ]);
    await world.clock.advance(60_000);
    expect(same(sites)).toBe(true);
  });

  test('both apart and both written to: the writes of both are there afterwards', async () => {
    const sites = await opened('a', 'b');
    const [a, b] = sites as [TestSite, TestSite];
    await apart('b', 1_000);
    a.set('from a', '1');
    b.set('from b', '1');
    await world.clock.advance(APART_MS);
    const origins = [a.store.origin, b.store.origin];
    world.cut.clear();
    await world.until(() => same(sites), 'equal');
    expect([a.get('from b'), b.get('from a'), a.get('key:3')]).toEqual(['1', '1', 'v']);
    expect([a.store.origin, b.store.origin]).toEqual(origins);
  });

  test('of two that wrote nothing at most one discards, and nothing is lost', async () => {
    const sites = await opened('a', 'b');
    const [a, b] = sites as [TestSite, TestSite];
    const origins = [a.store.origin, b.store.origin];
    await apart('b', APART_MS);
    world.cut.clear();
    await world.until(() => !a.work.apart.isUndecided && !b.work.apart.isUndecided, 'decided');
    await world.clock.advance(30_000);
    expect(same(sites)).toBe(true);
    expect(a.get('key:3')).toBe('v');
    expect([a.store.origin, b.store.origin].filter((origin, i) => origin !== origins[i]).length).toBeLessThan(
      2,
    );
  });

  test('one of two wrote: the other one discards', async () => {
    const sites = await opened('a', 'b');
    const [a, b] = sites as [TestSite, TestSite];
    await apart('b', 1_000);
    a.set('from a', '1');
    a.del('key:1');
    await world.clock.advance(APART_MS);
    world.cut.clear();
    await world.until(() => same(sites) && b.bootstrap.isComplete, 'equal');
    expect([b.get('from a'), a.get('key:1'), b.get('key:1'), a.get('key:2')]).toEqual([
      '1',
      undefined,
      undefined,
      'v',
    ]);
  });

  test('the notes tell it after a restart, too', async () => {
    const sites = await opened('a', 'b', 'c');
    const [a, , c] = sites as [TestSite, TestSite, TestSite];
    c.kill();
    await c.replication.close(0);
    a.del('key:1');
    await world.clock.advance(APART_MS);
    await a.store.forget();
    const again = await world.open('c', { store: c.store, horizonMs });
    const { origin } = c.store;
    await world.until(() => again.store.origin !== origin && again.bootstrap.isComplete, 'copied anew');
    await world.until(() => a.picture() === again.picture(), 'equal');
    expect([a.get('key:1'), again.get('key:1')]).toEqual([undefined, undefined]);
  });

  test('one that did not stop in order may have sent more than its notes say: nothing is discarded', async () => {
    const sites = await opened('a', 'b', 'c');
    const [a, , c] = sites as [TestSite, TestSite, TestSite];
    world.loses = (from) => from === 'c';
    c.set('late', '1');
    await world.clock.advance(1_500);
    const { stream, lastSequence } = c.replication.sender;
    c.kill();
    await c.replication.close(0);
    const note = (await c.store.notes.read()).get(`sent:${stream}`) ?? '';
    expect(note.startsWith(`${lastSequence};`)).toBe(true);
    await c.store.notes.write({ [`sent:${stream}`]: note.replace(/^\d+/, String(lastSequence - 1)) });
    c.store.renewOrigin();
    world.loses = () => false;
    await world.clock.advance(APART_MS);
    const again = await world.open('c', { store: c.store, horizonMs });
    await world.until(() => again.bootstrap.isComplete && !again.work.apart.isUndecided, 'decided');
    await world.until(() => a.picture() === again.picture(), 'equal');
    expect([a.get('late'), again.get('late')]).toEqual(['1', '1']);
  });

  test('X3: what another store lost of it for good is not there, though it was compared with others since', async () => {
    const sites = await opened('a', 'b', 'c');
    const [a, , c] = sites as [TestSite, TestSite, TestSite];
    let isOneWay = false;
    world.loses = (from, _to, body) => from === 'c' && (isOneWay || body.includes('lost'));
    c.set('lost', '1');
    await world.clock.advance(1_000);
    c.set('more', '1');
    await world.until(() => a.get('more') === '1', 'heard');
    isOneWay = true;
    world.refusing.add('c');
    const { stream, lastSequence } = c.replication.sender;
    await world.until(() => a.replication.receiver.stats().gapsLost > 0, 'given up');
    await world.until(() => !a.work.isLacking(), 'compared');
    await world.clock.advance(5_000);
    const kept = [...(await c.store.notes.read())].filter(([name]) => name.startsWith('kept:'));
    expect(kept.map(([, text]) => (JSON.parse(text) as Record<string, number>)[stream])).not.toContain(
      lastSequence,
    );
    expect(a.get('lost')).toBeUndefined();
    world.refusing.clear();
    await apart('c', APART_MS);
    world.cut.clear();
    await world.until(() => !c.work.apart.isUndecided && c.bootstrap.isComplete, 'decided');
    await world.until(() => same(sites), 'equal');
    expect([a.get('lost'), c.get('lost')]).toEqual(['1', '1']);
  });

  test('X3: it alone heard a store that is gone since: nothing is discarded', async () => {
    const sites = await opened('a', 'b', 'c', 'd');
    const [a, , c, d] = sites as [TestSite, TestSite, TestSite, TestSite];
    world.loses = (from, to) => from === 'd' && to !== 'c';
    d.set('last words', '1');
    await world.until(() => c.get('last words') === '1', 'heard');
    d.kill();
    await apart('c', APART_MS);
    world.cut.clear();
    await world.until(() => !c.work.apart.isUndecided && c.bootstrap.isComplete, 'decided');
    await world.until(() => same(sites.slice(0, 3)), 'equal');
    expect([a.get('last words'), c.get('last words')]).toEqual(['1', '1']);
  });

  test('X3: what the others lost of such a store for good is not there, though they were compared since', async () => {
    const sites = await opened('a', 'b', 'c', 'd');
    const [a, , c, d] = sites as [TestSite, TestSite, TestSite, TestSite];
    world.loses = (from, to, body) => from === 'd' && to !== 'c' && body.includes('last words');
    d.set('last words', '1');
    await world.until(() => c.get('last words') === '1', 'heard');
    d.set('more', '1');
    world.cut.add('c');
    await world.until(() => a.get('more') === '1', 'heard');
    d.kill();
    await world.clock.advance(APART_MS);
    world.cut.clear();
    await world.until(() => !c.work.apart.isUndecided && c.bootstrap.isComplete, 'decided');
    await world.until(() => same(sites.slice(0, 3)), 'equal');
    expect([a.get('last words'), c.get('last words')]).toEqual(['1', '1']);
  });
});

test('a delete that all others lost is not forgotten before they have it', async () => {
  const sites: TestSite[] = [];
  for (const name of ['a', 'b', 'c']) sites.push(await world.open(name, { horizonMs: 6 * 60 * 60_000 }));
  const [a, b, c] = sites as [TestSite, TestSite, TestSite];
  await world.until(() => sites.every(({ bootstrap }) => bootstrap.isComplete), 'all are complete');
  a.set('key', 'v');
  await world.until(() => c.get('key') === 'v', 'heard');
  await world.clock.advance(30_000);
  world.loses = (from, _to, body) => from === 'c' && body.includes('key');
  c.del('key');
  await world.clock.advance(1_000);
  c.set('more', '1');
  await world.until(() => a.get('more') === '1' && b.get('more') === '1', 'heard');
  world.cut.add('c');
  await world.clock.advance(20 * 60_000);
  world.cut.clear();
  for (let i = 0; i < 20; i++) {
    await world.clock.advance(500);
    await c.store.forget();
  }
  await world.until(() => same(sites), 'equal');
  expect([a.get('key'), b.get('key'), c.get('key')]).toEqual([undefined, undefined, undefined]);
});

test('a delete that an earlier process sent and all others lost is not forgotten before they have it', async () => {
  const horizonMs = 6 * 60 * 60_000;
  const sites: TestSite[] = [];
  for (const name of ['a', 'b', 'c']) sites.push(await world.open(name, { horizonMs }));
  const [a, b, c] = sites as [TestSite, TestSite, TestSite];
  await world.until(() => sites.every(({ bootstrap }) => bootstrap.isComplete), 'all are complete');
  a.set('key', 'v');
  await world.until(() => c.get('key') === 'v', 'heard');
  await world.clock.advance(30_000);
  world.loses = (from, _to, body) => from === 'c' && body.includes('key');
  c.del('key');
  await world.clock.advance(1_000);
  c.kill();
  await c.replication.close(0);
  world.cut.add('c');
  const again = await world.open('c', { store: c.store, horizonMs });
  await world.clock.advance(20 * 60_000);
  world.cut.clear();
  again.set('more', '1');
  for (let i = 0; i < 20; i++) {
    await world.clock.advance(500);
    await c.store.forget();
  }
  const now = [a, b, again];
  await world.until(() => a.get('more') === '1' && same(now), 'equal');
  await world.clock.advance(60_000);
  expect(now.map((site) => site.get('key'))).toEqual([undefined, undefined, undefined]);
});
