// Channels over a Redis store: the gateway subscribes at its Redis to what its clients want, and hands on what it hears.
//
// 1. A client's confirmation comes after the Redis' own, so that it misses nothing published later (unless the Redis
//    cannot be reached: then it is subscribed as soon as it can).
// 2. What nobody wants any more is unsubscribed a little later.
import { type Latin1, sleep, type Timer } from '../../base/index.ts';
import type { Reply } from '../../resp/index.ts';
import type { PubSub, SubscriptionKind } from '../../server/index.ts';
import { slotOf } from '../../store/redis/slots.ts';
import { bulkText, type Ear, type Ears, type Hearer } from './ears.ts';
import type { Port } from './port.ts';

const SUBSCRIBE: Readonly<Record<SubscriptionKind, string>> = {
  channel: 'SUBSCRIBE',
  pattern: 'PSUBSCRIBE',
  shard: 'SSUBSCRIBE',
};
const UNSUBSCRIBE: Readonly<Record<SubscriptionKind, string>> = {
  channel: 'UNSUBSCRIBE',
  pattern: 'PUNSUBSCRIBE',
  shard: 'SUNSUBSCRIBE',
};
const KINDS: readonly SubscriptionKind[] = ['channel', 'pattern', 'shard'];
/** Units: ms. How long a confirmation waits for the Redis' own. */
const CONFIRM_MS = 2000;
/** Units: ms. How long what nobody wants stays subscribed. */
const LINGER_MS = 200;
/** Names in one command. */
const NAMES_MAX = 512;

type Held = Record<SubscriptionKind, Set<Latin1>>;

/** The gateway's subscriptions at its Redis. */
export class Channels implements Hearer {
  readonly port: Port;
  readonly #ears: Ears;
  readonly #pubsub: PubSub;
  /** What each connection has subscribed. */
  readonly #held = new Map<Ear, Held>();
  /** Wanted by clients whose confirmation is under way, and how many of them. */
  readonly #coming: Record<SubscriptionKind, Map<Latin1, number>> = {
    channel: new Map(),
    pattern: new Map(),
    shard: new Map(),
  };
  #trim: Timer | undefined;
  /** Something wanted is not subscribed. */
  #isMissing = false;
  #isRetrying = false;

  constructor(port: Port, ears: Ears) {
    this.port = port;
    this.#ears = ears;
    this.#pubsub = port.shared.pubsub;
    ears.add(this);
  }

  /** Subscribes at the Redis; resolves once it has confirmed, or it takes too long. The caller then adds its connection. */
  async want(kind: SubscriptionKind, names: readonly Latin1[], subscribed: () => void): Promise<void> {
    const coming = this.#coming[kind];
    for (const name of names) coming.set(name, (coming.get(name) ?? 0) + 1);
    try {
      const asked = this.#subscribe(kind, names).catch(() => {
        this.#isMissing = true;
      });
      await Promise.race([asked, sleep(this.port.clock, CONFIRM_MS)]);
      subscribed();
    } finally {
      for (const name of names) {
        const left = (coming.get(name) ?? 1) - 1;
        if (left === 0) coming.delete(name);
        else coming.set(name, left);
      }
    }
  }

  /** Clients have unsubscribed or gone. */
  released(): void {
    this.#trim ??= this.port.clock.after(LINGER_MS, () => {
      this.#trim = undefined;
      for (const [ear, held] of this.#held) this.#unsubscribe(ear, held);
    });
  }

  heard(word: string, items: readonly Reply[], ear: Ear): void {
    const first = bulkText(items[0]) ?? '';
    if (word === 'message') this.#message(first, items[1]);
    else if (word === 'pmessage') this.#patternMessage(first, items);
    else if (word === 'smessage' && items[1]?.kind === 'bulk') this.#pubsub.spublish(first, items[1].bytes);
    else if (word === 'sunsubscribe') this.#moved(first, ear);
  }

  async fresh(ear: Ear): Promise<void> {
    const held: Held = { channel: new Set(), pattern: new Set(), shard: new Set() };
    this.#held.set(ear, held);
    // The node may not be known as the slot's just now.
    this.#isMissing = true;
    for (const kind of KINDS) {
      const names = this.#wanted(kind).filter((name) => this.#isAt(kind, name, ear));
      await tell(ear, { kind, held, names });
    }
  }

  lost(ear: Ear): void {
    this.#held.delete(ear);
    this.#isMissing = true;
  }

  retry(): void {
    if (!this.#isMissing || this.#isRetrying) return;
    this.#isRetrying = true;
    void this.#subscribeAll().finally(() => {
      this.#isRetrying = false;
    });
  }

  async #subscribeAll(): Promise<void> {
    this.#isMissing = false;
    try {
      for (const kind of KINDS) await this.#subscribe(kind, this.#wanted(kind));
    } catch {
      this.#isMissing = true;
    }
  }

  close(): void {
    this.#trim?.cancel();
  }

  #message(channel: Latin1, message: Reply | undefined): void {
    if (message?.kind === 'bulk') this.#pubsub.toChannel(channel, message.bytes);
  }

  #patternMessage(pattern: Latin1, [, channel, message]: readonly Reply[]): void {
    const name = bulkText(channel) ?? '';
    if (message?.kind === 'bulk' && !name.startsWith('mqkv:'))
      this.#pubsub.toPattern(pattern, name, message.bytes);
  }

  /** The slot of a shard channel is served elsewhere now. */
  #moved(name: Latin1, ear: Ear): void {
    if (!this.#held.get(ear)?.shard.delete(name) || !this.#wanted('shard').includes(name)) return;
    this.#isMissing = true;
    this.retry();
  }

  #wanted(kind: SubscriptionKind): Latin1[] {
    return [...new Set([...this.#pubsub.names(kind), ...this.#coming[kind].keys()])];
  }

  /** Which slot's node tells of a name: its own for shard channels, any other name is told by every node. */
  #slotOf(kind: SubscriptionKind, name: Latin1): number {
    return kind === 'shard' && this.port.isCluster ? slotOf(name) : 0;
  }

  #isAt(kind: SubscriptionKind, name: Latin1, ear: Ear): boolean {
    return this.port.topology.nodeOf(this.#slotOf(kind, name))?.name === ear.name;
  }

  async #subscribe(kind: SubscriptionKind, names: readonly Latin1[]): Promise<void> {
    const bySlot = new Map<number, Latin1[]>();
    for (const name of names) {
      const slot = this.#slotOf(kind, name);
      bySlot.set(slot, [...(bySlot.get(slot) ?? []), name]);
    }
    for (const [slot, wanted] of bySlot) {
      const ear = await this.#ears.at(slot);
      const held = ear === undefined ? undefined : this.#held.get(ear);
      if (ear === undefined || held === undefined) {
        this.#isMissing = true;
        continue;
      }
      await tell(ear, { kind, held, names: wanted.filter((name) => !held[kind].has(name)) });
    }
  }

  #unsubscribe(ear: Ear, held: Held): void {
    for (const kind of KINDS) {
      const wanted = new Set(this.#wanted(kind));
      const names = [...held[kind]].filter((name) => !wanted.has(name));
      if (names.length === 0) continue;
      for (const name of names) held[kind].delete(name);
      void ear.tell(chunked(kind, names).map((chunk) => [UNSUBSCRIBE[kind], ...chunk])).catch(() => {});
    }
  }
}

interface Told {
  readonly kind: SubscriptionKind;
  readonly held: Held;
  readonly names: readonly Latin1[];
}

async function tell(ear: Ear, { kind, held, names }: Told): Promise<void> {
  if (names.length === 0) return;
  await ear.tell(chunked(kind, names).map((chunk) => [SUBSCRIBE[kind], ...chunk]));
  for (const name of names) held[kind].add(name);
}

/** Shard channels one by one: those of one command must lie in one slot. */
function chunked(kind: SubscriptionKind, names: readonly Latin1[]): Latin1[][] {
  const chunks: Latin1[][] = [];
  const size = kind === 'shard' ? 1 : NAMES_MAX;
  for (let at = 0; at < names.length; at += size) chunks.push(names.slice(at, at + size));
  return chunks;
}
