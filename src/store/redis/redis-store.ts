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
import { discardAll } from './discarding.ts';
import { openExecutor } from './executor.ts';
import { Hearers } from './hearers.ts';
import { planFree } from './merge-plan.ts';
import { Merging } from './merging.ts';
import { type Meta, openMeta } from './meta.ts';
import { RedisNotes } from './notes.ts';
import { RedisOutbox } from './outbox.ts';
import { Origins } from './origins.ts';
import { PartialExpiry } from './partial-expiry.ts';
import { Refused } from './refused.ts';
import { RedisBus } from './redis-bus.ts';
import type { RedisStoreOptions } from './redis-store-options.ts';
import { openRouter, type Router } from './router.ts';
import { assembleWrite, loadScripts, type Script } from './scripts.ts';
import { Sizes } from './sizes.ts';
import { RedisStaging } from './staging.ts';
import { storeScripts, type StoreScripts } from './store-scripts.ts';
import { openTopology, type Topology, type TopologyChange } from './topology/index.ts';
import { ForeignWrites } from './foreign-writes.ts';
import { adoptKey, type Verified, verifyStore } from './verify.ts';
import { Walker } from './walker.ts';
import { WholeKeys } from './whole-keys.ts';

const HORIZON_MS = 24 * 3_600_000;
/** Message among gateways: one has discarded the data. */
const DISCARDED = 'discarded';

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
      ground: options.ground,
      onReady: (setup) => loadScripts((args) => setup.call(args), all),
    }));
  const router = openRouter(topology, { clock });
  let store: RedisStore | undefined;
  try {
    const meta = await openMeta(router, options);
    store = new RedisStore(options, { topology, router, scripts, write, meta });
    await store.begin();
    if (meta.discarding !== '') await store.discard();
    return store;
  } catch (error) {
    await store?.close();
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
  readonly refused: Refused;
  stableBeforeMs = 0;
  onOrigin: (() => void) | undefined;
  readonly bus: RedisBus;
  readonly walker: Walker | undefined;
  /** The node that is asked first has another origin, or nodes came or went. */
  onTopology: ((change: TopologyChange) => void) | undefined;
  readonly scripts: StoreScripts;
  readonly #logger: Logger;
  readonly #merging: Merging;
  readonly #partial: PartialExpiry;
  readonly #hearers = new Hearers();
  readonly #sizes: Sizes;
  readonly #random: Random;
  readonly #foreignWrites: 'report' | 'adopt';
  readonly #foreign: ForeignWrites | undefined;
  readonly #origins: Origins;
  readonly #keys: WholeKeys;

  constructor(options: RedisStoreOptions, parts: Parts) {
    const { clock, random, logger } = options;
    const { router, topology, scripts } = parts;
    this.scripts = scripts;
    this.#origins = new Origins(topology, { given: options.origin, salt: parts.meta.salt });
    const origin = (slot: number): number => this.#origins.of(slot);
    this.#keys = new WholeKeys({ access: router, scripts, origin }, topology);
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
    const changed = (keys: readonly Latin1[]): void => this.#hearers.tell(keys);
    this.refused = new Refused(router, logger);
    const { triesOutside } = options;
    this.#merging = new Merging(router, scripts, { changed, partial, triesOutside, refused: this.refused });
    this.outbox = new RedisOutbox({
      access: router,
      scripts,
      clock,
      logger,
      written: changed,
      isHeard: () => this.#hearers.isHeard,
      partial,
      origin,
      restore: (deltas) => this.merge(deltas),
      isKeeping: options.marks,
    });
    this.bus = new RedisBus({ access: router, topology, random, logger });
    this.notes = new RedisNotes(router, scripts.notes);
    this.staging = new RedisStaging({ access: router, script: scripts.fragment, clock, random });
    this.executor = openExecutor({
      upstream: router,
      script: parts.write,
      origin: (slot) => this.#origins.unsaltedOf(slot),
      salted: (present) => this.#origins.salted(present),
      marks: options.marks,
      noted: this.outbox,
      adopt: options.foreignWrites === 'adopt',
      maxValueBytes: options.maxValueBytes ?? VALUE_BYTES_MAX,
      turn: options.ground?.turn,
    });
    router.onChange = (change) => this.#changedTopology(change);
    this.#foreign = this.#openForeign(options);
    this.walker = this.#openWalker(options, partial);
    this.#sizes = new Sizes({
      router,
      allNodes: this.allNodes,
      clock,
      random,
      site: options.site,
      meta: parts.meta,
      slots: () => this.#keys.slotOfEachNode(),
      tombstones: () => this.walker?.tombstones,
      gone: (how, salt) => this.#gone(how, salt),
      bulkLimit: (bytes) => {
        this.refused.bulkBytesMax = bytes;
      },
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
        this.#hearers.tell(keys);
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
      scripts: this.scripts,
      merging: this.#merging,
      outbox: options.marks ? this.outbox : undefined,
      origin: (slot) => this.#origins.of(slot),
    });
  }

  get origin(): number {
    return this.#origins.first;
  }

  isOwn(origin: number): boolean {
    return this.#origins.isOwn(origin);
  }

  #changedTopology(change: TopologyChange): void {
    if (change.kind === 'nodes') {
      this.bus.listen();
      this.#foreign?.listen();
    }
    this.onTopology?.(change);
    if (!this.#origins.haveChanged()) return;
    this.outbox.wentBack();
    this.onOrigin?.();
  }

  /** The data has gone: what was acknowledged and lies here is still sent. Or another gateway has discarded it: then nothing is. */
  #gone(how: 'lost' | 'discarded', salt: string): void {
    this.#logger.warn({ how }, 'the data in the Redis is another one');
    if (how === 'discarded') this.#forget();
    else this.outbox.wentBack();
    this.walker?.clear();
    this.#origins.setSalt(salt);
    this.#origins.haveChanged();
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
    return this.#keys.page(cursor, maxBytes);
  }

  states(keys: readonly Latin1[], maxBytes: number): Promise<{ deltas: Buffer; count: number }> {
    return this.#keys.states(keys, maxBytes);
  }

  compare(comparison: Comparison, visit: (key: ComparedKey) => void): Promise<void> {
    return this.#keys.compare(comparison, visit);
  }

  /** Every key's whole state, page by page. For tests and tools. */
  snapshot(maxBytes: number): AsyncGenerator<Buffer, void> {
    return this.#keys.snapshot(maxBytes);
  }

  /** The node's origin is what it is: it follows its history. */
  renewOrigin(): void {}

  async findMarks(): Promise<void> {
    await this.walker?.findMarks();
  }

  async discard(): Promise<void> {
    const { router: access, topology } = this;
    this.#forget();
    const epoch = randomHex(this.#random, 8);
    await discardAll({
      access,
      script: this.scripts.discard,
      slots: this.#keys.slotOfEachNode(),
      isSameNode: (slot, other) => topology.nodeOf(slot) === topology.nodeOf(other),
      epoch,
    });
    this.#forget();
    this.#sizes.began(epoch);
    this.#origins.setSalt(epoch);
    this.#origins.haveChanged();
    this.bus.send(DISCARDED, Buffer.alloc(0));
    this.onOrigin?.();
  }

  /** The first look at the Redis, as `openRedisStore` does it. */
  begin(): Promise<void> {
    return this.#sizes.begin();
  }

  /** Reads what the Redis takes; done by itself once a minute too. */
  lookAtLimits(): Promise<void> {
    return this.#sizes.lookAtLimits();
  }

  /** Merges decided anew because a key was written meanwhile. */
  get mergeRetries(): number {
    return this.#merging.retries;
  }

  stats(): StoreStats {
    return this.#sizes.stats;
  }

  /**
   * Calls `hear` for keys that a write or merge of this gateway has changed; plain SETs are not told while nobody `wants` it.
   * Result: stops it.
   */
  onChanged(hear: (keys: readonly Latin1[]) => void, wants: () => boolean = () => true): () => void {
    return this.#hearers.add(hear, wants);
  }

  /** A key's state; undefined: nothing is held. Owns: the caller. */
  stateOf(key: Latin1): Promise<KeyState | undefined> {
    return this.#keys.stateOf(key);
  }

  /** Every key with a header, also those that show nothing. For tests and tools. */
  async allKeys(): Promise<Latin1[]> {
    const all = new Set<Latin1>();
    for await (const keys of this.#keys.names()) for (const key of keys) all.add(key);
    return [...all];
  }

  /** Frees what has expired of all keys, by Redis' clock. For tests: the walker does it. */
  async freeExpired(): Promise<void> {
    for await (const keys of this.#keys.names()) await this.#merging.alter(keys, planFree);
  }

  /** MQKV.VERIFY: looks at every key for what was written behind mqkv's back; reports or adopts it. Errors: those of the access. */
  verify(): Promise<Verified> {
    const { router: access, executor, allNodes } = this;
    const mode = this.#foreignWrites;
    const read = this.scripts.read;
    return verifyStore({
      access,
      read,
      executor,
      allNodes,
      logger: this.#logger,
      mode,
      keys: () => this.#keys.names(),
      refused: this.refused,
    });
  }

  async #freeNow(key: Latin1): Promise<void> {
    try {
      await this.#merging.alter([key], planFree);
    } catch (error) {
      this.#logger.debug({ error: messageOf(error) }, 'a part expired later: the walker frees it');
    }
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
