// The outbox of the embedded store: takes marked records off the ring, as deltas of what they are by then.
import { type DeltaFields, DeltaWriter, encodeDelta } from '../../crdt/index.ts';
import type { Outbox } from '../store.ts';
import type { Core } from './core.ts';
import { COMPLEX, DELETED, FREED, PLAIN_TTL } from './record.ts';
import type { Touched } from './side.ts';
import type { Ref } from './slab.ts';

/** Units: bytes, about, of a mark (its ring entry). */
const MARK_BYTES = 5;

export class EmbeddedOutbox implements Outbox {
  readonly #core: Core;
  readonly #writer = new DeltaWriter();
  readonly #group: Ref[] = [];

  constructor(core: Core) {
    this.#core = core;
  }

  get onMark(): (() => void) | undefined {
    return this.#core.onMark;
  }

  set onMark(task: (() => void) | undefined) {
    this.#core.onMark = task;
  }

  get pending(): number {
    return this.#core.table.ring.live;
  }

  get pendingBytes(): number {
    return this.#core.table.ring.length * MARK_BYTES;
  }

  take(maxBytes: number): Buffer | undefined {
    const { ring } = this.#core.table;
    const writer = this.#writer;
    for (let size = 0; ring.peek(this.#group); ) {
      for (const ref of this.#group) size += this.#sizeOf(ref);
      if (writer.length > 0 && size > maxBytes) break;
      ring.drop(this.#group.length);
      for (const ref of this.#group) this.#takeRecord(ref);
      if (writer.length >= maxBytes) break;
      size = writer.length;
    }
    return writer.length === 0 ? undefined : writer.take();
  }

  /** Units: bytes, about, of a record's delta. */
  #sizeOf(ref: Ref): number {
    const { table } = this.#core;
    const key = table.key(ref).length;
    return 40 + key + (this.#core.formAt(ref) <= PLAIN_TTL ? table.value(ref).length : 0);
  }

  #takeRecord(ref: Ref): void {
    const { table } = this.#core;
    table.setWord(ref, 5, 0);
    if (this.#core.formAt(ref) !== COMPLEX) return encodeRecord(this.#core, this.#writer, ref, 'whole');
    const side = table.sideOf(ref);
    const fields = fieldsOf(side.touched);
    side.touched = undefined;
    encodeRecord(this.#core, this.#writer, ref, fields);
  }
}

function fieldsOf(touched: Touched): DeltaFields {
  if (touched === 'whole') return 'whole';
  const fields: [1 | 2 | 3 | 4, string][] = [];
  for (const [type, names] of touched ?? []) for (const name of names) fields.push([type, name]);
  return fields;
}

/** Appends a record's delta; plain ones are copied as they lie. */
export function encodeRecord(core: Core, writer: DeltaWriter, ref: Ref, fields: DeltaFields): void {
  const { table } = core;
  const form = core.formAt(ref);
  const key = table.key(ref);
  if (form === COMPLEX || form === FREED) return encodeDelta(writer, key, core.state(ref), fields);
  writer.u8(form); // PLAIN, PLAIN_TTL and DELETED have their numbers on the wire
  writer.u32(key.length);
  const value = form === DELETED ? undefined : table.value(ref);
  if (value !== undefined) writer.u32(value.length);
  for (let i = 2; i < 5; i++) writer.u32(table.word(ref, i) >>> 0);
  if (form === PLAIN_TTL) writer.u48(table.at(ref));
  writer.raw(key);
  if (value !== undefined) writer.raw(value);
}
