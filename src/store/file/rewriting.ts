// Makes the logs short again: a new log, then a snapshot of everything, then the files before are not needed.
//
// Invariants
// S1 The snapshot begins after the new log: what lies in the logs before it is in memory by then, and so in the snapshot.
// S2 The manifest names the new log before anything is written to it, and the snapshot only when it is whole and synced; the files
//    before go after that.
import { type Clock, type Disk, isWithin, type Logger, messageOf, type Random } from '../../base/index.ts';
import type { EmbeddedStore } from '../embedded/index.ts';
import type { Acceptance } from './acceptance.ts';
import type { LogWriter } from './log-writer.ts';
import { type LogEntry, type Manifest, nameOf, writeManifest } from './manifest.ts';
import { writeSnapshot } from './snapshot.ts';

/** Logs beyond which the next check rewrites: each start of the store adds one. */
const LOGS_MAX = 8;
/** Units: ms. A rewrite that failed is tried again so much later. */
const PAUSE_MS = 10_000;

export interface RewritingOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly embedded: EmbeddedStore;
  readonly writer: LogWriter;
  readonly acceptance: Acceptance;
  /** A shorter log is not rewritten. Units: bytes. */
  readonly bytesMin: number;
  /** As it was written last. */
  readonly manifest: Manifest;
  /** Units: bytes of all logs of the manifest, and of its snapshot. */
  readonly logBytes: number;
  readonly snapshotBytes: number;
}

export class Rewriting {
  manifest: Manifest;
  /** Units: bytes. */
  snapshotBytes: number;
  /** How often it was done. */
  rewrites = 0;
  readonly #options: RewritingOptions;
  /** Units: bytes of the logs before the present one. */
  #earlierBytes: number;
  #running: Promise<void> | undefined;
  #notBeforeMs = 0;
  #isClosed = false;

  constructor(options: RewritingOptions) {
    this.#options = options;
    this.manifest = options.manifest;
    this.snapshotBytes = options.snapshotBytes;
    this.#earlierBytes = options.logBytes;
  }

  /** Units: bytes of all logs. */
  get logBytes(): number {
    return this.#earlierBytes + this.#options.writer.fileBytes;
  }

  /** Begins a rewrite where the logs have grown enough. */
  check(): void {
    const { logBytes, snapshotBytes, manifest } = this;
    const isLong = logBytes > this.#options.bytesMin && logBytes > 2 * snapshotBytes;
    if (!isLong && manifest.logs.length <= LOGS_MAX) return;
    if (!isWithin(this.#options.clock, this.#notBeforeMs, PAUSE_MS)) void this.start();
  }

  /** Rewrites now, or waits for the one under way. Never rejects: a failure is logged. */
  start(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#running ??= this.#rewrite()
      .catch((error: unknown) => {
        const { logger, disk } = this.#options;
        logger.warn(
          { path: disk.path, error: messageOf(error) },
          'the log could not be rewritten, tried again later',
        );
        this.#notBeforeMs = this.#options.clock.now() + PAUSE_MS;
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  /** Gives up what is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
  }

  async #rewrite(): Promise<void> {
    const { disk, logger } = this.#options;
    const before = this.manifest;
    await this.#turnLog();
    const keptLogs = this.manifest.logs.slice(-1);
    const snapshot = await this.#snapshot();
    if (snapshot === undefined) return;
    this.manifest = { ...this.manifest, snapshot, logs: keptLogs };
    await writeManifest(disk, this.manifest);
    this.#earlierBytes = 0;
    this.rewrites++;
    this.#options.writer.renew();
    for (const { name } of [...before.logs, ...(before.snapshot === undefined ? [] : [before.snapshot])])
      await disk.remove(name);
    await disk.syncFolder();
    logger.info({ path: disk.path, bytes: this.snapshotBytes }, 'log rewritten');
  }

  /** S2. */
  async #turnLog(): Promise<void> {
    const { disk, random, writer } = this.#options;
    const number = this.manifest.number + 1;
    const salt = random.uint32();
    const name = nameOf('log', number, salt);
    const file = await disk.create(name);
    const inode = (await disk.identity(name))?.inode ?? '';
    const earlierBytes = this.logBytes;
    // The first sequence is not known yet: logs without an end are read as one.
    const log: LogEntry = { name, salt, first: writer.sequence };
    const manifest = { ...this.manifest, number, inode, logs: [...this.manifest.logs, log] };
    let first: number;
    try {
      await writeManifest(disk, manifest);
      first = await writer.turnTo({ file, salt });
    } catch (error) {
      await file.close().catch(() => {});
      throw error;
    }
    this.#earlierBytes = earlierBytes;
    this.manifest = { ...manifest, logs: [...this.manifest.logs, { ...log, first }] };
  }

  async #snapshot(): Promise<Manifest['snapshot']> {
    const { disk, clock, random, embedded, writer, acceptance } = this.#options;
    const salt = random.uint32();
    const name = nameOf('snapshot', this.manifest.number, salt);
    const written = await writeSnapshot({
      disk,
      clock,
      core: embedded.keyspace.core,
      name,
      salt,
      notes: embedded.notes.entries(),
      collapsed: embedded.outbox.collapsed,
      underWay: () => acceptance.underWay(),
      isOver: () => this.#isClosed,
    });
    if (written === undefined) {
      await disk.remove(name);
      return undefined;
    }
    this.snapshotBytes = written.bytes;
    return { name, salt, blocks: written.blocks, marksUpTo: writer.sequence };
  }
}
