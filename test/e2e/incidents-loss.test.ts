// What went wrong elsewhere when memory, messages, folders or sites were lost; each test is named after it.
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

function fill(stage: IncidentWorld, site: number, { from = 0, count = 0, value = 'v' }): void {
  for (let i = from; i < from + count; i++) stage.call(site, `SET key${i} ${value}${i}`);
}

const MINUTE_MS = 60_000;

describe('incidents of other systems: losses', () => {
  test('two sites losing memory at once', async () => {
    const stage = await open({ sites: 3 });
    fill(stage, 0, { count: 300 });
    stage.call(1, 'INCRBY counter 7');
    await stage.untilAll('DBSIZE', ':301\r\n');
    stage.world.kill(stage.host(0));
    stage.world.kill(stage.host(1));
    await stage.pass(500);
    stage.world.start(stage.host(0));
    stage.world.start(stage.host(1));
    await stage.until('both serve again', () => stage.allServe());
    await stage.untilAll('DBSIZE', ':301\r\n');
    stage.call(0, 'INCR counter');
    stage.call(1, 'INCR counter');
    await stage.untilAll('GET counter', bulk('9'));
  });

  test('every site losing memory at once: they serve, empty', async () => {
    const stage = await open({ sites: 2 });
    fill(stage, 0, { count: 10 });
    await stage.untilAll('DBSIZE', ':10\r\n');
    for (const site of [0, 1]) stage.world.kill(stage.host(site));
    await stage.pass(500);
    for (const site of [0, 1]) stage.world.start(stage.host(site));
    await stage.until('both serve', () => stage.allServe(), 15_000);
    stage.call(0, 'SET k v');
    await stage.untilAll('GET k', bulk('v'));
  });

  test('remove and re-add a site', async () => {
    const stage = await open({ sites: 3, horizonMs: 20 * MINUTE_MS });
    fill(stage, 0, { count: 40 });
    await stage.untilAll('DBSIZE', ':40\r\n');
    stage.host(2).isRemoved = true;
    stage.world.kill(stage.host(2));
    for (let i = 0; i < 40; i += 2) stage.call(1, `DEL key${i}`);
    await stage.pass(30 * MINUTE_MS);
    // Nobody holds the memory of what was deleted for the sake of a site that is gone.
    for (const site of [0, 1]) expect(stage.site(site).under.store.stats().tombstones).toBe(0);
    stage.host(2).isRemoved = false;
    await stage.start(2);
    await stage.untilAll('DBSIZE', ':20\r\n');
    await stage.pass(5_000);
    expect(stage.common('DBSIZE')).toBe(':20\r\n');
  });

  test('remove and re-add a site that kept its data beyond the horizon: nothing deleted comes back', async () => {
    const stage = await open({ sites: 3, stores: ['file'], horizonMs: 20 * MINUTE_MS });
    fill(stage, 0, { count: 40 });
    await stage.untilAll('DBSIZE', ':40\r\n');
    await stage.pass(3_000);
    // Stopped in order: of one that was killed nobody knows what it sent last, and its copy is merged (logged).
    let isStopped = false;
    stage.world.stop(stage.host(2), () => {
      isStopped = true;
    });
    stage.host(2).isRemoved = true;
    await stage.pass(5_000);
    expect(isStopped).toBe(true);
    for (let i = 0; i < 40; i += 2) stage.call(1, `DEL key${i}`);
    await stage.pass(50 * MINUTE_MS);
    stage.host(2).isRemoved = false;
    await stage.start(2);
    await stage.untilAll('DBSIZE', ':20\r\n');
    await stage.pass(30_000);
    expect(stage.common('DBSIZE')).toBe(':20\r\n');
    expect(stage.common('GET key0')).toBe(NIL);
  });

  test('a slow consumer', async () => {
    const stage = await open({ sites: 3 });
    fill(stage, 0, { count: 100 });
    await stage.untilAll('DBSIZE', ':100\r\n');
    stage.host(2).loop?.stall(MINUTE_MS);
    for (let second = 0; second < 60; second++) {
      for (let i = 0; i < 200; i++) stage.call(second % 2, `SET key${i % 100} s${second}`);
      stage.call(second % 2, 'INCR counter');
      await stage.pass(1_000);
      // The others do not wait for it, and nothing grows at the writers (G1, G6).
      expect(stage.site(second % 2).under.store.outbox.pending).toBeLessThanOrEqual(101);
    }
    expect(stage.call(0, 'GET counter')).toBe(bulk('60'));
    await stage.untilAll('GET counter', bulk('60'));
    await stage.untilAll('GET key7', bulk('s59'));
  });

  test("bootstrap longer than the queue's retention", async () => {
    const stage = await open({ sites: 2, latencyMsMax: 60 });
    const value = 'x'.repeat(2_000);
    for (let i = 0; i < 1_500; i++) stage.call(0, `SET key${i} ${value}`);
    await stage.untilAll('DBSIZE', ':1500\r\n');
    const late = stage.world.addHost('late');
    stage.world.start(late);
    let rounds = 0;
    while (late.process?.serves !== true) {
      // Written meanwhile, and kept nowhere but at the sites: the broker keeps nothing of it.
      stage.call(0, `SET during${rounds} v`);
      stage.call(1, `SET key${rounds} changed`);
      stage.call(1, 'INCR counter');
      stage.loseQueue();
      await stage.pass(20);
      stage.loseQueue();
      expect(++rounds).toBeLessThan(3_000);
    }
    expect(rounds).toBeGreaterThan(3);
    await stage.untilAll('GET counter', bulk(String(rounds)));
    await stage.untilAll('DBSIZE', `:${1_501 + rounds}\r\n`);
    await stage.untilAll('GET key0', bulk('changed'));
  });

  // Small ones the sender still has in memory; of large ones it only knows which keys they carried.
  for (const bytes of [10, 40_000])
    test(`a broker losing acknowledged messages, values of ${bytes} bytes`, async () => {
      const stage = await open({ sites: 3 });
      const value = 'x'.repeat(bytes);
      fill(stage, 0, { count: 100 });
      await stage.untilAll('DBSIZE', ':100\r\n');
      stage.loseAll(true);
      for (let i = 100; i < 200; i++) stage.call(0, `SET key${i} ${value}`);
      for (let i = 0; i < 25; i++) stage.call(1, `DEL key${i}`);
      for (let i = 0; i < 30; i++) stage.call(2, 'INCR counter');
      const pending = (): number =>
        stage.world.running().reduce((sum, { under }) => sum + under.store.outbox.pending, 0);
      await stage.until('the broker accepts all', () => pending() === 0);
      expect(stage.world.totals.faults.of('message lost')).toBeGreaterThan(3);
      stage.loseAll(false);
      await stage.untilAll('GET counter', bulk('30'));
      await stage.untilAll('DBSIZE', ':176\r\n');
      await stage.untilAll('GET key150', bulk(value));
    });

  test('a broker losing acknowledged messages of a process that is gone', async () => {
    const stage = await open({ sites: 3, stores: ['file'] });
    stage.loseAll(true);
    fill(stage, 0, { count: 50 });
    for (let i = 0; i < 30; i++) stage.call(0, 'INCR counter');
    await stage.pass(5_000);
    expect(stage.site(0).under.store.outbox.pending).toBe(0);
    await stage.restart(0);
    stage.loseAll(false);
    await stage.untilAll('GET counter', bulk('30'));
    await stage.untilAll('DBSIZE', ':51\r\n');
  });

  test('a restore of an old data folder must not double or lower counters', async () => {
    const stage = await open({ sites: 2, stores: ['file'] });
    for (let i = 0; i < 10; i++) stage.call(0, 'INCR counter');
    stage.call(0, 'SET k old');
    stage.call(0, 'SET dead v');
    await stage.untilAll('GET counter', bulk('10'));
    await stage.pass(3_000);
    const { disk } = stage.host(0);
    const copy = disk?.copy() ?? new Map();
    for (let i = 0; i < 15; i++) stage.call(0, 'INCR counter');
    stage.call(0, 'SET k new');
    stage.call(0, 'DEL dead');
    await stage.untilAll('GET counter', bulk('25'));
    stage.world.kill(stage.host(0));
    stage.host(0).keptUntilMs = 0;
    disk?.restore(copy, false);
    await stage.start(0);
    stage.call(0, 'INCR counter');
    stage.call(1, 'INCR counter');
    await stage.untilAll('GET counter', bulk('27'));
    await stage.untilAll('GET k', bulk('new'));
    await stage.untilAll('GET dead', NIL);
    await stage.pass(30_000);
    expect(stage.common('GET counter')).toBe(bulk('27'));
  });
});
