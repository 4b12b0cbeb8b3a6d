// The outbox of the embedded store: takes marked records off the ring, as deltas of what they are by then.
import type { DeltaFields, ValueType } from '../../crdt/index.ts';
import type { Outbox, Taken } from '../store.ts';
import type { Core } from './core.ts';
import { DeltaBuffer } from './delta-buffer.ts';
import { BIG, COMPLEX, FORM_MASK, KEY_SHIFT, PLAIN_TTL } from './record.ts';
import type { Touched } from './side.ts';
import type { Ref } from './slab.ts';

/** Units: bytes, about, of a mark (its ring entry). */
const MARK_BYTES = 5;

export class EmbeddedOutbox implements Outbox {
  readonly #core: Core;
  readonly #deltas = new DeltaBuffer();
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

  take(maxBytes: number): Taken | undefined {
    const deltas = this.takeDeltas(maxBytes);
    return deltas === undefined ? undefined : { origin: this.#core.origin, deltas, accepted: () => {} };
  }

  /** The bytes alone. What is taken is unmarked. */
  takeDeltas(maxBytes: number): Buffer | undefined {
    const { ring } = this.#core.table;
    const deltas = this.#deltas;
    const group = this.#group;
    while (deltas.length < maxBytes && ring.peek(group)) {
      if (deltas.length > 0 && deltas.length + this.#sizeOf(group) > maxBytes) break;
      ring.drop(group.length);
      for (let i = 0; i < group.length; i++) this.#takeRecord(group[i]);
    }
    return deltas.length === 0 ? undefined : deltas.take();
  }

  /** Units: bytes, about, of a group's deltas; COMPLEX keys count as short. */
  #sizeOf(group: readonly Ref[]): number {
    const { table } = this.#core;
    let size = 0;
    for (let i = 0; i < group.length; i++) {
      const head = table.head(group[i]);
      size += 32 + (head >>> KEY_SHIFT);
      if ((head & BIG) !== 0)
        size += table.key(group[i]).length + (table.sideOf(group[i]).value?.length ?? 0);
      else if ((head & FORM_MASK) <= PLAIN_TTL) size += table.word(group[i], 1);
    }
    return size;
  }

  #takeRecord(ref: Ref): void {
    const { table } = this.#core;
    table.setWord(ref, 5, 0);
    if (this.#core.formAt(ref) !== COMPLEX) {
      this.#deltas.add(this.#core, ref, 'whole');
      return;
    }
    const side = table.sideOf(ref);
    const fields = fieldsOf(side.touched);
    side.touched = undefined;
    this.#deltas.add(this.#core, ref, fields);
  }
}

function fieldsOf(touched: Touched): DeltaFields {
  if (touched === 'whole') return 'whole';
  const fields: [ValueType, string][] = [];
  for (const [type, names] of touched ?? []) for (const name of names) fields.push([type, name]);
  return fields;
}
