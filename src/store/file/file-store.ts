// The log store: the embedded store, and a log that outlives the process.
import { type Clock, type FolderLock, type Disk, MqkvError, type Timer } from '../../base/index.ts';
import type { CommandBatch } from '../../resp/index.ts';
import type { EmbeddedStore } from '../embedded/index.ts';
import type { ComparedKey, Comparison, MergeResult, Notes, Page, Store, StoreStats } from '../store.ts';
import type { Acceptance } from './acceptance.ts';
import type { FileJournal } from './file-journal.ts';
import { FileNotes } from './file-notes.ts';
import type { Fsync, LogWriter } from './log-writer.ts';
import { writeClean } from './manifest.ts';
import type { Rewriting } from './rewriting.ts';

/** Units: ms. How often it is looked whether the log should be rewritten. */
const CHECK_MS = 1_000;

/** What an open store is made of. */
export interface FileStoreParts {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly lock: FolderLock;
  readonly fsync: Fsync;
  readonly embedded: EmbeddedStore;
  readonly writer: LogWriter;
  readonly journal: FileJournal;
  readonly acceptance: Acceptance;
  readonly rewriting: Rewriting;
}

/** Numbers of the log, for `/api/v1/stats`. */
export interface LogStats {
  /** Units: bytes. */
  readonly logBytes: number;
  readonly snapshotBytes: number;
  readonly rewrites: number;
  /** Why growing writes are refused; null: they are not. */
  readonly problem: string | null;
}

/** A `Store` in this process whose data outlives it. `embedded` holds it; command handlers use its `keyspace`. */
export class FileStore implements Store {
  readonly name = 'file';
  /** Owns: not to be closed, merged into or discarded apart from this store. */
  readonly embedded: EmbeddedStore;
  readonly keyspace: EmbeddedStore['keyspace'];
  readonly outbox: EmbeddedStore['outbox'];
  readonly staging: EmbeddedStore['staging'];
  readonly notes: Notes;
  readonly #parts: FileStoreParts;
  readonly #timer: Timer;
  #closing: Promise<void> | undefined;
  /** Entries of the log when `settled` was asked last. */
  #acknowledged = 0;

  constructor(parts: FileStoreParts) {
    const { embedded, writer, rewriting, clock } = parts;
    this.#parts = parts;
    this.embedded = embedded;
    this.keyspace = embedded.keyspace;
    this.outbox = embedded.outbox;
    this.staging = embedded.staging;
    this.notes = new FileNotes(embedded.notes, parts.journal);
    writer.onBrokenSync = () => void rewriting.start();
    this.#timer = clock.every(CHECK_MS, () => rewriting.check());
  }

  get id(): string {
    return this.embedded.id;
  }

  get origin(): number {
    return this.embedded.origin;
  }

  get stableBeforeMs(): number {
    return this.embedded.stableBeforeMs;
  }

  set stableBeforeMs(ms: number) {
    this.embedded.stableBeforeMs = ms;
  }

  get onOrigin(): (() => void) | undefined {
    return this.embedded.onOrigin;
  }

  set onOrigin(task: (() => void) | undefined) {
    this.embedded.onOrigin = task;
  }

  /** Why growing local writes and merges are refused: the disk does not take them. undefined: they are not. */
  get problem(): string | undefined {
    return this.#parts.writer.problem;
  }

  isOwn(origin: number): boolean {
    return this.embedded.isOwn(origin);
  }

  prepare(batch: CommandBatch, from: number, to: number): void {
    this.embedded.prepare(batch, from, to);
  }

  /**
   * With `fsync=always`: what was written since the last call (`all`: ever) may be acknowledged when this resolves; undefined: it
   * may now.
   */
  settled(all = true): Promise<void> | undefined {
    const { writer, fsync } = this.#parts;
    if (fsync !== 'always' || (!all && writer.appends === this.#acknowledged)) return undefined;
    this.#acknowledged = writer.appends;
    return writer.settled();
  }

  /** Errors: MqkvError `MALFORMED_DELTA`, `STORE_UNWRITABLE`; then nothing was merged. */
  merge(deltas: Buffer): MergeResult | Promise<MergeResult> {
    const { problem } = this;
    if (problem !== undefined)
      throw new MqkvError('STORE_UNWRITABLE', `the log cannot be written: ${problem}`);
    const result = this.embedded.merge(deltas);
    return this.settled()?.then(() => result) ?? result;
  }

  page(cursor: string, maxBytes: number): Promise<Page> {
    return this.embedded.page(cursor, maxBytes);
  }

  compare(comparison: Comparison, visit: (key: ComparedKey) => void): Promise<void> {
    return this.embedded.compare(comparison, visit);
  }

  states(...args: Parameters<Store['states']>): ReturnType<Store['states']> {
    return this.embedded.states(...args);
  }

  renewOrigin(): void {
    this.embedded.renewOrigin();
  }

  async discard(): Promise<void> {
    const { journal, acceptance, rewriting } = this.#parts;
    journal.discarded();
    acceptance.discarded();
    await this.embedded.discard();
    void rewriting.start();
  }

  /** A key's state as it is held, for MQKV.TRACE; undefined: nothing is held. */
  stateOf(...args: Parameters<EmbeddedStore['stateOf']>): ReturnType<EmbeddedStore['stateOf']> {
    return this.embedded.stateOf(...args);
  }

  stats(): StoreStats {
    return this.embedded.stats();
  }

  logStats(): LogStats {
    const { logBytes, snapshotBytes, rewrites } = this.#parts.rewriting;
    return { logBytes, snapshotBytes, rewrites, problem: this.problem ?? null };
  }

  /** Writes everything to a new snapshot and drops the logs before. Resolves when it is done or has failed. */
  rewrite(): Promise<void> {
    return this.#parts.rewriting.start();
  }

  /** Writes what is left and the mark of a clean stop. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { embedded, writer, rewriting, lock } = this.#parts;
    this.#timer.cancel();
    await embedded.close();
    await rewriting.close();
    if (await writer.close()) await this.#markClean();
    await lock.release();
  }

  async #markClean(): Promise<void> {
    const { disk, rewriting } = this.#parts;
    const log = rewriting.manifest.logs.at(-1)?.name ?? '';
    const identity = await disk.identity(log);
    if (identity !== undefined)
      await writeClean(disk, { origin: this.origin, log, ...identity }).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
