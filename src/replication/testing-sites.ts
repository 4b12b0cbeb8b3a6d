// For the tests of this folder: whole replication of several sites over a queue that loses, doubles, delays and reorders.
import { below, type Random, seededRandom, silentLogger } from '../base/index.ts';
import type { Queue, QueueMessage } from '../queue/index.ts';
import { type EmbeddedStore, openEmbeddedStore } from '../store/embedded/index.ts';
import type { Store } from '../store/index.ts';
import { NoRepair } from './repair-hooks.ts';
import { openReplication, type Replication } from './replication.ts';
import type { TestClock } from './testing.ts';

export interface Faults {
  /** Chances, in a thousand. */
  readonly lost: number;
  readonly doubled: number;
  /** Units: ms. */
  readonly delayMs: number;
}

export const NONE: Faults = { lost: 0, doubled: 0, delayMs: 300 };

/** A broker with a channel a site, of which each message goes to one gateway. */
export class Broker {
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

export interface Site {
  readonly name: string;
  readonly store: Store;
  readonly replication: Replication;
  readonly repair: NoRepair;
}

export async function openSite(
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

export function embedded(clock: TestClock, seed: number): EmbeddedStore {
  return openEmbeddedStore({ clock, random: seededRandom(seed), logger: silentLogger });
}

export function set(store: EmbeddedStore, clock: TestClock, key: string, value: string): void {
  store.keyspace.begin(clock.now());
  const bytes = Buffer.from(key + value);
  store.keyspace.setString(bytes, 0, key.length, key.length, bytes.length, 0);
  store.keyspace.end();
}

export function textOf(store: EmbeddedStore): string {
  return store
    .allKeys()
    .toSorted()
    .map((key) => `${key}=${store.keyspace.getString(key)?.toString()}`)
    .join(' ');
}

export async function closeAll(sites: readonly Site[], clock: TestClock): Promise<void> {
  for (const { replication } of sites) {
    const closed = replication.close(0);
    await clock.advance(10);
    await closed;
  }
}
