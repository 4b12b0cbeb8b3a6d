// Whole replication of several sites over a queue that loses, doubles, delays and reorders, on virtual time.
import { describe, expect, test } from 'vitest';
import { below, type Random, seededRandom, silentLogger } from '../base/index.ts';
import type { Queue, QueueMessage } from '../queue/index.ts';
import { type EmbeddedStore, openEmbeddedStore } from '../store/embedded/index.ts';
import type { GatewayBus, Store } from '../store/index.ts';
import { decodeEnvelope, encodeEnvelope, encodeSection, SECTION_HEARTBEAT } from './envelope.ts';
import { NoRepair } from './repair-hooks.ts';
import { openReplication, type Replication } from './replication.ts';
import { beat, type FakeStore, fakeStore, TestClock } from './testing.ts';

interface Faults {
  /** Chances, in a thousand. */
  readonly lost: number;
  readonly doubled: number;
  /** Units: ms. */
  readonly delayMs: number;
}

const NONE: Faults = { lost: 0, doubled: 0, delayMs: 300 };

/** A broker with a channel a site, of which each message goes to one gateway. */
class Broker {
  readonly #clock: TestClock;
  readonly #random: Random;
  readonly #channels = new Map<string, ((message: QueueMessage) => void)[]>();
  faults: Faults = NONE;
  /** Sites that nothing reaches, and from which nothing comes. */
  readonly cut = new Set<string>();
  lost = 0;
  doubled = 0;
  /** Sees every message published. */
  onPublished: ((body: Buffer) => void) | undefined;

  constructor(clock: TestClock, seed: number) {
    this.#clock = clock;
    this.#random = seededRandom(seed);
  }

  queueOf(site: string): Queue {
    return {
      name: 'broker',
      capabilities: { ordered: false, replayable: false, durableAck: true, maxMessageBytes: 4_000 },
      publish: async (body) => this.#publish(site, Buffer.from(body)),
      subscribe: async (handler) => {
        const channel = this.#channels.get(site) ?? [];
        this.#channels.set(site, [...channel, handler]);
      },
      stats: () => Promise.reject(new Error('not asked')),
      brokers: () => [],
      close: async () => {},
      [Symbol.asyncDispose]: async () => {},
    };
  }

  #publish(from: string, body: Buffer): void {
    if (this.cut.has(from)) throw new Error('cut off');
    this.onPublished?.(body);
    for (const site of this.#channels.keys()) {
      if (below(this.#random, 1_000) < this.faults.lost) {
        this.lost++;
        continue;
      }
      this.#deliver(site, body, 1);
      if (below(this.#random, 1_000) >= this.faults.doubled) continue;
      this.doubled++;
      this.#deliver(site, body, 1);
    }
  }

  #deliver(site: string, body: Buffer, attempts: number): void {
    this.#clock.after(1 + below(this.#random, this.faults.delayMs), () => {
      if (this.cut.has(site)) return;
      const gateways = this.#channels.get(site) ?? [];
      gateways[below(this.#random, gateways.length)]?.({
        body: Buffer.from(body),
        attempts,
        ack: () => {},
        requeue: () => this.#deliver(site, body, attempts + 1),
        touch: () => {},
      });
    });
  }
}

interface Site {
  readonly name: string;
  readonly store: Store;
  readonly replication: Replication;
  readonly repair: NoRepair;
}

async function openSite(
  { clock, broker, seed }: { readonly clock: TestClock; readonly broker: Broker; readonly seed: number },
  name: string,
  store: Store,
): Promise<Site> {
  const repair = new NoRepair();
  const replication = await openReplication({
    site: name,
    store,
    queue: broker.queueOf(name),
    clock,
    random: seededRandom(seed),
    logger: silentLogger,
    address: () => '',
    onPublish: () => {},
    openers: { openRepair: () => repair, openBootstrap: () => repair },
  });
  return { name, store, replication, repair };
}

function embedded(clock: TestClock, seed: number): EmbeddedStore {
  return openEmbeddedStore({ clock, random: seededRandom(seed), logger: silentLogger });
}

function set(store: EmbeddedStore, clock: TestClock, key: string, value: string): void {
  store.keyspace.begin(clock.now());
  const bytes = Buffer.from(key + value);
  store.keyspace.setString(bytes, 0, key.length, key.length, bytes.length, 0);
  store.keyspace.end();
}

function textOf(store: EmbeddedStore): string {
  return store
    .allKeys()
    .toSorted()
    .map((key) => `${key}=${store.keyspace.getString(key)?.toString()}`)
    .join(' ');
}

async function closeAll(sites: readonly Site[], clock: TestClock): Promise<void> {
  for (const { replication } of sites) {
    const closed = replication.close(0);
    await clock.advance(10);
    await closed;
  }
}

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

describe('streams that begin and end', () => {
  test('a sender that starts again begins at 1, and its first messages may be lost', async () => {
    const clock = new TestClock();
    const broker = new Broker(clock, 1);
    const [far, near] = [embedded(clock, 1), embedded(clock, 2)];
    const b = await openSite({ clock, broker, seed: 2 }, 'b', near);
    let a = await openSite({ clock, broker, seed: 1 }, 'a', far);
    set(far, clock, 'one', '1');
    await clock.advance(2_000);
    await closeAll([a], clock);
    broker.faults = { ...NONE, lost: 1_000 };
    a = await openSite({ clock, broker, seed: 3 }, 'a', far);
    set(far, clock, 'two', '2');
    await clock.advance(1_500);
    broker.faults = NONE;
    set(far, clock, 'three', '3');
    await clock.advance(10_000);
    expect(textOf(near)).toBe('one=1 three=3 two=2');
    await closeAll([a, b], clock);
  });

  test('what a site that is gone sent and lost is left to a comparison', async () => {
    const clock = new TestClock();
    const broker = new Broker(clock, 1);
    const [far, near] = [embedded(clock, 1), embedded(clock, 2)];
    const b = await openSite({ clock, broker, seed: 2 }, 'b', near);
    const a = await openSite({ clock, broker, seed: 1 }, 'a', far);
    await clock.advance(2_000);
    broker.faults = { ...NONE, lost: 1_000 };
    set(far, clock, 'lost', '1');
    await clock.advance(20);
    broker.faults = NONE;
    set(far, clock, 'two', '2');
    await clock.advance(500);
    await closeAll([a], clock);
    await clock.advance(60_000);
    expect(b.repair.wanted).toContainEqual({ reason: 'gap', storeId: far.id });
    expect(b.replication.receiver.stats()).toMatchObject({ gapsLost: 1 });
    await closeAll([b], clock);
  });

  test('a receiver that starts again with its notes misses nothing and asks for nothing', async () => {
    const clock = new TestClock();
    const broker = new Broker(clock, 1);
    const [far, near] = [embedded(clock, 1), embedded(clock, 2)];
    const a = await openSite({ clock, broker, seed: 1 }, 'a', far);
    let b = await openSite({ clock, broker, seed: 2 }, 'b', near);
    for (let i = 0; i < 10; i++) {
      set(far, clock, `k${i}`, 'v');
      await clock.advance(100);
    }
    await clock.advance(3_000);
    await closeAll([b], clock);
    b = await openSite({ clock, broker: broker, seed: 3 }, 'b', near);
    const applied = b.replication.receiver.applied();
    expect(applied[a.replication.sender.stream]).toBe(a.replication.sender.lastSequence);
    expect(b.replication.membership.members()).toMatchObject([{ site: 'a', isNoted: true }]);
    await clock.advance(20_000);
    expect(b.replication.receiver.stats().gaps).toBe(0);
    await closeAll([a, b], clock);
  });
});

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

describe('a store that goes back', () => {
  test('what was applied is read from the notes again, and asked for again', async () => {
    const clock = new TestClock();
    const broker = new Broker(clock, 1);
    const [far, near] = [embedded(clock, 1), fakeStore(clock, 2)];
    const a = await openSite({ clock, broker, seed: 1 }, 'a', far);
    const b = await openSite({ clock, broker, seed: 2 }, 'b', near);
    set(far, clock, 'one', '1');
    await clock.advance(3_000);
    const noted = new Map(await near.notes.read());
    set(far, clock, 'two', '2');
    await clock.advance(2_000);
    expect(near.merged).toEqual(['one', 'two']);
    for (const name of (await near.notes.read()).keys()) await near.notes.write({ [name]: '' });
    await near.notes.write(Object.fromEntries(noted));
    near.origin++;
    near.onOrigin?.();
    await clock.advance(10_000);
    expect(near.merged).toEqual(['one', 'two', 'two']);
    expect(b.repair.wanted.filter(({ reason }) => reason === 'origin')).toHaveLength(1);
    await closeAll([a, b], clock);
  });

  test('C2: others have what it never sent: a new origin, a new stream, all is compared', async () => {
    const clock = new TestClock();
    const broker = new Broker(clock, 1);
    const near = fakeStore(clock, 2);
    const b = await openSite({ clock, broker, seed: 2 }, 'b', near);
    const tell = async (applied: Record<string, number>, sources: Record<string, number>): Promise<void> => {
      const bytes = beat('a', 'A', { applied, sources });
      const header = {
        site: 'a',
        origin: 9,
        stream: '00000000aaaaaaaa',
        timeMs: clock.now(),
        fragment: 0,
        fragments: 1,
      };
      const sequence = clock.now() % 1_000_000;
      await b.replication.receiver.apply(
        encodeEnvelope({ ...header, sequence }, encodeSection({ kind: SECTION_HEARTBEAT, bytes })),
      );
      await clock.advance(1_000);
    };
    const { stream } = b.replication.sender;
    await clock.advance(1);
    await tell({ [stream]: 0, other: 9 }, { [stream]: 2, other: 3 });
    expect([near.origin, b.replication.sender.stream]).toEqual([2, stream]);
    await tell({ [stream]: 5 }, { [stream]: 2 });
    expect(near.origin).toBe(3);
    expect(b.replication.sender.stream).not.toBe(stream);
    await tell({ dead: 5 }, { dead: 3 });
    expect(near.origin).toBe(4);
    await tell({ dead: 5 }, { dead: 3 });
    expect([near.origin, b.repair.wanted.map(({ reason }) => reason)]).toEqual([
      4,
      ['linked', 'origin', 'origin'],
    ]);
    await closeAll([b], clock);
  });
});

test('once all sites are well, what is older than a moment is stable; not beside a dead one', async () => {
  const clock = new TestClock();
  const broker = new Broker(clock, 1);
  const stores = [embedded(clock, 1), embedded(clock, 2), embedded(clock, 3)];
  const sites: Site[] = [];
  for (const [i, store] of stores.entries())
    sites.push(await openSite({ clock, broker, seed: i + 1 }, 'abc'.charAt(i), store));
  for (let i = 0; i < 20; i++) {
    set(stores[i % 3], clock, `k${i}`, 'v');
    await clock.advance(500);
  }
  await clock.advance(5_000);
  for (const store of stores) expect(clock.now() - store.stableBeforeMs).toBeLessThan(4_000);
  broker.cut.add('c');
  const cutAtMs = clock.now();
  set(stores[0], clock, 'k', 'w');
  await clock.advance(60_000);
  for (const store of stores) expect(store.stableBeforeMs).toBeLessThanOrEqual(cutAtMs);
  await closeAll(sites, clock);
});

test('heartbeats are in loose streams: what the queue loses of them is no gap', async () => {
  const clock = new TestClock();
  const broker = new Broker(clock, 1);
  const sites = [
    await openSite({ clock, broker, seed: 1 }, 'a', embedded(clock, 1)),
    await openSite({ clock, broker, seed: 2 }, 'b', embedded(clock, 2)),
  ];
  const streams = new Set<string>();
  broker.onPublished = (body) => streams.add(decodeEnvelope(body).header.stream.slice(0, 8));
  broker.faults = { ...NONE, lost: 500 };
  await clock.advance(60_000);
  expect([...streams]).toEqual(['00000000']);
  for (const { replication } of sites) expect(replication.receiver.stats().gaps).toBe(0);
  await closeAll(sites, clock);
});
