// Outages of days and keys by the thousand, on whole simulated sites: nothing dead returns, nothing is lost, expiry costs nothing.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../src/base/index.ts';
import type { Plan } from '../sim/run/plan.ts';
import { planOf } from '../sim/run/plan.ts';
import type { SiteProcess } from '../sim/run/site-process.ts';
import { Totals } from '../sim/run/totals.ts';
import { World } from '../sim/run/world.ts';
import { guardMachine } from '../sim/world/guard.ts';

const HOUR_MS = 3_600_000;

let unguard: () => void;
beforeEach(() => {
  unguard = guardMachine();
});
afterEach(() => unguard());

/** A world of sites that run and know each other. */
async function openWorld(plan: Partial<Plan>): Promise<World> {
  const random = seededRandom(1);
  const whole = { ...planOf(random, ['embedded']), brokers: 1, maxMessageBytes: 1_048_576, latencyMsMax: 5 };
  const quiet: Plan = { ...whole, hasPeers: true, horizonMs: 24 * HOUR_MS, faults: [], ...plan };
  const world = new World({ seed: 1, plan: quiet, totals: new Totals(), random });
  for (const host of world.hosts) world.start(host);
  await pass(world, 10_000);
  expect(world.running().every(({ serves }) => serves)).toBe(true);
  return world;
}

async function pass(world: World, ms: number): Promise<void> {
  await world.scheduler.run(ms);
  if (world.failure !== undefined) throw world.failure;
}

/** Hours in leaps: everything that should have happened meanwhile is late. */
async function hours(world: World, count: number, each?: (hour: number) => void): Promise<void> {
  for (let hour = 0; hour < count; hour++) {
    world.scheduler.skip(HOUR_MS);
    each?.(hour);
    await pass(world, 2_000);
  }
}

function siteOf(world: World, index: number): SiteProcess {
  const process = world.hosts[index]?.process;
  if (process === undefined) throw new Error(`site ${index} does not run`);
  return process;
}

function get(site: SiteProcess, key: string): string {
  return site.execute([['GET', key]]);
}

describe('an outage of days', () => {
  it('nsqd back after 25 hours with old messages brings nothing dead back', async () => {
    const world = await openWorld({ sites: 2, brokers: 2 });
    const [old, other] = world.brokers;
    if (old === undefined || other === undefined) throw new Error('two brokers');
    // The old broker accepts a write whose way to the other site is cut, and goes down with it.
    world.network.block(old.name, world.hosts[1]?.node ?? '');
    siteOf(world, 0).execute([['SET', 'dead', 'old value']]);
    await pass(world, 3_000);
    expect(get(siteOf(world, 1), 'dead')).toBe('$-1\r\n');
    expect(old.depth).toBeGreaterThan(0);
    old.stop(false);
    world.network.openAll();
    siteOf(world, 0).execute([['DEL', 'dead']]);
    siteOf(world, 1).execute([['SET', 'alive', 'v']]);
    await hours(world, 25);
    // By now nobody remembers that the key was deleted.
    expect(world.running().map((site) => site.under.stateOf('dead'))).toEqual([undefined, undefined]);
    old.start();
    await pass(world, 30_000);
    expect(old.depth).toBe(0);
    for (const site of world.running()) {
      expect(get(site, 'dead')).toBe('$-1\r\n');
      expect(get(site, 'alive')).toBe('$1\r\nv\r\n');
    }
  });

  it('the writes of two sites that were apart for two days are all there afterwards', async () => {
    const world = await openWorld({ sites: 2 });
    const nodes = world.hosts.map(({ node }) => node);
    for (const a of nodes)
      for (const b of [...nodes, ...world.brokers.map(({ name }) => name)]) cut(world, a, b);
    await hours(world, 48, (hour) => {
      for (const index of [0, 1]) {
        siteOf(world, index).execute([['SET', `k${index}:${hour}`, `v${hour}`]]);
        siteOf(world, index).execute([['INCRBY', 'counter', '1']]);
      }
    });
    world.network.openAll();
    await pass(world, 60_000);
    for (const site of world.running()) {
      expect(get(site, 'counter')).toBe('$2\r\n96\r\n');
      for (let hour = 0; hour < 48; hour++)
        for (const index of [0, 1]) expect(get(site, `k${index}:${hour}`)).toContain(`\r\nv${hour}\r\n`);
    }
  });
});

function cut(world: World, a: string, b: string): void {
  world.network.block(a, b);
  world.network.block(b, a);
}

describe('expiry', () => {
  it('costs no message, and comes everywhere at its time', async () => {
    const world = await openWorld({ sites: 3 });
    for (let i = 0; i < 100; i++) siteOf(world, i % 3).execute([['SET', `t${i}`, 'v', 'PX', '20000']]);
    await pass(world, 5_000);
    const envelopes = (): number[] =>
      world.running().map((site) => site.replication.sender.stats().envelopes);
    const before = envelopes();
    expect(Math.min(...before)).toBeGreaterThan(0);
    for (const site of world.running()) expect(get(site, 't1')).toBe('$1\r\nv\r\n');
    await pass(world, 15_001);
    for (const site of world.running())
      for (let i = 0; i < 100; i++) expect(get(site, `t${i}`)).toBe('$-1\r\n');
    await pass(world, 10_000);
    expect(envelopes()).toEqual(before);
  });

  it('keys that live a minute leave at most 20 minutes of headers while all sites are well', {
    timeout: 600_000,
  }, async () => {
    const perSecond = Number(process.env.SIM_KEYS_PER_SECOND ?? 100);
    const world = await openWorld({ sites: 2 });
    let most = 0;
    for (let second = 0; second < 30 * 60; second++) {
      for (let i = 0; i < perSecond; i++)
        siteOf(world, i % 2).execute([['SET', `k${second}:${i}`, 'v', 'EX', '60']]);
      await pass(world, 1_000);
      for (const site of world.running()) most = Math.max(most, site.under.store.stats().tombstones);
    }
    expect(most).toBeGreaterThan(10 * 60 * perSecond);
    expect(most).toBeLessThanOrEqual(20 * 60 * perSecond);
  });
});
