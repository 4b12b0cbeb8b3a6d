// Takes what the journal writes to the disk: blocks in order, synced by policy, repeated until the disk takes them.
//
// Invariants
// W1 Blocks reach the file in the order of their sequences; what was not written stays in memory and is written again.
// W2 `synced` of a block counts only blocks whose sync had come back when it was sealed.
// W3 After a sync that failed nothing counts as synced until the whole state was written to a new file (`onBrokenSync`).
import { type AppendFile, type Clock, type Logger, messageOf, type Timer } from '../../base/index.ts';
import { sealBlock } from './blocks.ts';
import { EntryBuffer } from './entry-buffer.ts';

/** When what was written is synced. */
export type Fsync = 'always' | 'everysec' | 'no';

/** Units: ms. What waits is written at least so often; all other times are counted in these, since the clock may jump. */
const TICK_MS = 100;
/** How often it is synced. */
const SYNC_TICKS = 10;
/** Units: ms. How often a disk that failed is tried again. */
const RETRY_MS = 1_000;
/** How long writes are taken that the disk does not take: 1 s. */
const UNWRITTEN_TICKS_MAX = 10;
/** A disk that answers nothing at all may only be slow: 5 s. */
const STALLED_TICKS_MAX = 50;
/** Units: bytes; as many make a block at once. */
const FULL_BYTES = 256 * 1024;

export interface LogWriterOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fsync: Fsync;
  readonly path: string;
  /** Units: bytes of changes that wait; beyond it growing writes are refused. */
  readonly bufferBytesMax: number;
  /** Sequence of the next block. */
  readonly sequence: number;
  /** What was accepted by the queue, as the next header says it. */
  readonly accepted: () => number;
}

/** The file that is written to. */
export interface LogFile {
  readonly file: AppendFile;
  readonly salt: number;
}

interface Waiter {
  readonly sequence: number;
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

/** A sealed block that has not been written. */
interface Pending {
  readonly block: Buffer;
  readonly sequence: number;
}

export class LogWriter {
  readonly buffer = new EntryBuffer();
  /** Sequence of the block that `buffer` becomes. */
  sequence: number;
  /** Entries so far. */
  appends = 0;
  /** Units: bytes written to the present file. */
  fileBytes = 0;
  /** Called when a sync has failed: all must be written anew, and then `renew` called. */
  onBrokenSync: (() => void) | undefined;
  readonly #options: LogWriterOptions;
  readonly #waiters: Waiter[] = [];
  readonly #timer: Timer;
  #log: LogFile;
  #pending: Pending | undefined;
  #synced: number;
  #written: number;
  #lastAccepted: number;
  #isWriting = false;
  #last: Promise<void> = Promise.resolve();
  #syncing: Promise<void> | undefined;
  #isSyncBroken = false;
  #ticks = 0;
  /** For how long something has waited while nothing was written. */
  #waitedTicks = 0;
  #failure = '';
  #retry: Timer | undefined;
  #isKicked = false;
  #isClosed = false;

  constructor(log: LogFile, options: LogWriterOptions) {
    this.#options = options;
    this.#log = log;
    this.sequence = options.sequence;
    this.#written = options.sequence;
    this.#synced = options.sequence;
    this.#lastAccepted = options.accepted();
    this.#timer = options.clock.every(TICK_MS, () => this.#tick());
  }

  /** Blocks below this sequence are synced. */
  get synced(): number {
    return this.#synced;
  }

  /** Why writes are refused; undefined: they are not. */
  get problem(): string | undefined {
    if (this.#isSyncBroken) return this.#failure;
    if (this.#failure !== '' && this.#waitedTicks > UNWRITTEN_TICKS_MAX) return this.#failure;
    if (this.#waitedTicks > STALLED_TICKS_MAX) return 'the disk does not answer';
    return this.buffer.length > this.#options.bufferBytesMax
      ? 'more waits to be written than memory allows'
      : undefined;
  }

  /** Something was appended to `buffer`. */
  appended(): void {
    this.appends++;
    if (this.#isKicked || this.#isWriting) return;
    // At the end of the turn: what the commands of one turn changed goes together.
    this.#isKicked = true;
    void Promise.resolve().then(this.#kick);
  }

  /** Resolves when everything appended so far is synced; undefined: it is. */
  settled(): Promise<void> | undefined {
    const sequence = this.buffer.isEmpty ? this.sequence : this.sequence + 1;
    if (this.#synced >= sequence) return undefined;
    const last = this.#waiters.at(-1);
    if (last?.sequence === sequence) return last.promise;
    let resolve = (): void => {};
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    this.#waiters.push({ sequence, promise, resolve });
    return promise;
  }

  /**
   * From the next block on another file is written. Result, once the one before is synced and closed: the first sequence of the new
   * one; what was appended before the call lies below it. Errors: the system's; then nothing has changed.
   */
  async turnTo(log: LogFile): Promise<number> {
    let first = 0;
    await this.#exclusive(async () => {
      if (!this.#isSyncBroken) await this.#flush();
      const before = this.#log;
      this.#log = log;
      this.fileBytes = 0;
      first = this.#pending?.sequence ?? this.sequence;
      if (this.#pending !== undefined) this.#sealAgain(this.#pending);
      await this.#syncing;
      await before.file.close().catch(() => {});
    });
    return first;
  }

  /** W3: all blocks that were sealed are safe in another way. */
  renew(): void {
    if (!this.#isSyncBroken) return;
    this.#isSyncBroken = false;
    this.#advance(this.sequence);
    this.#kick();
  }

  /** Writes the rest, as far as the disk takes it. true: all of it is synced. */
  async close(): Promise<boolean> {
    if (this.#isClosed) return false;
    this.#isClosed = true;
    this.#timer.cancel();
    this.#retry?.cancel();
    try {
      await this.#exclusive(() => this.#flush());
      await this.#log.file.close();
      return !this.#isSyncBroken;
    } catch (error) {
      this.#options.logger.error(
        { path: this.#options.path, error: messageOf(error) },
        'the end of the log could not be written',
      );
      await this.#log.file.close().catch(() => {});
      return false;
    }
  }

  #tick(): void {
    this.#kick();
    this.#ticks++;
    this.#waitedTicks = this.buffer.isEmpty && this.#pending === undefined ? 0 : this.#waitedTicks + 1;
    if (this.#options.fsync === 'everysec' && this.#ticks % SYNC_TICKS === 0) this.#syncSoon();
  }

  /** Something was accepted that no block tells of yet: an empty one will. */
  get #hasNews(): boolean {
    return this.#options.accepted() > this.#lastAccepted;
  }

  readonly #kick = (): void => {
    this.#isKicked = false;
    if (this.#isWriting || this.#isClosed || this.#retry !== undefined || this.#isSyncBroken) return;
    if (this.buffer.isEmpty && this.#pending === undefined && !this.#hasNews) return;
    this.#isWriting = true;
    void this.#exclusive(() => this.#run());
  };

  async #run(): Promise<void> {
    try {
      await this.#writeAll();
      if (this.#options.fsync === 'always') await this.#sync();
    } catch (error) {
      this.#failed(error);
    }
    this.#isWriting = false;
    if (!this.buffer.isEmpty) this.#kick();
  }

  /** One after the other. */
  #exclusive(task: () => Promise<void>): Promise<void> {
    const done = this.#last.then(task);
    this.#last = done.catch(() => {});
    return done;
  }

  /** Writes what was appended so far: first a block that the disk did not take, then what has gathered behind it. */
  async #flush(): Promise<void> {
    if (this.#pending !== undefined) await this.#writeAll();
    await this.#writeAll();
    await this.#syncing;
    if (this.#synced < this.#written) await this.#sync();
    if (this.#isSyncBroken) throw new Error(this.#failure);
  }

  async #writeAll(): Promise<void> {
    this.#pending ??= this.#seal();
    while (this.#pending !== undefined) {
      const { block, sequence } = this.#pending;
      await this.#log.file.write(block);
      this.fileBytes += block.length;
      this.#written = sequence + 1;
      this.buffer.reuse(block);
      this.#pending = undefined;
      this.#recovered();
      if (this.buffer.length >= FULL_BYTES) this.#pending = this.#seal();
    }
  }

  #seal(): Pending | undefined {
    if (this.buffer.isEmpty && !this.#hasNews) return undefined;
    const block = this.buffer.seal();
    const pending = { block, sequence: this.sequence++ };
    this.#sealAgain(pending);
    return pending;
  }

  #sealAgain({ block, sequence }: Pending): void {
    const accepted = Math.min(this.#options.accepted(), sequence);
    this.#lastAccepted = accepted;
    sealBlock(block, { sequence, synced: this.#synced, accepted }, this.#log.salt);
  }

  #recovered(): void {
    this.#waitedTicks = 0;
    if (this.#failure === '' || this.#isSyncBroken) return;
    this.#failure = '';
    this.#options.logger.warn({ path: this.#options.path }, 'the disk takes the log again');
  }

  #failed(error: unknown): void {
    const { logger, path } = this.#options;
    if (this.#failure === '')
      logger.error({ path, error: messageOf(error) }, 'the log cannot be written, tried again every second');
    this.#failure = messageOf(error);
    this.#retryLater();
  }

  #retryLater(): void {
    this.#retry ??= this.#options.clock.after(RETRY_MS, () => {
      this.#retry = undefined;
      if (!this.#isSyncBroken) return this.#kick();
      this.onBrokenSync?.();
      this.#retryLater();
    });
  }

  #syncSoon(): void {
    if (this.#syncing !== undefined || this.#isClosed || this.#synced >= this.#written) return;
    this.#syncing = this.#sync()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#syncing = undefined;
      });
  }

  async #sync(): Promise<void> {
    if (this.#isSyncBroken) return;
    const written = this.#written;
    try {
      await this.#log.file.sync();
    } catch (error) {
      this.#isSyncBroken = true;
      throw error;
    }
    if (!this.#isSyncBroken) this.#advance(written);
  }

  #advance(synced: number): void {
    if (synced > this.#synced) this.#synced = synced;
    while (this.#waiters.length > 0 && this.#waiters[0].sequence <= this.#synced)
      this.#waiters.shift()?.resolve();
  }
}
