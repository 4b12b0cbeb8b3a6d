import { afterEach, describe, expect, test } from 'vitest';
import { below, REPAIR_MESSAGE_BYTES, seededRandom } from '../../base/index.ts';
import { TYPE_HASH, TYPE_SET, TYPE_ZSET } from '../../crdt/index.ts';
import { VirtualClock } from '../../store/file/testing.ts';
import { type TestSite, World } from './testing.ts';
import { DONE, ENTRIES, ROOT, STATUS } from './wire.ts';

const START = 1_700_000_000_000;
let world = new World(new VirtualClock(START));
afterEach(() => {
  for (const site of world.sites.values()) site.kill();
  world = new World(new VirtualClock(START));
});

async function opened(...names: string[]): Promise<TestSite[]> {
  const sites: TestSite[] = [];
  for (const name of names) sites.push(await world.open(name));
  await world.until(() => sites.every(({ bootstrap }) => bootstrap.isComplete), 'all are complete', {
    limitMs: 10_000,
  });
  // Until the first comparisons are over.
  await world.clock.advance(40_000);
  return sites;
}

/** A world whose queue carries heartbeats only. */
function losesDeltas(): void {
  world.loses = (_from, _to, body) => body.length > 0 && !body.subarray(18, 22).equals(Buffer.alloc(4));
}

const same = (sites: readonly TestSite[]): boolean => new Set(sites.map((site) => site.picture())).size === 1;

function rounds(sites: readonly TestSite[]): number {
  return sites.reduce((sum, { repair }) => sum + repair.stats().rounds, 0);
}

describe('repair', () => {
  test('what the queue lost during a cut comes by comparison, both ways, deletes too', async () => {
    const sites = await opened('a', 'b');
    const [a, b] = sites as [TestSite, TestSite];
    for (let i = 0; i < 500; i++) a.set(`key:${i}`, `value ${i}`);
    await world.until(() => same(sites), 'the queue carries', { limitMs: 5_000 });
    world.cut.add('b');
    for (let i = 0; i < 50; i++) a.set(`key:${i}`, 'changed at a');
    for (let i = 50; i < 80; i++) a.del(`key:${i}`);
    for (let i = 80; i < 130; i++) b.set(`key:${i}`, 'changed at b');
    b.set('only b', '1');
    a.set('only a', '1');
    await world.clock.advance(30_000);
    // What was sent meanwhile is gone, and no one can send it again: only digests are left.
    losesDeltas();
    world.cut.clear();
    await world.until(() => same(sites), 'repaired');
    expect([a.get('only b'), b.get('only a'), b.get('key:60'), a.get('key:90')]).toEqual([
      '1',
      '1',
      undefined,
      'changed at b',
    ]);
    await world.until(() => a.repair.pending + b.repair.pending === 0, 'nothing is missing any more');
  });

  test('equal stores cost a few hundred bytes', async () => {
    const sites = await opened('a', 'b');
    const [a, b] = sites as [TestSite, TestSite];
    for (let i = 0; i < 2_000; i++) a.set(`key:${i}`, `value ${i}`);
    await world.clock.advance(10_000);
    const before = { rounds: rounds(sites), bytes: bytesOf(a) };
    a.port.kinds.length = 0;
    a.repair.want('gap', b.store.id);
    await world.until(() => rounds(sites) > before.rounds, 'a round');
    expect(a.port.kinds).toEqual([STATUS, ROOT, DONE]);
    expect(bytesOf(a) - before.bytes).toBeLessThan(900);
  });

  test('one key of many costs the slots and a little more', async () => {
    const sites = await opened('a', 'b');
    const [a, b] = sites as [TestSite, TestSite];
    for (let i = 0; i < 5_000; i++) a.set(`key:${i}`, `value ${i}`);
    await world.until(() => same(sites), 'the queue carries', { limitMs: 5_000 });
    losesDeltas();
    a.set('key:77', 'lost');
    await world.clock.advance(10_000);
    const before = bytesOf(a);
    b.repair.want('gap', a.store.id);
    await world.until(() => same(sites), 'repaired');
    expect(bytesOf(a) - before).toBeLessThan(16_384 * 6 + 3_000);
    expect(a.port.largest).toBeLessThan(REPAIR_MESSAGE_BYTES * 1.1);
  });

  test.each([1, 2, 3, 4, 5, 6])('random differences of three sites, seed %i', async (seed) => {
    const sites = await opened('a', 'b', 'c');
    const random = seededRandom(seed);
    for (let i = 0; i < 400; i++) write(sites, random);
    await world.clock.advance(10_000);
    losesDeltas();
    for (let i = 0; i < 400; i++) {
      write(sites, random);
      if (i % 40 === 0) await world.clock.advance(below(random, 3_000));
    }
    await world.clock.advance(10_000);
    expect(same(sites)).toBe(false);
    // Nobody tells anybody: one after the other each compares with all.
    const keysBefore = sites.reduce(
      (sum, { repair }) => sum + repair.stats().keysPulled + repair.stats().keysPushed,
      0,
    );
    for (const site of sites) {
      site.repair.want('origin');
      await world.clock.advance(25_000);
    }
    await world.until(() => same(sites), 'all equal');
    expect(
      sites.reduce((sum, { repair }) => sum + repair.stats().keysPulled + repair.stats().keysPushed, 0),
    ).toBeGreaterThan(keysBefore + 50);
  });

  test('a key that is written all the time is repaired all the same', async () => {
    const sites = await opened('a', 'b');
    const [a, b] = sites as [TestSite, TestSite];
    const put = (site: TestSite, field: string): void =>
      site.unit('hot', (keyspace) => keyspace.putField('hot', TYPE_HASH, field, 'v'));
    put(a, 'first');
    await world.clock.advance(2_000);
    losesDeltas();
    put(a, 'lost');
    world.loses = () => false;
    // Later deltas carry their own fields only.
    b.repair.want('lost', a.store.id);
    for (let i = 0; i < 30; i++) {
      put(i % 2 === 0 ? a : b, `field ${i % 7}`);
      await world.clock.advance(300);
    }
    expect(b.store.keyspace.hash('hot')?.get('lost')).toBe('v');
  });

  test('what one site learned from another it looks for at all others', async () => {
    const sites = await opened('a', 'b', 'c');
    const [a, b] = sites as [TestSite, TestSite, TestSite];
    losesDeltas();
    for (let i = 0; i < 20; i++) a.set(`key:${i}`, 'v');
    await world.clock.advance(10_000);
    b.repair.want('gap', a.store.id);
    await world.until(() => same(sites), 'all three are equal', { limitMs: 30_000 });
  });

  test('a peer that goes away in the middle is asked again when it is back', async () => {
    const sites = await opened('a', 'b');
    const [a, b] = sites as [TestSite, TestSite];
    losesDeltas();
    for (let i = 0; i < 3_000; i++) a.set(`key:${i}`, 'x'.repeat(200));
    await world.clock.advance(10_000);
    b.repair.want('gap', a.store.id);
    b.port.kinds.length = 0;
    await world.until(() => b.port.kinds.includes(ENTRIES), 'lists are asked for', { stepMs: 1 });
    world.cut.add('a');
    await world.clock.advance(60_000);
    expect(same(sites)).toBe(false);
    expect(b.repair.stats().failures).toBeGreaterThan(0);
    world.cut.clear();
    await world.until(() => same(sites), 'repaired');
  });

  test('where no connection can be made, the queue carries it', async () => {
    const sites = await opened('a', 'b');
    const [a, b] = sites as [TestSite, TestSite];
    losesDeltas();
    for (let i = 0; i < 300; i++) a.set(`key:${i}`, 'x'.repeat(200));
    await world.clock.advance(10_000);
    world.refusing.add('a').add('b');
    b.repair.want('gap', a.store.id);
    await world.until(() => same(sites), 'repaired');
    expect(b.port.kinds.includes(ENTRIES)).toBe(false);
  });

  test('an empty store against a full one, in steps of bounded memory', async () => {
    const sites = await opened('a', 'b');
    const [a, b] = sites as [TestSite, TestSite];
    losesDeltas();
    for (let i = 0; i < 20_000; i++) a.set(`key:${i}`, `value ${i}`);
    for (let i = 0; i < 20_000; i++) b.set(`other:${i}`, `value ${i}`);
    await world.clock.advance(10_000);
    b.repair.want('gap', a.store.id);
    await world.until(() => same(sites), 'repaired', { limitMs: 300_000, stepMs: 2_000 });
    expect(b.port.largest).toBeLessThan(REPAIR_MESSAGE_BYTES * 1.2);
    expect(b.store.allKeys()).toHaveLength(40_000);
  });

  test('marks that the outbox dropped are brought by comparing their slots with everyone', async () => {
    const sites = await opened('a', 'b', 'c');
    const [a] = sites as [TestSite];
    losesDeltas();
    for (let i = 0; i < 100; i++) a.set(`key:${i}`, 'v');
    await world.clock.advance(10_000);
    a.store.outbox.collapse?.(new Uint8Array(16_384).fill(1));
    a.repair.want('collapsed');
    expect(a.store.outbox.collapsed).toBeUndefined();
    expect(a.repair.pending).toBeGreaterThan(0);
    await world.until(() => same(sites), 'repaired');
    await world.until(() => a.repair.pending === 0, 'done');
    expect(a.store.outbox.collapsed).toBeUndefined();
  });

  test('slots whose comparison is broken off are given back to the outbox', async () => {
    const [a] = (await opened('a', 'b')) as [TestSite];
    const slots = new Uint8Array(16_384);
    slots[5] = 1;
    a.store.outbox.collapse?.(slots);
    a.repair.want('collapsed');
    world.cut.add('b');
    await world.until(() => a.store.outbox.collapsed?.[5] === 1, 'given back');
  });
});

function bytesOf({ repair }: TestSite): number {
  const { bytesSent, bytesReceived } = repair.stats();
  return bytesSent + bytesReceived;
}

/** One write of any kind at one site. */
function write(sites: readonly TestSite[], random: ReturnType<typeof seededRandom>): void {
  const site = sites[below(random, sites.length)] as TestSite;
  const number = below(random, 60);
  const kind = below(random, 9);
  const text = String(below(random, 1000));
  const now = world.clock.now();
  const key = `k${kind % 5}:${number}`;
  site.unit(key, (keyspace) => {
    const type = keyspace.type(key);
    if (kind >= 7 && type !== 0) {
      if (kind === 7) keyspace.remove(key);
      else keyspace.expire(key, now + 1000 + below(random, 60_000));
    } else if (kind % 5 === 0)
      keyspace.overwriteString(
        key,
        Buffer.from(text),
        below(random, 3) === 0 ? now + below(random, 90_000) + 1 : 0,
      );
    else if (kind % 5 === 1 && (type === 0 || type === 1)) keyspace.addString(key, BigInt(below(random, 9)));
    else if (kind % 5 === 2 && (type === 0 || type === TYPE_HASH))
      keyspace.putField(key, TYPE_HASH, `f${below(random, 4)}`, text);
    else if (kind % 5 === 3 && (type === 0 || type === TYPE_SET))
      keyspace.putField(key, TYPE_SET, `m${below(random, 9)}`, true);
    else if (kind % 5 === 4 && (type === 0 || type === TYPE_ZSET))
      keyspace.addField(key, TYPE_ZSET, `m${below(random, 9)}`, below(random, 9));
  });
}
