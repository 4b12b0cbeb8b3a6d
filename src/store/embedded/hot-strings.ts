// GET and SET on byte ranges: nothing is allocated, records are read and written in place.
import type { CommandBatch } from '../../resp/index.ts';
import { STRING_FIELD, TYPE_STRING } from '../../crdt/index.ts';
import type { Found } from '../keyspace.ts';
import { AT_MAX, type Core } from './core.ts';
import { editLocated, typeAt } from './editing.ts';
import { COMPLEX, DELETED, PLAIN, PLAIN_TTL } from './record.ts';
import { type Ref, SEGMENT_SHIFT } from './slab.ts';
import { setVersion } from './states.ts';

/** A value's byte range and its key's expiry (Unix ms, 0: none). */
export interface Setting {
  readonly source: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly at: number;
}

export abstract class HotStrings {
  readonly core: Core;
  readonly found: Found = { bytes: Buffer.alloc(0), start: 0, end: 0 };
  /** What `prepare` has read, so that the reads are not optimized away. */
  protected prepared = 0;

  constructor(core: Core) {
    this.core = core;
  }

  protected abstract complexString(ref: Ref): Buffer;

  findString(source: Uint8Array, start: number, end: number): 1 | 0 | -1 {
    const { core } = this;
    core.enter();
    const ref = core.locateBytes(source, start, end);
    const type = typeAt(core, ref);
    if (type === 0) return 0;
    if (type !== TYPE_STRING) return -1;
    const { found } = this;
    if (core.formAt(ref) === COMPLEX || core.table.isBig(ref)) {
      found.bytes = core.formAt(ref) === COMPLEX ? this.complexString(ref) : core.table.value(ref);
      found.start = 0;
      found.end = found.bytes.length;
      return 1;
    }
    found.bytes = core.table.slab.bytes[ref >>> SEGMENT_SHIFT];
    found.start = core.table.valueStart(ref);
    found.end = found.start + core.table.word(ref, 1);
    return 1;
  }

  setString(
    source: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    at: number,
  ): void {
    const { core } = this;
    core.enter();
    const ref = core.locateBytes(source, keyStart, keyEnd);
    this.setLocated(ref, { source, start: valueStart, end: valueEnd, at });
    core.leave();
  }

  /** Overwrites the key located last. */
  protected setLocated(ref: Ref, setting: Setting): void {
    const { core } = this;
    const isPast = setting.at !== 0 && setting.at <= core.now;
    if (isPast || (ref !== 0 && core.formAt(ref) === COMPLEX)) return this.#setByRules(ref, setting);
    const { table } = core;
    const { source, start, end } = setting;
    const at = Math.min(setting.at, AT_MAX);
    const form = at === 0 ? PLAIN : PLAIN_TTL;
    const version = core.version(core.newest(ref));
    const counted = ref !== 0 && core.counts(ref);
    const wanted = { form, timed: at !== 0, valueBytes: end - start } as const;
    const kept =
      ref === 0
        ? table.create(core.source, core.start, core.end, { ...wanted, hash: core.hash })
        : table.reshape(ref, wanted);
    table.writeValue(kept, source, start, end);
    setVersion(table, kept, version);
    if (table.isTimed(kept)) table.setAt(kept, at);
    if (!counted) core.shown++;
    if (at !== 0) core.schedule(kept, at);
    core.mark(kept, undefined, false);
  }

  #setByRules(ref: Ref, { source, start, end, at }: Setting): void {
    editLocated(this.core, ref, (edit) => {
      edit.overwrite();
      edit.put(TYPE_STRING, STRING_FIELD, Buffer.from(source.subarray(start, end)));
      if (at !== 0) edit.expire(Math.min(at, AT_MAX));
    });
  }

  /** Deletes the plain record located last. */
  protected deleteLocated(ref: Ref): void {
    const { core } = this;
    const version = core.version(core.newest(ref));
    if (core.counts(ref)) core.shown--;
    const kept = core.table.reshape(ref, { form: DELETED, timed: false, valueBytes: 0 });
    setVersion(core.table, kept, version);
    if (core.table.isTimed(kept)) core.table.setAt(kept, 0);
    core.mark(kept, undefined, false);
  }

  /** Touches the index slot and the record of each command's first key: the loads overlap. */
  prepare(batch: CommandBatch, from: number, to: number): void {
    const { table } = this.core;
    let sum = 0;
    for (let i = from; i < to; i++) {
      if (batch.argc(i) < 2) continue;
      const hash = table.hash(batch.buffer, batch.start(i, 1), batch.end(i, 1));
      sum += table.index.peek(hash);
    }
    this.prepared = sum;
  }
}
