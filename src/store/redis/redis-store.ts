// A site's own Redis as its store: joins connections, executor, merging, outbox, walker and bus. mqkv itself keeps nothing that
// Redis does not have: any number of gateways may serve one Redis, and each may be killed at any moment.
import { type Latin1, type Logger, messageOf, MqkvError, VALUE_BYTES_MAX } from '../../base/index.ts';
import { DeltaWriter, encodeDelta, type KeyState } from '../../crdt/index.ts';
import { bytesOf } from '../../base/index.ts';
import type { Executor } from '../executor.ts';
import type { MergeResult, Store, StoreStats } from '../store.ts';
import { type AllNodes, openAllNodes } from './all-nodes.ts';
import { openExecutor } from './executor.ts';
import { readKeys, stateOfHeld, textOf } from './held-key.ts';
import { planFree } from './merge-plan.ts';
import { Merging } from './merging.ts';
import { openMeta } from './meta.ts';
import { RedisOutbox } from './outbox.ts';
import { PartialExpiry } from './partial-expiry.ts';
import { RedisBus } from './redis-bus.ts';
import type { RedisStoreOptions } from './redis-store-options.ts';
import { openRouter, type Router } from './router.ts';
import { assembleWrite, loadScripts, type Script } from './scripts.ts';
import { usedSlotGroups, walkSlots } from './slot-walk.ts';
import { storeScripts, type StoreScripts } from './store-scripts.ts';
import { openTopology, type Topology, type TopologyChange } from './topology/index.ts';
import { ForeignWrites } from './foreign-writes.ts';
import { adoptKey, type Verified, verifyStore } from './verify.ts';
import { Walker } from './walker.ts';

/** Units: ms. How often sizes are asked for. */
const SIZES_MS = 1_000;
/** Keys of one page of a snapshot. */
const SNAPSHOT_KEYS = 64;
const HORIZON_MS = 24 * 3_600_000;

export type { RedisStoreOptions } from './redis-store-options.ts';

/** Opens a store. Errors: MqkvError of the topology (UNAVAILABLE, REDIS_…, EVICTION_POLICY), STORE_FORMAT, STORE_SITE. */
export async function openRedisStore(options: RedisStoreOptions): Promise<RedisStore> {
  const { url, clock, random, logger } = options;
  const scripts = storeScripts(options.changeScript);
  const write = options.changeScript?.(assembleWrite()) ?? assembleWrite();
  const all = [write, scripts.read, scripts.apply, scripts.merge, scripts.unmark, scripts.walk];
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
    const id = await openMeta(router, options.site, random);
    return new RedisStore(options, { topology, router, scripts, write, id });
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
  readonly id: string;
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
  readonly #sizes: { cancel(): void };
  #isMeasuring = false;
  #stats: StoreStats = { keys: 0, tombstones: 0, memoryBytes: 0 };
  readonly #foreignWrites: 'report' | 'adopt';
  readonly #foreign: ForeignWrites | undefined;
  readonly #givenOrigin: number | undefined;
  #lastOrigin = 1;

  constructor(options: RedisStoreOptions, parts: Parts) {
    const { clock, random, logger } = options;
    const { router, topology, scripts } = parts;
    this.#parts = parts;
    this.#givenOrigin = options.origin;
    this.#foreignWrites = options.foreignWrites ?? 'report';
    this.#logger = logger;
    this.name = options.url.mode === 'standalone' ? 'redis' : `redis+${options.url.mode}`;
    this.id = parts.id;
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
      isKeeping: options.marks,
    });
    this.bus = new RedisBus({ access: router, topology, random, logger });
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
    this.#sizes = clock.every(SIZES_MS, () => void this.#measure());
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
  }

  /** Merges encoded deltas of other sites; see merging.ts for what is atomic. Errors: MqkvError MALFORMED_DELTA, UNAVAILABLE, UNCERTAIN, OOM. */
  merge(deltas: Buffer): Promise<MergeResult> {
    return this.#merging.merge(deltas);
  }

  /** Every key's whole state, tombstones included. Order: by slot; keys written meanwhile may come in either state. */
  async *snapshot(maxBytes: number): AsyncGenerator<Buffer, void> {
    const writer = new DeltaWriter();
    for await (const keys of this.#keys())
      for (let at = 0; at < keys.length; at += SNAPSHOT_KEYS) {
        for (const { key, state } of await this.#statesOf(keys.slice(at, at + SNAPSHOT_KEYS))) {
          encodeDelta(writer, bytesOf(key), state, 'whole');
          if (writer.length >= maxBytes) yield writer.take();
        }
      }
    if (writer.length > 0) yield writer.take();
  }

  stats(): StoreStats {
    return this.#stats;
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

  /** One at a time: counting many keys takes longer than the pause between two. */
  async #measure(): Promise<void> {
    if (this.#isMeasuring) return;
    this.#isMeasuring = true;
    try {
      const keys = await this.allNodes.size();
      let memoryBytes = 0;
      for (const slot of this.#slotOfEachNode()) {
        const info = textOf(await this.router.call(slot, ['INFO', 'memory'], { isRead: true }));
        memoryBytes += Number(/used_memory:(\d+)/.exec(info)?.[1] ?? 0);
      }
      this.#stats = { keys, tombstones: 0, memoryBytes };
    } catch (error) {
      if (!(error instanceof MqkvError)) throw error;
    } finally {
      this.#isMeasuring = false;
    }
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
    this.#sizes.cancel();
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
