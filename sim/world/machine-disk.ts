// A machine's folder of files: what was written outlives the process, what was synced outlives the machine; in between, anything.
import type { AppendFile, Disk, FileIdentity, FolderLock } from '../../src/base/disk.ts';
import { below, MqkvError, type Random } from '../../src/base/index.ts';
import type { Scheduler } from './scheduler.ts';
import type { ProcessLoop } from './site-clock.ts';

interface Inode {
  readonly id: number;
  content: Buffer;
  /** Bytes that are safe from a crash of the machine. */
  synced: number;
  ctimeMs: number;
}

/** What a folder held at some time. */
export type FolderCopy = ReadonlyMap<string, { readonly inode: Inode; readonly content: Buffer }>;

export interface MachineDiskOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
}

/** The folder itself; processes use it through `open`. */
export class MachineDisk {
  isFull = false;
  /** Units: ms that a sync takes at most. */
  syncMsMax = 5;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  #names = new Map<string, Inode>();
  /** Names that a crash of the machine leaves. */
  #safeNames = new Map<string, Inode>();
  #inodes = 1000;
  #holder: ProcessLoop | undefined;

  constructor({ scheduler, random }: MachineDiskOptions) {
    this.#scheduler = scheduler;
    this.#random = random;
  }

  get bytes(): number {
    let bytes = 0;
    for (const { content } of this.#names.values()) bytes += content.length;
    return bytes;
  }

  /** The folder as one process sees it. */
  open(loop: ProcessLoop): Disk {
    const act = <T>(ms: number, task: () => T): Promise<T> => this.#act(loop, ms, task);
    return {
      path: 'sim',
      list: () => act(0, () => [...this.#names.keys()].sort()),
      read: (name, at, bytes) => act(0, () => Buffer.from(this.#file(name).content.subarray(at, at + bytes))),
      create: (name) => act(0, () => this.#appendTo(this.#create(name), loop)),
      rename: (from, to) =>
        act(0, () => {
          const inode = this.#file(from);
          this.#names.delete(from);
          this.#names.set(to, inode);
          inode.ctimeMs = this.#nowMs();
        }),
      remove: (name) => act(0, () => void this.#names.delete(name)),
      identity: (name) => act(0, () => this.#identity(name)),
      sync: (name) =>
        act(this.#syncMs(), () => {
          const inode = this.#file(name);
          inode.synced = inode.content.length;
        }),
      syncFolder: () =>
        act(this.#syncMs(), () => {
          this.#safeNames = new Map(this.#names);
        }),
      lock: () => act(0, () => this.#lock(loop)),
    };
  }

  /** Power is lost: of what was not synced, any part is there, perhaps not as it was written. Result: bytes lost or spoilt. */
  crash(): number {
    let lost = 0;
    if (below(this.#random, 2) === 0) this.#names = new Map(this.#safeNames);
    for (const inode of this.#names.values()) {
      const unsafe = inode.content.length - inode.synced;
      if (unsafe === 0) continue;
      const kept = inode.synced + below(this.#random, unsafe + 1);
      lost += inode.content.length - kept;
      const content = Buffer.from(inode.content.subarray(0, kept));
      if (kept > inode.synced && below(this.#random, 3) === 0) {
        const spoilt = inode.synced + below(this.#random, kept - inode.synced);
        content.fill(0, spoilt);
        lost += kept - spoilt;
      }
      inode.content = content;
      inode.synced = content.length;
    }
    this.#safeNames = new Map(this.#names);
    return lost;
  }

  copy(): FolderCopy {
    return new Map(
      [...this.#names].map(([name, inode]) => [name, { inode, content: Buffer.from(inode.content) }]),
    );
  }

  /** Puts an earlier copy in place. `isSame`: as a machine restored whole does, so that no file looks touched. */
  restore(copy: FolderCopy, isSame: boolean): void {
    this.#names = new Map();
    for (const [name, { inode, content }] of copy) {
      const id = isSame ? inode.id : ++this.#inodes;
      const ctimeMs = isSame ? inode.ctimeMs : this.#nowMs();
      this.#names.set(name, { id, content: Buffer.from(content), synced: content.length, ctimeMs });
    }
    this.#safeNames = new Map(this.#names);
  }

  #nowMs(): number {
    return this.#scheduler.nowMs;
  }

  #syncMs(): number {
    return 1 + below(this.#random, this.syncMsMax);
  }

  /** An operation takes its time, and nobody hears of it whose process has died. */
  #act<T>(loop: ProcessLoop, ms: number, task: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      loop.after(ms, () => {
        try {
          resolve(task());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }

  #file(name: string): Inode {
    const inode = this.#names.get(name);
    if (inode === undefined)
      throw Object.assign(new Error(`ENOENT: no such file: ${name}`), { code: 'ENOENT' });
    return inode;
  }

  #create(name: string): Inode {
    if (this.isFull) throw noSpace();
    const inode = { id: ++this.#inodes, content: Buffer.alloc(0), synced: 0, ctimeMs: this.#nowMs() };
    this.#names.set(name, inode);
    return inode;
  }

  #identity(name: string): FileIdentity | undefined {
    const inode = this.#names.get(name);
    if (inode === undefined) return undefined;
    return { inode: String(inode.id), ctimeMs: inode.ctimeMs, size: inode.content.length };
  }

  #lock(loop: ProcessLoop): FolderLock {
    if (this.#holder?.isAlive === true && this.#holder !== loop)
      throw new MqkvError('STORE_IN_USE', 'another process uses the folder');
    this.#holder = loop;
    return {
      release: async () => {
        if (this.#holder === loop) this.#holder = undefined;
      },
    };
  }

  #appendTo(inode: Inode, loop: ProcessLoop): AppendFile {
    let last: Promise<unknown> = Promise.resolve();
    const inOrder = <T>(task: () => Promise<T>): Promise<T> => {
      const result = last.then(task);
      last = result.catch(() => {});
      return result;
    };
    return {
      write: (bytes) => inOrder(() => this.#write(inode, bytes, loop)),
      sync: () => {
        const { length } = inode.content;
        return this.#act(loop, this.#syncMs(), () => {
          inode.synced = Math.max(inode.synced, Math.min(length, inode.content.length));
        });
      },
      close: () => inOrder(async () => {}),
    };
  }

  /** A process that dies meanwhile leaves any part of it. */
  #write(inode: Inode, bytes: Uint8Array, loop: ProcessLoop): Promise<void> {
    const copy = Buffer.from(bytes);
    return new Promise((resolve, reject) => {
      this.#scheduler.after(below(this.#random, 3), () => {
        const isWhole = loop.isAlive && !this.isFull;
        const part = isWhole ? copy : copy.subarray(0, below(this.#random, copy.length + 1));
        inode.content = Buffer.concat([inode.content, part]);
        inode.ctimeMs = this.#nowMs();
        loop.after(0, () => (isWhole ? resolve() : reject(noSpace())));
      });
    });
  }
}

function noSpace(): Error {
  return Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
}
