// Random histories at three sites that forget at safe times, beside the same history at three that never do: both show the same, and
// the three converge.
import { expect, test, vi } from 'vitest';
import { below, HORIZON_MS, type Random, seededRandom, silentLogger, STABLE_MS } from '../../base/index.ts';
import { DEAD, YOUNG } from '../../crdt/index.ts';
import type { Page } from '../store.ts';
import { type EmbeddedStore, openEmbeddedStore } from './index.ts';
import { ManualClock, settled, viewOf } from './testing.ts';

// Long runs on machines that are busy with others.
vi.setConfig({ testTimeout: 120_000 });

const START = 1_000 * HORIZON_MS;
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];
const SITES = [0, 1, 2];

/** A site twice: one that forgets, one that does not. */
interface Site {
  readonly clock: ManualClock;
  readonly stores: readonly [EmbeddedStore, EmbeddedStore];
  /** Not merged yet, from others. */
  readonly inbox: (readonly [Buffer, Buffer])[];
}

function openSite(number: number): Site {
  const clock = new ManualClock(START + number * 100);
  const openOne = (seed: number): EmbeddedStore =>
    openEmbeddedStore({
      clock,
      random: seededRandom(seed),
      logger: silentLogger,
      origin: number + 1,
      activeExpiry: false,
    });
  return { clock, stores: [openOne(number), openOne(number + 50)], inbox: [] };
}

class History {
  readonly #random: Random;
  readonly sites = SITES.map(openSite);
  readonly counts = new Map<string, number>();

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  #count(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times);
  }

  #pick<T>(from: readonly T[]): T {
    return from[below(this.#random, from.length)] as T;
  }

  async run(steps: number): Promise<void> {
    for (let i = 0; i < steps; i++) {
      const site = this.#pick(this.sites);
      const choice = below(this.#random, 100);
      if (choice < 60) this.#command(site);
      else if (choice < 75) this.#deliver(site);
      else if (choice < 83) this.#pass(below(this.#random, 1500));
      else if (choice < 90) await this.#forget(site);
      else if (choice < 95) this.#pass(below(this.#random, 2 * STABLE_MS));
      else await this.#quiet();
    }
    await this.#quiet();
  }

  #pass(ms: number): void {
    for (const { clock } of this.sites) clock.time += ms;
  }

  #command(site: Site): void {
    const random = this.#random;
    const key = this.#pick(KEYS);
    const now = site.clock.time;
    const type = site.stores[0].keyspace.type(key);
    const field = this.#pick(['f', 'g', 'h']);
    const amount = BigInt(1 + below(random, 9));
    const at = now + 1 + below(random, below(random, 2) === 0 ? 3000 : STABLE_MS);
    const value = Buffer.from(this.#pick(['1', 'x', 'yy'.repeat(40)]));
    const of = type > 1 ? (type as 2 | 3 | 4) : this.#pick([2, 3, 4] as const);
    const put = of === 2 ? 'v' : of === 3 ? true : Number(amount);
    const commands: Record<string, ((store: EmbeddedStore) => void) | undefined> = {
      set: ({ keyspace }) =>
        keyspace.setString(Buffer.concat([Buffer.from(key), value]), 0, 1, 1, 1 + value.length, 0),
      setex: ({ keyspace }) =>
        keyspace.setString(Buffer.concat([Buffer.from(key), value]), 0, 1, 1, 1 + value.length, at),
      delete: type === 0 ? undefined : ({ keyspace }) => void keyspace.remove(key),
      expire: type === 0 ? undefined : ({ keyspace }) => void keyspace.expire(key, at),
      increment: type > 1 ? undefined : ({ keyspace }) => void keyspace.addString(key, amount),
      put: type === 1 ? undefined : ({ keyspace }) => void keyspace.putField(key, of, field, put),
      remove: type < 2 ? undefined : ({ keyspace }) => void keyspace.removeField(key, of, field),
      add:
        type === 1 || of === 3 ? undefined : ({ keyspace }) => void keyspace.addField(key, of, field, amount),
    };
    const [name, command] = this.#pick(Object.entries(commands).filter(([, run]) => run !== undefined));
    for (const store of site.stores) command?.(store);
    this.#count(name);
    this.#send(site);
  }

  #send(site: Site): void {
    const [mine, twin] = site.stores.map((store) => store.outbox.takeDeltas(1e9) ?? Buffer.alloc(0));
    if (mine === undefined || twin === undefined) return;
    for (const other of this.sites) if (other !== site) other.inbox.push([mine, twin]);
  }

  /** A random message, sometimes twice. */
  #deliver(site: Site): void {
    if (site.inbox.length === 0) return;
    const at = below(this.#random, site.inbox.length);
    const message = site.inbox[at] as readonly [Buffer, Buffer];
    if (below(this.#random, 4) !== 0) site.inbox.splice(at, 1);
    for (const [i, store] of site.stores.entries()) store.merge(message[i] as Buffer);
    this.#count('delivered');
  }

  async #forget(site: Site): Promise<void> {
    const [store] = site.stores;
    const before = this.#views(site);
    const forgotten = await settled(site.clock, store.forget());
    this.#count('forgotten', forgotten);
    expect(this.#views(site), 'forgetting changes nothing that shows').toBe(before);
  }

  /** Everything is delivered and nothing older ever comes again: what is older is stable. */
  async #quiet(): Promise<void> {
    for (const site of this.sites)
      while (site.inbox.length > 0) {
        const [message] = site.inbox.splice(below(this.#random, site.inbox.length), 1);
        for (const [i, store] of site.stores.entries()) store.merge(message?.[i] as Buffer);
      }
    const now = Math.max(...this.sites.map(({ clock }) => clock.time));
    for (const { clock } of this.sites) clock.time = now;
    await this.#repair();
    const [first, ...others] = this.sites.map((site) => this.#views(site));
    for (const other of others) expect(other, 'sites show the same').toBe(first);
    const [prints, ...otherPrints] = await Promise.all(this.sites.map((site) => this.#prints(site)));
    for (const other of otherPrints) expect(other, 'sites have one fingerprint a key').toEqual(prints);
    for (const { stores } of this.sites) stores[0].stableBeforeMs = now - 1000;
    for (const [number, { clock }] of this.sites.entries()) clock.time = now + number * 100;
    this.#count('quiet');
  }

  /** All states to all, as repair does with those that differ: forgotten headers of keys that live again come back. */
  async #repair(): Promise<void> {
    for (const from of this.sites)
      for (const to of this.sites)
        for (const [i, store] of from.stores.entries())
          for (let cursor: string | undefined = ''; cursor !== undefined && from !== to; ) {
            const page: Page = await store.page(cursor, 1e9);
            cursor = page.next;
            to.stores[i]?.merge(page.deltas);
          }
  }

  #views({ clock, stores }: Site): string {
    const now = clock.time;
    const [mine, twin] = stores.map((store) => KEYS.map((key) => viewOf(store.stateOf(key), now)).join('\n'));
    expect(mine, 'shows what it would without forgetting').toBe(twin);
    return mine ?? '';
  }

  async #prints({ clock, stores }: Site): Promise<Record<string, string>> {
    const prints: Record<string, string> = {};
    const comparing = stores[0].compare({ atMs: clock.time }, (compared) => {
      const { low, high, standing } = compared;
      if (standing !== DEAD && standing !== YOUNG) prints[compared.key()] = `${low} ${high}`;
    });
    await settled(clock, comparing);
    return prints;
  }
}

test('what sites show is what they would show without forgetting', async () => {
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= 25; seed++) {
    const history = new History(seed);
    try {
      await history.run(400);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    for (const [what, count] of history.counts) counts.set(what, (counts.get(what) ?? 0) + count);
  }
  for (const what of ['set', 'setex', 'delete', 'expire', 'increment', 'put', 'remove', 'add', 'delivered'])
    expect(counts.get(what), what).toBeGreaterThan(100);
  expect(counts.get('quiet')).toBeGreaterThan(100);
  expect(counts.get('forgotten')).toBeGreaterThan(100);
});
