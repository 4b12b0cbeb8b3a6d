// The embedded store: opens the table and joins keyspace, outbox, merging, expiry and snapshots.
import {
  type Clock,
  HORIZON_MS,
  type Latin1,
  latin1Of,
  type Logger,
  type Random,
  randomHex,
  randomOrigin,
} from '../../base/index.ts';
import type { KeyState } from '../../crdt/index.ts';
import type { CommandBatch } from '../../resp/index.ts';
import type { ComparedKey, Comparison, MergeResult, Page, Store, StoreStats } from '../store.ts';
import { dropMarks } from './alone.ts';
import { compareAll } from './comparing.ts';
import { Core } from './core.ts';
import { DeltaBuffer } from './delta-buffer.ts';
import { EmbeddedOutbox } from './embedded-outbox.ts';
import { expireDue, freeExpired, startExpiry } from './expiry.ts';
import { Forgetting } from './forgetting.ts';
import { EmbeddedKeyspace } from './keyspace.ts';
import { Merging } from './merging.ts';
import { MemoryNotes } from './notes.ts';
import { pageOf, statesOf } from './paging.ts';
import type { Ref } from './slab.ts';
import { MemoryStaging } from './staging.ts';

/** What an embedded store is opened with. */
export interface EmbeddedStoreOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** A memory store takes a new origin at every start; tests give their own. Range: 1 .. 2^32 - 2. */
  readonly origin?: number;
  /** Frees and forgets by itself (default). false: only `free`, `freeExpired`, `forget` and merges do, for golden cases. */
  readonly activeExpiry?: boolean;
  /** Default: a random one. Shape: 16 hex characters. */
  readonly id?: string;
  /** Marks of the outbox beyond this are collapsed to slots. Units: bytes; default OUTBOX_BYTES_MAX. */
  readonly outboxBytesMax?: number;
  /** How long deletions are remembered. Units: ms; default HORIZON_MS. */
  readonly horizonMs?: number;
  /** There is no queue: marks go by themselves; and where nothing is kept beyond the process, all is stable at once. */
  readonly isAlone?: boolean;
}

/** A `Store` whose data lies in this process. `keyspace` is what command handlers use. */
export class EmbeddedStore implements Store {
  readonly name = 'memory';
  readonly id: string;
  readonly keyspace: EmbeddedKeyspace;
  readonly outbox: EmbeddedOutbox;
  readonly notes: MemoryNotes = new MemoryNotes();
  readonly staging: MemoryStaging;
  stableBeforeMs = 0;
  onOrigin: (() => void) | undefined;
  protected readonly core: Core;
  readonly #merging: Merging;
  readonly #isAlone: boolean;
  readonly #deltas = new DeltaBuffer();
  readonly #forgetting: Forgetting;
  #stop: () => void = () => {};

  constructor(options: EmbeddedStoreOptions) {
    const { clock, random, logger, origin, activeExpiry, id, outboxBytesMax, isAlone = false } = options;
    this.#isAlone = isAlone;
    this.id = id ?? randomHex(random, 8);
    this.core = new Core({ clock, random, origin: origin ?? randomOrigin(random) });
    this.keyspace = new EmbeddedKeyspace(this.core);
    this.#merging = new Merging(this.core);
    this.outbox = new EmbeddedOutbox(this.core, outboxBytesMax);
    this.outbox.onCollapse = () =>
      logger.warn(
        { bytes: this.outbox.pendingBytes },
        'the outbox is full: the oldest marks are left to comparisons with the other sites',
      );
    this.staging = new MemoryStaging(clock);
    this.#forgetting = this.#openForgetting(options);
    if (activeExpiry !== false) this.start();
  }

  #openForgetting({ clock, logger, horizonMs = HORIZON_MS }: EmbeddedStoreOptions): Forgetting {
    return new Forgetting(this.core, {
      horizonMs,
      stableBeforeMs: () =>
        this.#isAlone && this.core.journal === undefined ? clock.now() : this.stableBeforeMs,
      waitsSinceMs: () => (this.outbox.collapsed === undefined ? this.outbox.waitsSinceMs : undefined),
      onRound: () => this.staging.expire(),
      onJump: () =>
        logger.warn({}, 'the clock has jumped ahead: nothing is forgotten until it has stayed there'),
    });
  }

  /** Frees and forgets by itself from now on; done by the constructor unless `activeExpiry` is false. */
  start(): void {
    const expiry = startExpiry(this.core);
    const dropping = this.#isAlone ? dropMarks(this.outbox, this.core.clock) : undefined;
    this.#forgetting.start();
    this.#stop = () => {
      expiry.cancel();
      dropping?.cancel();
      this.#forgetting.cancel();
    };
  }

  get origin(): number {
    return this.core.origin;
  }

  isOwn(origin: number): boolean {
    return origin === this.origin;
  }

  /** Hint before a group of commands is executed. */
  prepare(batch: CommandBatch, from: number, to: number): void {
    this.keyspace.prepare(batch, from, to);
  }

  /** Merges encoded deltas of other sites, atomically. Errors: MqkvError `MALFORMED_DELTA`. */
  merge(deltas: Buffer): MergeResult {
    return this.#merging.merge(deltas);
  }

  async page(cursor: string, maxBytes: number): Promise<Page> {
    return pageOf(this.core, this.#deltas, { cursor, maxBytes });
  }

  compare(comparison: Comparison, visit: (key: ComparedKey) => void): Promise<void> {
    return compareAll(this.core, { comparison, clock: this.core.clock }, visit);
  }

  async states(
    keys: readonly Latin1[],
    maxBytes: number,
  ): Promise<{ readonly deltas: Buffer; readonly count: number }> {
    return statesOf(this.core, this.#deltas, { keys, maxBytes });
  }

  renewOrigin(): void {
    const { core } = this;
    const before = core.origin;
    while (core.origin === before) core.origin = randomOrigin(core.random);
    this.onOrigin?.();
  }

  async discard(): Promise<void> {
    this.core.discard();
    this.notes.clear();
    this.staging.clear();
    this.outbox.takeCollapsed();
    this.stableBeforeMs = 0;
    this.renewOrigin();
  }

  stats(): StoreStats {
    const { table, shown } = this.core;
    const memoryBytes = table.slab.reservedBytes + table.index.memoryBytes + table.bigBytes;
    return { keys: shown, tombstones: table.count - shown, memoryBytes };
  }

  /** A key's state as it is held (Owns: only to be read, until the next change); undefined: nothing is held. */
  stateOf(key: Latin1): KeyState | undefined {
    const ref = this.core.locate(key);
    return ref === 0 ? undefined : this.core.state(ref);
  }

  /** Every key held, also those that show nothing. For tests and tools: it makes a string of each. */
  allKeys(): Latin1[] {
    const refs: Ref[] = [];
    this.core.table.index.scan(0, Number.POSITIVE_INFINITY, (ref) => refs.push(ref));
    return refs.map((ref) => latin1Of(this.core.table.key(ref)));
  }

  /** Frees what a fired expiry has ended of one key. Units: `now` Unix ms. */
  free(key: Latin1, now: number): void {
    const ref = this.core.locate(key);
    this.core.tick(now);
    if (ref !== 0) this.core.freeRecord(ref, now);
  }

  /** Frees what has expired of all keys. Units: `now` Unix ms. Cost: looks at every key. */
  freeExpired(now: number): void {
    this.core.tick(now);
    freeExpired(this.core, now);
  }

  /** One round of forgetting over all keys, whatever the clock did before. Result: how many keys were forgotten. */
  async forget(): Promise<number> {
    const before = this.#forgetting.forgotten;
    await this.#forgetting.round();
    return this.#forgetting.forgotten - before;
  }

  /** One step of the expiry cycle: at most `count` due entries. Result: whether nothing due is left. */
  expireDue(now: number, count: number): boolean {
    return expireDue(this.core, now, count);
  }

  /** Entries of the timing wheel, stale ones included. */
  get timersHeld(): number {
    return this.core.wheel.length;
  }

  async close(): Promise<void> {
    this.#stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Opens a store in this process's memory; nothing is kept when it closes. */
export function openEmbeddedStore(options: EmbeddedStoreOptions): EmbeddedStore {
  return new EmbeddedStore(options);
}
