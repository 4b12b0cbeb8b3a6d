// A disk in memory for tests, with what a crash does to it: of what was not synced any part may be lost or torn.
import {
  type AppendFile,
  below,
  type Clock,
  type Disk,
  type FileIdentity,
  type FolderLock,
  MqkvError,
  type Random,
  type Timer,
} from '../../base/index.ts';

/** Units: bytes. What a disk writes whole or not at all. */
const SECTOR_BYTES = 512;

interface Extent {
  readonly at: number;
  readonly bytes: Buffer;
}

/** A file: what the machine would still have after a crash, and what it would see now. */
class Inode {
  readonly number: number;
  content: Buffer = Buffer.alloc(0);
  synced: Buffer = Buffer.alloc(0);
  unsynced: Extent[] = [];
  ctimeMs = 0;

  constructor(number: number) {
    this.number = number;
  }
}

/** The folder of one machine. */
export class SimulatedDisk implements Disk {
  readonly path = '/simulated';
  /** Called before each change or sync with its name; may throw as the system would (an error with a `code`). */
  onOperation: ((operation: string) => void) | undefined;
  /** Units: bytes; room for all files. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** Operations so far. */
  operations = 0;
  /** From this operation on nothing is answered any more: the moment of a crash. */
  stopAt = Number.POSITIVE_INFINITY;
  #names = new Map<string, Inode>();
  #syncedNames = new Map<string, Inode>();
  /** Of names, since they were synced. */
  #changes: ((names: Map<string, Inode>) => void)[] = [];
  #lastInode = 0;
  #ticks = 0;
  #isLocked = false;

  /**
   * The machine loses its power; with `process` only the process dies, and all that was written stays. Result: the disk that the
   * next process finds; this one answers nothing any more.
   * What was not synced: each write is kept, lost or torn; of the changes of names the first are kept.
   */
  crash(random: Random, what: 'machine' | 'process' = 'machine'): SimulatedDisk {
    this.stopAt = 0;
    const next = new SimulatedDisk();
    next.capacityBytes = this.capacityBytes;
    next.#lastInode = this.#lastInode;
    next.#ticks = this.#ticks;
    const kept = what === 'process' ? this.#changes.length : below(random, this.#changes.length + 1);
    next.#names = new Map(this.#syncedNames);
    for (const change of this.#changes.slice(0, kept)) change(next.#names);
    if (what === 'process') next.#changes = [...this.#changes];
    next.#syncedNames = new Map(what === 'machine' ? next.#names : this.#syncedNames);
    if (what === 'machine') for (const inode of new Set(next.#names.values())) tear(inode, random);
    return next;
  }

  /** A copy of the whole folder, as a backup tool makes one: other inodes. */
  copy(): SimulatedDisk {
    const copy = new SimulatedDisk();
    copy.#lastInode = this.#lastInode + 1000;
    for (const [name, inode] of this.#names) {
      const twin = new Inode(++copy.#lastInode);
      twin.content = twin.synced = Buffer.from(inode.content);
      copy.#names.set(name, twin);
    }
    copy.#syncedNames = new Map(copy.#names);
    return copy;
  }

  /** A file's content, to be looked at or changed by a test. */
  content(name: string): Buffer {
    return this.#inode(name).content;
  }

  /** Replaces a file's content as if it had been so for long. */
  overwrite(name: string, content: Buffer): void {
    const inode = this.#inode(name);
    inode.content = content;
    inode.synced = content;
    inode.unsynced = [];
    inode.ctimeMs = ++this.#ticks;
  }

  async list(): Promise<readonly string[]> {
    return [...this.#names.keys()];
  }

  async read(name: string, at: number, bytes: number): Promise<Buffer> {
    return Buffer.from(this.#inode(name).content.subarray(at, at + bytes));
  }

  async create(name: string): Promise<AppendFile> {
    await this.operate('create');
    const inode = new Inode(++this.#lastInode);
    inode.ctimeMs = ++this.#ticks;
    this.#change((names) => names.set(name, inode));
    return new SimulatedFile(this, inode);
  }

  async sync(name: string): Promise<void> {
    await this.operate('sync');
    syncInode(this.#inode(name));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.operate('rename');
    const inode = this.#inode(from);
    this.#change((names) => {
      names.delete(from);
      names.set(to, inode);
    });
    inode.ctimeMs = ++this.#ticks;
  }

  async remove(name: string): Promise<void> {
    await this.operate('remove');
    this.#change((names) => names.delete(name));
  }

  async identity(name: string): Promise<FileIdentity | undefined> {
    const inode = this.#names.get(name);
    if (inode === undefined) return undefined;
    return { inode: String(inode.number), ctimeMs: inode.ctimeMs, size: inode.content.length };
  }

  async syncFolder(): Promise<void> {
    await this.operate('syncFolder');
    this.#syncedNames = new Map(this.#names);
    this.#changes = [];
  }

  async lock(): Promise<FolderLock> {
    if (this.#isLocked)
      throw new MqkvError('STORE_IN_USE', `the folder "${this.path}" is in use by another process`);
    this.#isLocked = true;
    return {
      release: async () => {
        this.#isLocked = false;
      },
    };
  }

  /** For files: appends as far as there is room. */
  append(inode: Inode, bytes: Uint8Array): void {
    const used = [...this.#names.values()].reduce((sum, { content }) => sum + content.length, 0);
    const room = Math.max(0, this.capacityBytes - used);
    const part = Buffer.from(bytes.subarray(0, room));
    inode.unsynced.push({ at: inode.content.length, bytes: part });
    inode.content = Buffer.concat([inode.content, part]);
    inode.ctimeMs = ++this.#ticks;
    if (part.length < bytes.length) throw systemError('ENOSPC');
  }

  /** Whether the moment of the crash has come. */
  get isDown(): boolean {
    return this.operations >= this.stopAt;
  }

  /** Before every operation. Never settles once the machine is down. */
  async operate(operation: string): Promise<void> {
    if (this.isDown) await new Promise<never>(() => {});
    this.operations++;
    this.onOperation?.(operation);
  }

  #change(change: (names: Map<string, Inode>) => void): void {
    change(this.#names);
    this.#changes.push(change);
  }

  #inode(name: string): Inode {
    const inode = this.#names.get(name);
    if (inode === undefined) throw systemError('ENOENT');
    return inode;
  }
}

class SimulatedFile implements AppendFile {
  readonly #disk: SimulatedDisk;
  readonly #inode: Inode;

  constructor(disk: SimulatedDisk, inode: Inode) {
    this.#disk = disk;
    this.#inode = inode;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#disk.operate('write');
    this.#disk.append(this.#inode, bytes);
  }

  async sync(): Promise<void> {
    const { content } = this.#inode;
    await this.#disk.operate('sync');
    syncInode(this.#inode, content);
  }

  async close(): Promise<void> {}
}

/** An error as the system gives it. */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code });
}

/** What was there when the sync began is safe. */
function syncInode(inode: Inode, content = inode.content): void {
  inode.synced = content;
  inode.unsynced = inode.unsynced.filter(({ at }) => at >= content.length);
}

/** Of each write that was not synced every sector is kept or lost; the file is as long as the last that is kept. */
function tear(inode: Inode, random: Random): void {
  let content: Buffer = inode.synced;
  for (const { at, bytes } of inode.unsynced) {
    const fate = below(random, 3);
    if (fate === 0) continue;
    for (let from = 0; from < bytes.length; ) {
      const to = Math.min(bytes.length, from + SECTOR_BYTES - ((at + from) % SECTOR_BYTES));
      if (fate === 1 || below(random, 2) === 0) content = put(content, at + from, bytes.subarray(from, to));
      from = to;
    }
  }
  inode.content = inode.synced = content;
  inode.unsynced = [];
}

function put(content: Buffer, at: number, bytes: Buffer): Buffer {
  const grown = Buffer.alloc(Math.max(content.length, at + bytes.length));
  content.copy(grown);
  bytes.copy(grown, at);
  return grown;
}

/** Virtual time: timers run when it is advanced, and what they lead to is done before the next. */
export class VirtualClock implements Clock {
  /** Units: Unix ms. */
  time: number;
  #timers: { atMs: number; readonly everyMs: number; readonly task: () => void }[] = [];

  constructor(time: number) {
    this.time = time;
  }

  now(): number {
    return this.time;
  }

  after(delayMs: number, task: () => void): Timer {
    return this.#add({ atMs: this.time + delayMs, everyMs: 0, task });
  }

  every(periodMs: number, task: () => void): Timer {
    return this.#add({ atMs: this.time + periodMs, everyMs: periodMs, task });
  }

  /** The process of these timers is gone. */
  drop(): void {
    this.#timers = [];
  }

  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await settle();
      const [due] = this.#timers.filter(({ atMs }) => atMs <= end).sort((a, b) => a.atMs - b.atMs);
      if (due === undefined) break;
      this.time = Math.max(this.time, due.atMs);
      if (due.everyMs > 0) due.atMs += due.everyMs;
      else this.#timers = this.#timers.filter((timer) => timer !== due);
      due.task();
    }
    this.time = end;
  }

  #add(timer: { atMs: number; readonly everyMs: number; readonly task: () => void }): Timer {
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) };
  }
}

/** Until everything that needs no time is done. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
