// Writes the whole state to a file in slices, while the store goes on.
import { type AppendFile, type Clock, type Disk, type Latin1, sleep } from '../../base/index.ts';
import type { DeltaFields, KeyState, ValueType } from '../../crdt/index.ts';
import { type Core, fieldsMarked, recordsOf, type Ref, registersOf } from '../embedded/index.ts';
import { sealBlock } from './blocks.ts';
import { COLLAPSED, END, EntryBuffer, LOCAL, MERGED } from './entry-buffer.ts';

/** Units: bytes; about a millisecond of copying. */
const SLICE_BYTES = 128 * 1024;
/** Keys looked at before the size is. */
const SLICE_KEYS = 16;
/** Registers of one entry; a larger key goes in several, each with its header. About a millisecond. */
const SLICE_REGISTERS = 4096;

export interface SnapshotOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly core: Core;
  readonly name: string;
  readonly salt: number;
  /** As they are when this is called. */
  readonly notes: ReadonlyMap<string, string>;
  readonly collapsed: Uint8Array | undefined;
  /** Asked at the end: deltas that were taken from the outbox and not accepted yet. */
  readonly underWay: () => readonly Buffer[];
  /** true: it is not wanted any more. */
  readonly isOver: () => boolean;
}

/** A snapshot that is whole and synced. */
export interface WrittenSnapshot {
  readonly blocks: number;
  /** Units: bytes. */
  readonly bytes: number;
}

/** Writes and syncs a snapshot. undefined: it was given up (the store was closed, or all data discarded). Errors: the system's. */
export async function writeSnapshot(options: SnapshotOptions): Promise<WrittenSnapshot | undefined> {
  const file = await options.disk.create(options.name);
  try {
    return await new SnapshotWriter(file, options).write();
  } finally {
    await file.close();
  }
}

class SnapshotWriter {
  readonly #file: AppendFile;
  readonly #options: SnapshotOptions;
  readonly #buffer = new EntryBuffer();
  #blocks = 0;
  #bytes = 0;

  constructor(file: AppendFile, options: SnapshotOptions) {
    this.#file = file;
    this.#options = options;
  }

  async write(): Promise<WrittenSnapshot | undefined> {
    const { notes, collapsed } = this.#options;
    this.#buffer.notes(notes);
    if (collapsed !== undefined) this.#buffer.entry(COLLAPSED, collapsed);
    if (!(await this.#keys())) return undefined;
    // What was taken before its key was reached, and is not accepted yet, would else be marked nowhere.
    for (const deltas of this.#options.underWay()) await this.#unaccepted(deltas);
    this.#buffer.entry(END, Buffer.alloc(0));
    await this.#block();
    await this.#file.sync();
    return { blocks: this.#blocks, bytes: this.#bytes };
  }

  /** false: given up. */
  async #keys(): Promise<boolean> {
    const { core, clock, isOver } = this.#options;
    const { table } = core;
    let cursor = 0;
    do {
      const large: Ref[] = [];
      do cursor = this.#slice(cursor, large);
      while (cursor !== 0 && large.length === 0 && this.#buffer.length < SLICE_BYTES);
      for (const ref of large) if (!(await this.#largeKey(Buffer.from(table.key(ref))))) return false;
      await this.#block();
      await sleep(clock, 0);
      if (isOver() || core.table !== table) return false;
    } while (cursor !== 0);
    return true;
  }

  /** Some keys from a cursor on; those of many registers are left to the caller. */
  #slice(cursor: number, large: Ref[]): number {
    const { core } = this.#options;
    const refs: Ref[] = [];
    const next = core.table.index.scan(cursor, SLICE_KEYS, (ref) => refs.push(ref));
    for (const ref of refs) {
      if (registersOf(core, ref) > SLICE_REGISTERS) large.push(ref);
      else this.#record(ref, 'whole');
    }
    return next;
  }

  #record(ref: Ref, fields: DeltaFields): void {
    const marked = fieldsMarked(this.#options.core, ref);
    this.#entry(marked === 'whole' ? LOCAL : MERGED, ref, fields);
    if (marked !== undefined && marked !== 'whole') this.#entry(LOCAL, ref, marked);
  }

  #entry(kind: number, ref: Ref, fields: DeltaFields): void {
    const start = this.#buffer.begin(kind);
    this.#buffer.record(this.#options.core, ref, fields);
    this.#buffer.end(start);
  }

  /** A key of many registers, in parts; what changes meanwhile is in the log. false: given up. */
  async #largeKey(key: Buffer): Promise<boolean> {
    const { core, clock, isOver } = this.#options;
    const { table } = core;
    const first = core.locateBytes(key, 0, key.length);
    if (first === 0) return true;
    const marked = fieldsMarked(core, first);
    if (marked !== undefined && marked !== 'whole') this.#entry(LOCAL, first, marked);
    for (const fields of partsOf(core.state(first))) {
      const ref = core.locateBytes(key, 0, key.length);
      if (ref === 0) return true;
      this.#entry(marked === 'whole' ? LOCAL : MERGED, ref, fields);
      await this.#block();
      await sleep(clock, 0);
      if (isOver() || core.table !== table) return false;
    }
    return true;
  }

  /** Marks again what was taken, as it is now: as it was then it could bring back what has been freed since. */
  async #unaccepted(deltas: Buffer): Promise<void> {
    const { core, clock } = this.#options;
    for (const [ref, fields] of recordsOf(core, deltas)) this.#entry(LOCAL, ref, fields);
    await this.#block();
    await sleep(clock, 0);
  }

  async #block(): Promise<void> {
    if (this.#buffer.isEmpty) return;
    const block = this.#buffer.seal();
    sealBlock(block, { sequence: ++this.#blocks, synced: 0, accepted: 0 }, this.#options.salt);
    await this.#file.write(block);
    this.#bytes += block.length;
    this.#buffer.reuse(block);
  }
}

/** The registers of a state that may change meanwhile, SLICE_REGISTERS at a time. */
function* partsOf(state: KeyState): Generator<(readonly [ValueType, Latin1])[], void> {
  let part: (readonly [ValueType, Latin1])[] = [];
  for (const [type, held] of state.registers) {
    for (const field of held.keys()) {
      part.push([type, field]);
      if (part.length < SLICE_REGISTERS) continue;
      yield part;
      part = [];
    }
  }
  yield part;
}
