// What went wrong elsewhere with concurrent commands and clocks; each test is named after it.
import { afterEach, describe, expect, test } from 'vitest';
import { bulk, IncidentWorld, NIL, type Stage } from './incident-world.ts';

const opened: IncidentWorld[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

async function open(stage: Stage): Promise<IncidentWorld> {
  const world = await IncidentWorld.open(stage);
  opened.push(world);
  return world;
}

describe('incidents of other systems: orders and clocks', () => {
  test('values swapped for ever by clock skew (KeyDB#247)', async () => {
    const stage = await open({ sites: 2 });
    stage.host(0).clock.skewMs = 30_000;
    stage.host(1).clock.skewMs = -30_000;
    for (let round = 0; round < 20; round++) {
      // Both at once, and each knows only its own.
      stage.call(0, `SET k zero${round}`);
      stage.call(1, `SET k one${round}`);
      await stage.pass(round * 7);
    }
    await stage.until('one value', () => stage.common('GET k') !== undefined);
    const value = stage.common('GET k');
    const sent = (): number =>
      stage.world.running().reduce((sum, { replication }) => sum + replication.sender.stats().bytes, 0);
    await stage.pass(20_000);
    const before = sent();
    for (let i = 0; i < 60; i++) {
      await stage.pass(1_000);
      expect(stage.common('GET k')).toBe(value);
    }
    // Only heartbeats travel: nobody sends the key to and fro.
    expect((sent() - before) / 60).toBeLessThan(4_000);
    // The site whose clock is behind is not shut out (G4).
    stage.call(1, 'SET k last');
    await stage.untilAll('GET k', bulk('last'));
  });

  test('deletes resurrecting after a split (KeyDB#447)', async () => {
    const stage = await open({ sites: 3 });
    for (let i = 0; i < 50; i++) stage.call(0, `SET k${i} v`);
    stage.call(0, 'HSET h f v g v');
    await stage.untilAll('DBSIZE', ':51\r\n');
    stage.isolate(2);
    await stage.pass(15_000);
    for (let i = 0; i < 50; i += 2) stage.call(0, `DEL k${i}`);
    stage.call(0, 'HDEL h f');
    // What was deleted is also overwritten by nobody, but the cut-off site goes on with other keys.
    for (let i = 0; i < 20; i++) stage.call(2, `SET other${i} v`);
    await stage.pass(60_000);
    // The messages of that time are gone, too.
    stage.loseQueue();
    stage.heal(2);
    await stage.untilAll('DBSIZE', ':46\r\n');
    for (let i = 0; i < 30; i++) {
      await stage.pass(1_000);
      expect(stage.common('DBSIZE')).toBe(':46\r\n');
      expect(stage.common('GET k2')).toBe(NIL);
      expect(stage.common('HGETALL h')).toBe('*2\r\n$1\r\ng\r\n$1\r\nv\r\n');
    }
  });

  test('expiry tombstone carrying the wrong time (XRedis 1.0.19)', async () => {
    const stage = await open({ sites: 3 });
    for (const key of ['kept', 'new', 'gone']) stage.call(0, `SET ${key} old PX 5000`);
    await stage.untilAll('GET kept', bulk('old'));
    stage.isolate(2);
    await stage.pass(3_000);
    // Before the end of the TTL, but nobody else hears of it until long after they have freed the key.
    stage.call(2, 'PERSIST kept');
    stage.call(2, 'SET new value');
    await stage.pass(60_000);
    for (const site of [0, 1]) expect(stage.call(site, 'DBSIZE')).toBe(':0\r\n');
    stage.heal(2);
    // The value written before the end, by a write that knew no end, is newer than the TTL: freeing must not have overtaken it.
    await stage.untilAll('GET new', bulk('value'));
    await stage.untilAll('GET kept', bulk('old'));
    expect(stage.common('GET gone')).toBe(NIL);
    expect(stage.common('TTL new')).toBe(':-1\r\n');
  });

  test('duplicate site id', async () => {
    const stage = await open({ sites: 2 });
    stage.call(0, 'SET k v');
    await stage.untilAll('GET k', bulk('v'));
    const rival = stage.world.addHost('site0', true);
    stage.world.start(rival);
    await stage.until(
      'the later one is refused',
      () => rival.process?.replication.membership.duplicate === true,
    );
    expect(stage.site(0).serves).toBe(true);
    expect(rival.process?.serves).toBe(false);
    stage.call(0, 'SET k w');
    await stage.until('the true one goes on', () => stage.call(1, 'GET k') === bulk('w'));
    rival.isRemoved = true;
    await new Promise<void>((resolve) => {
      stage.world.stop(rival, resolve);
      void stage.pass(5_000);
    });
    for (let i = 0; i < 20; i++) {
      await stage.pass(1_000);
      expect(stage.site(0).serves).toBe(true);
    }
    expect(stage.common('GET k')).toBe(bulk('w'));
  });
});

/** Every order of a list. */
function ordersOf<T>(list: readonly T[]): T[][] {
  if (list.length < 2) return [[...list]];
  return list.flatMap((first, i) => {
    const rest = list.filter((_, other) => other !== i);
    return ordersOf(rest).map((order) => [first, ...order]);
  });
}

describe('concurrent SET/EXPIRE/PERSIST in all orders', () => {
  const commands = ['SET k new', 'PEXPIRE k 600000', 'PERSIST k', 'SET k timed PX 900000'];
  for (const order of ordersOf([0, 1, 2, 3]))
    test(`${order.map((i) => commands[i]?.split(' ')[0]).join(', ')}: what one Redis would show in the order of the clocks`, async () => {
      const stage = await open({ sites: 4 });
      stage.call(0, 'SET k old PX 300000');
      await stage.untilAll('GET k', bulk('old'));
      for (let site = 0; site < 4; site++) stage.isolate(site);
      await stage.pass(1_000);
      // All at one moment of the world, on clocks 10 ms apart: the order of the versions is ours, and nobody knows of another.
      for (const [place, i] of order.entries()) stage.host(i).clock.skewMs = 10 + place * 10;
      for (const [i, command] of commands.entries()) stage.call(i, command);
      for (let site = 0; site < 4; site++) stage.host(site).clock.skewMs = 0;
      const end = stage.world.scheduler.nowMs;
      for (let site = 0; site < 4; site++) stage.heal((order[site] ?? 0) % 4);
      const [value, at] = expected(order, end);
      await stage.untilAll('GET k', bulk(value));
      await stage.untilAll('PEXPIRETIME k', `:${at}\r\n`);
    });

  /** One Redis after the commands in version order. */
  function expected(order: readonly number[], nowMs: number): [string, number] {
    let [value, at] = ['old', 0];
    for (const [place, i] of order.entries()) {
      const clock = nowMs + 10 + place * 10;
      if (i === 0) [value, at] = ['new', -1];
      if (i === 1) at = clock + 600_000;
      if (i === 2) at = -1;
      if (i === 3) [value, at] = ['timed', clock + 900_000];
    }
    return [value, at];
  }
});
