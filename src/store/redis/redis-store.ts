// A site's own Redis as its store: joins connections, executor, merging, outbox, walker and bus. mqkv itself keeps nothing that
// Redis does not have: any number of gateways may serve one Redis, and each may be killed at any moment.
import {
  type Latin1,
  type Logger,
  messageOf,
  type Random,
  randomHex,
  VALUE_BYTES_MAX,
} from '../../base/index.ts';
import type { KeyState } from '../../crdt/index.ts';
import type { Executor } from '../executor.ts';
import type { ComparedKey, Comparison, MergeResult, Page, Store, StoreStats } from '../store.ts';
import { type AllNodes, openAllNodes } from './all-nodes.ts';
import { compareSlots } from './comparing.ts';
import { discardAll } from './discarding.ts';
import { openExecutor } from './executor.ts';
import { slotsOf } from './key-scan.ts';
import { readKeys, stateOfHeld } from './held-key.ts';
import { planFree } from './merge-plan.ts';
import { Merging } from './merging.ts';
import { type Meta, openMeta } from './meta.ts';
import { RedisNotes } from './notes.ts';
import { RedisOutbox } from './outbox.ts';
import { pageOf, statesOf } from './paging.ts';
import { PartialExpiry } from './partial-expiry.ts';
import { RedisBus } from './redis-bus.ts';
import type { RedisStoreOptions } from './redis-store-options.ts';
import { openRouter, type Router } from './router.ts';
import { assembleWrite, loadScripts, type Script } from './scripts.ts';
import { Sizes } from './sizes.ts';
import { usedSlotGroups, walkSlots } from './slot-walk.ts';
import { RedisStaging } from './staging.ts';
import { storeScripts, type StoreScripts } from './store-scripts.ts';
import { openTopology, type Topology, type TopologyChange } from './topology/index.ts';
import { ForeignWrites } from './foreign-writes.ts';
import { adoptKey, type Verified, verifyStore } from './verify.ts';
import { Walker } from './walker.ts';

const HORIZON_MS = 24 * 3_600_000;
/** Message among gateways: one has discarded the data. */
const DISCARDED = 'discarded';
/** So few slots of a cluster are asked one by one, without looking which of them hold something. */
const FEW_SLOTS = 512;

export type { RedisStoreOptions } from './redis-store-options.ts';

/** Opens a store. Errors: MqkvError of the topology (UNAVAILABLE, REDIS_…, EVICTION_POLICY), STORE_FORMAT, STORE_SITE. */
export async function openRedisStore(options: RedisStoreOptions): Promise<RedisStore> {
  const { url, clock, random, logger } = options;
  const scripts = storeScripts(options.changeScript);
  const write = options.changeScript?.(assembleWrite()) ?? assembleWrite();
  const all = [write, ...Object.values(scripts)];
  const topology =
    options.topology ??
    (await openTopology(url, {
      clock,
      random,
      logger,
      ...(options.tls && { tls: options.tls }),
      onReady: (setup) => loadScripts((args) => setup.call(args), all),
    }));
  const router = openRouter(topology, { clock });
  try {
    const meta = await openMeta(router, options);
    const store = new RedisStore(options, { topology, router, scripts, write, meta });
    if (meta.discarding !== '') await store.discard();
    return store;
  } catch (error) {
    await router.close();
    await topology.close();
    throw error;
  }
}

interface Parts {
  readonly topology: Topology;
  readonly router: Router;
  readonly scripts: StoreScripts;
  readonly write: Script;
  readonly meta: Meta;
}

/** A `Store` whose data lies in a Redis. `executor`, `allNodes` and `onChanged` are what the gateway uses. */
export class RedisStore implements Store {
  readonly name: string;
  readonly id: string;
  readonly db: number;
  readonly executor: Executor;
  readonly router: Router;
  readonly topology: Topology;
  readonly allNodes: AllNodes;
  readonly outbox: RedisOutbox;
  readonly notes: RedisNotes;
  readonly staging: RedisStaging;
  stableBeforeMs = 0;
  onOrigin: (() => void) | undefined;
  readonly bus: RedisBus;
  readonly walker: Walker | undefined;
  /** The node that is asked first has another origin, or nodes came or went. */
  onTopology: ((change: TopologyChange) => void) | undefined;
  readonly #parts: Parts;
  readonly #logger: Logger;
  readonly #merging: Merging;
  readonly #partial: PartialExpiry;
  /** Who hears of changed keys, and whether it wants to at the moment. */
  readonly #hearers = new Map<(keys: readonly Latin1[]) => void, () => boolean>();
  readonly #sizes: Sizes;
  readonly #random: Random;
  readonly #foreignWrites: 'report' | 'adopt';
  readonly #foreign: ForeignWrites | undefined;
  readonly #givenOrigin: number | undefined;
  #lastOrigin = 1;
  /** The present ones, as text. */
  #origins: string;

  constructor(options: RedisStoreOptions, parts: Parts) {
    const { clock, random, logger } = options;
    const { router, topology, scripts } = parts;
    this.#parts = parts;
    this.#givenOrigin = options.origin;
    this.#foreignWrites = options.foreignWrites ?? 'report';
    this.#logger = logger;
    this.name = options.url.mode === 'standalone' ? 'redis' : `redis+${options.url.mode}`;
    this.id = parts.meta.id;
    this.#random = random;
    this.db = options.url.db;
    this.router = router;
    this.topology = topology;
    this.allNodes = openAllNodes({ router, topology, clock, random });
    this.#partial = new PartialExpiry(clock, (key) => void this.#freeNow(key));
    const partial = (key: Latin1, atMs: number): void => this.#partial.note(key, atMs);
    const changed = (keys: readonly Latin1[]): void => this.#tell(keys);
    this.#merging = new Merging(router, scripts, { changed, partial, triesOutside: options.triesOutside });
    this.outbox = new RedisOutbox({
      access: router,
      scripts,
      clock,
      logger,
      written: changed,
      isHeard: () => this.#isHeard(),
      partial,
      origin: (slot) => this.#originOf(slot),
      isKeeping: options.marks,
    });
    this.bus = new RedisBus({ access: router, topology, random, logger });
    this.notes = new RedisNotes(router, scripts.notes);
    this.staging = new RedisStaging({ access: router, script: scripts.fragment, clock, random });
    this.executor = openExecutor({
      upstream: router,
      script: parts.write,
      origin: (slot) => this.#originOf(slot),
      marks: options.marks,
      noted: this.outbox,
      adopt: options.foreignWrites === 'adopt',
      maxValueBytes: options.maxValueBytes ?? VALUE_BYTES_MAX,
    });
    router.onChange = (change) => this.#changedTopology(change);
    this.#foreign = this.#openForeign(options);
    this.walker = this.#openWalker(options, partial);
    this.#origins = this.#presentOrigins();
    this.#sizes = new Sizes({
      router,
      allNodes: this.allNodes,
      clock,
      random,
      site: options.site,
      meta: parts.meta,
      slots: () => this.#slotOfEachNode(),
      tombstones: () => this.walker?.tombstones,
      gone: (how) => this.#gone(how),
    });
    this.bus.on(DISCARDED, () => void this.#sizes.look().catch(() => {}));
  }

  #openForeign({ clock, logger, foreignWrites }: RedisStoreOptions): ForeignWrites | undefined {
    if (foreignWrites === undefined) return undefined;
    const { topology, db, executor } = this;
    return new ForeignWrites({
      topology,
      db,
      clock,
      logger,
      found: async (keys) => {
        this.#tell(keys);
        for (const key of keys) {
          logger.warn({ key: JSON.stringify(key) }, "written behind mqkv's back");
          if (foreignWrites === 'adopt') await adoptKey(executor, key);
        }
      },
    });
  }

  #openWalker(options: RedisStoreOptions, partial: (key: Latin1, atMs: number) => void): Walker | undefined {
    if (options.isWalking === false) return undefined;
    const { clock, random, logger, horizonMs = HORIZON_MS } = options;
    return new Walker({
      clock,
      random,
      logger,
      horizonMs,
      stableBeforeMs: () => this.stableBeforeMs,
      partial,
      access: this.router,
      scripts: this.#parts.scripts,
      merging: this.#merging,
      outbox: options.marks ? this.outbox : undefined,
      origin: (slot) => this.#originOf(slot),
    });
  }

  get origin(): number {
    if (this.#givenOrigin !== undefined) return this.#givenOrigin;
    const known = this.topology.nodes.find((node) => node.origin !== 0)?.origin;
    if (known !== undefined) this.#lastOrigin = known;
    return this.#lastOrigin;
  }

  isOwn(origin: number): boolean {
    if (this.#givenOrigin !== undefined) return origin === this.#givenOrigin;
    return this.topology.nodes.some((node) => node.origin === origin);
  }

  #originOf(slot: number): number {
    const origin = this.#givenOrigin ?? this.topology.nodeOf(slot)?.origin ?? 0;
    return origin === 0 ? this.origin : origin;
  }

  #changedTopology(change: TopologyChange): void {
    if (change.kind === 'nodes') {
      this.bus.listen();
      this.#foreign?.listen();
    }
    this.onTopology?.(change);
    const origins = this.#presentOrigins();
    if (origins === '' || origins === this.#origins) return;
    this.#origins = origins;
    this.onOrigin?.();
  }

  /** '' while none is known. */
  #presentOrigins(): string {
    const known = this.topology.nodes.map(({ origin }) => origin).filter((origin) => origin !== 0);
    return known.sort((a, b) => a - b).join();
  }

  /** The data has gone: what was acknowledged and lies here is still sent. Or another gateway has discarded it: then nothing is. */
  #gone(how: 'lost' | 'discarded'): void {
    this.#logger.warn({ how }, 'the data in the Redis is another one');
    if (how === 'discarded') this.#forget();
    this.walker?.clear();
    this.onOrigin?.();
  }

  #forget(): void {
    this.outbox.clear();
    this.staging.clear();
    this.#partial.close();
    this.walker?.clear();
    this.stableBeforeMs = 0;
  }

  /** Merges encoded deltas of other sites; see merging.ts for what is atomic. Errors: MqkvError MALFORMED_DELTA, UNAVAILABLE, UNCERTAIN, OOM. */
  merge(deltas: Buffer): Promise<MergeResult> {
    return this.#merging.merge(deltas);
  }

  page(cursor: string, maxBytes: number): Promise<Page> {
    return pageOf({ ...this.#scanAround(), origin: (slot) => this.#originOf(slot) }, cursor, maxBytes);
  }

  states(keys: readonly Latin1[], maxBytes: number): Promise<{ deltas: Buffer; count: number }> {
    return statesOf(this.#scanAround(), keys, maxBytes);
  }

  async compare({ atMs, slots }: Comparison, visit: (key: ComparedKey) => void): Promise<void> {
    await compareSlots(this.#scanAround(), { slots: await this.#heldSlots(slots), atMs }, visit);
  }

  /** Every key's whole state, for tests and tools: page by page. */
  async *snapshot(maxBytes: number): AsyncGenerator<Buffer, void> {
    for (let cursor: string | undefined = ''; cursor !== undefined; ) {
      const { deltas, next }: Page = await this.page(cursor, maxBytes);
      if (deltas.length > 0) yield deltas;
      cursor = next;
    }
  }

  /** The node's origin is what it is: it follows its history. */
  renewOrigin(): void {}

  async discard(): Promise<void> {
    const { router: access, topology } = this;
    this.#forget();
    const epoch = randomHex(this.#random, 8);
    await discardAll({
      access,
      script: this.#parts.scripts.discard,
      slots: this.#slotOfEachNode(),
      isSameNode: (slot, other) => topology.nodeOf(slot) === topology.nodeOf(other),
      epoch,
    });
    this.#forget();
    this.#sizes.began(epoch);
    this.bus.send(DISCARDED, Buffer.alloc(0));
    this.onOrigin?.();
  }

  stats(): StoreStats {
    return this.#sizes.stats;
  }

  /**
   * Calls `hear` for keys that a write or merge of this gateway has changed; plain SETs are not told while nobody `wants` it.
   * Result: stops it.
   */
  onChanged(hear: (keys: readonly Latin1[]) => void, wants: () => boolean = () => true): () => void {
    this.#hearers.set(hear, wants);
    return () => this.#hearers.delete(hear);
  }

  /** A key's state; undefined: nothing is held. Owns: the caller. */
  async stateOf(key: Latin1): Promise<KeyState | undefined> {
    const [found] = await this.#statesOf([key]);
    return found?.state;
  }

  /** Every key with a header, also those that show nothing. For tests and tools. */
  async allKeys(): Promise<Latin1[]> {
    const all = new Set<Latin1>();
    for await (const keys of this.#keys()) for (const key of keys) all.add(key);
    return [...all];
  }

  /** Frees what has expired of all keys, by Redis' clock. For tests: the walker does it. */
  async freeExpired(): Promise<void> {
    for await (const keys of this.#keys()) await this.#merging.alter(keys, planFree);
  }

  /** MQKV.VERIFY: looks at every key for what was written behind mqkv's back; reports or adopts it. Errors: those of the access. */
  verify(): Promise<Verified> {
    const { router: access, executor, allNodes } = this;
    const mode = this.#foreignWrites;
    const read = this.#parts.scripts.read;
    return verifyStore({
      access,
      read,
      executor,
      allNodes,
      logger: this.#logger,
      mode,
      keys: () => this.#keys(),
    });
  }

  async #statesOf(keys: readonly Latin1[]): Promise<{ readonly key: Latin1; readonly state: KeyState }[]> {
    const asked = keys.map((key) => ({ key, names: 'all' as const }));
    if (asked.length === 0) return [];
    const { keys: held } = await readKeys(this.router, this.#parts.scripts.read, asked);
    return held
      .filter(({ header }) => header !== undefined)
      .map((one) => ({ key: one.key, state: stateOfHeld(one) }));
  }

  /** Names of all keys with a header, each page of one slot on a cluster. */
  async *#keys(): AsyncGenerator<Latin1[], void> {
    const what = { youngerMs: 0, beforeMs: 0, tidy: 'all' } as const;
    for (const slots of await usedSlotGroups(this.router, this.#slotOfEachNode()))
      for await (const page of walkSlots(this.router, this.#parts.scripts.walk, { slots, what }))
        yield page.map(({ key }) => key);
  }

  async #freeNow(key: Latin1): Promise<void> {
    try {
      await this.#merging.alter([key], planFree);
    } catch (error) {
      this.#logger.debug({ error: messageOf(error) }, 'a part expired later: the walker frees it');
    }
  }

  #tell(keys: readonly Latin1[]): void {
    for (const hear of this.#hearers.keys()) hear(keys);
  }

  #isHeard(): boolean {
    for (const wants of this.#hearers.values()) if (wants()) return true;
    return false;
  }

  #scanAround(): { readonly access: Router; readonly scripts: StoreScripts } {
    return { access: this.router, scripts: this.#parts.scripts };
  }

  /** Of the wanted slots; on a cluster, where each costs a call, only those that hold something. */
  async #heldSlots(wanted: Uint8Array | undefined): Promise<readonly number[]> {
    const slots = slotsOf(wanted);
    if (!this.router.isCluster || slots.length < FEW_SLOTS) return slots;
    const groups = await usedSlotGroups(this.router, this.#slotOfEachNode());
    return groups.flat().filter((slot) => wanted === undefined || wanted[slot] !== 0);
  }

  #slotOfEachNode(): readonly number[] {
    if (!this.router.isCluster) return [0];
    const found = new Map<unknown, number>();
    for (let slot = 0; slot < 16_384 && found.size < this.topology.nodes.length; slot += 16) {
      const node = this.topology.nodeOf(slot);
      if (node !== undefined && !found.has(node)) found.set(node, slot);
    }
    return [...found.values()];
  }

  async close(): Promise<void> {
    this.#sizes.close();
    this.#partial.close();
    this.walker?.close();
    await this.outbox.close();
    this.bus.close();
    this.#foreign?.close();
    await this.router.close();
    await this.topology.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
