// GET and SET on byte ranges: nothing is allocated, records are read and written in place.
import type { CommandBatch } from '../../resp/index.ts';
import { STRING_FIELD, TYPE_STRING } from '../../crdt/index.ts';
import type { Found } from '../keyspace.ts';
import { AT_MAX, type Core } from './core.ts';
import { editLocated, typeAt } from './editing.ts';
import { BIG, COMPLEX, FORM_MASK, PLAIN, PLAIN_TTL } from './record.ts';
import { type Ref, SEGMENT_SHIFT, UNIT_MASK } from './slab.ts';

/** Commands that `prepare` looks at together. */
const GROUP = 32;

export abstract class HotStrings {
  readonly core: Core;
  readonly found: Found = { bytes: Buffer.alloc(0), start: 0, end: 0 };
  /** What `prepare` has read, so that the reads are not optimized away. */
  protected prepared = 0;
  readonly #near = new Int32Array(GROUP);

  constructor(core: Core) {
    this.core = core;
  }

  protected abstract complexString(ref: Ref): Buffer;

  findString(source: Uint8Array, start: number, end: number): 1 | 0 | -1 {
    const { core, found } = this;
    if (!core.isInUnit) core.enter();
    const ref = core.locateBytes(source, start, end);
    if (ref === 0) return 0;
    const { table } = core;
    const head = table.head(ref);
    const form = head & FORM_MASK;
    if (form > PLAIN_TTL || (head & BIG) !== 0) return this.#findOther(ref);
    if (form === PLAIN_TTL && table.at(ref) <= core.now) return 0;
    found.bytes = table.slab.bytes[ref >>> SEGMENT_SHIFT];
    found.start = table.valueStart(ref);
    found.end = found.start + table.word(ref, 1);
    return 1;
  }

  #findOther(ref: Ref): 1 | 0 | -1 {
    const { core, found } = this;
    const type = typeAt(core, ref);
    if (type === 0) return 0;
    if (type !== TYPE_STRING) return -1;
    found.bytes = core.formAt(ref) === COMPLEX ? this.complexString(ref) : core.table.value(ref);
    found.start = 0;
    found.end = found.bytes.length;
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
    if (!core.isInUnit) core.enter();
    const ref = core.locateBytes(source, keyStart, keyEnd);
    this.setLocated(ref, source, valueStart, valueEnd, at);
    if (!core.isInUnit) core.finish();
  }

  /** Overwrites the key located last. Five plain parameters, since this is the hottest call. */
  protected setLocated(ref: Ref, source: Uint8Array, start: number, end: number, at: number): void {
    const { core } = this;
    const isPast = at !== 0 && at <= core.now;
    if (isPast || (ref !== 0 && core.formAt(ref) === COMPLEX)) {
      this.#setByRules(ref, source.subarray(start, end), at);
      return;
    }
    core.edit = undefined;
    core.chooseVersion(ref);
    const kept = core.writePlain(ref, at === 0 ? PLAIN : PLAIN_TTL, end - start, Math.min(at, AT_MAX));
    core.table.writeValue(kept, source, start, end);
    core.setVersion(kept, core.unitMs, core.unitTail);
    core.markPlain(kept);
  }

  #setByRules(ref: Ref, value: Uint8Array, at: number): void {
    editLocated(this.core, ref, (edit) => {
      edit.overwrite();
      edit.put(TYPE_STRING, STRING_FIELD, Buffer.from(value));
      if (at !== 0) edit.expire(Math.min(at, AT_MAX));
    });
  }

  /** Deletes the plain record located last. */
  protected deleteLocated(ref: Ref): void {
    const { core } = this;
    core.edit = undefined;
    core.chooseVersion(ref);
    const kept = core.writeDeleted(ref);
    core.setVersion(kept, core.unitMs, core.unitTail);
    core.markPlain(kept);
  }

  /** Touches the index slot and then the record of each command's first key, in passes: the loads overlap. */
  prepare(batch: CommandBatch, from: number, to: number): void {
    const { table } = this.core;
    const near = this.#near;
    const { buffer } = batch;
    let count = 0;
    for (let i = from; i < to && count < GROUP; i++) {
      if (batch.argc(i) > 1) near[count++] = table.hash(buffer, batch.start(i, 1), batch.end(i, 1));
    }
    const { index } = table;
    for (let i = 0; i < count; i++) near[i] = index.peek(near[i]);
    const { words } = table.slab;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const segment = words[near[i] >>> SEGMENT_SHIFT];
      const o = (near[i] & UNIT_MASK) << 1;
      sum = (sum + segment[o] + segment[o + 16]) | 0;
    }
    this.prepared = sum;
  }
}
