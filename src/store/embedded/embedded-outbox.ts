// The outbox of the embedded store: takes marked records off the ring, as deltas of what they are by then.
import { type Latin1, OUTBOX_BYTES_MAX, SLOTS, slotOf } from '../../base/index.ts';
import type { DeltaFields, ValueType } from '../../crdt/index.ts';
import type { Outbox, Taken } from '../store.ts';
import type { Core } from './core.ts';
import { DeltaBuffer } from './delta-buffer.ts';
import { BIG, COMPLEX, FORM_MASK, KEY_SHIFT, PLAIN_TTL } from './record.ts';
import type { Touched } from './side.ts';
import type { Ref } from './slab.ts';

/** Units: bytes of a mark: its entry in the ring. */
const MARK_BYTES = 5;

export class EmbeddedOutbox implements Outbox {
  readonly #core: Core;
  readonly #bytesMax: number;
  readonly #deltas = new DeltaBuffer();
  readonly #group: Ref[] = [];
  /** Taken and not yet accepted, the oldest first. */
  readonly #takings = new Set<{ readonly atMs: number }>();
  #collapsed: Uint8Array | undefined;
  /** Called when marks begin to be collapsed. */
  onCollapse: (() => void) | undefined;

  /** Units: `bytesMax` bytes of marks; beyond it the oldest are collapsed to slots. */
  constructor(core: Core, bytesMax = OUTBOX_BYTES_MAX) {
    this.#core = core;
    this.#bytesMax = bytesMax;
    core.onMarksGrown = () => this.#bound();
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
    return this.#core.table.ring.length * MARK_BYTES + this.#core.table.touchedCount.bytes;
  }

  get collapsed(): Uint8Array | undefined {
    return this.#collapsed;
  }

  /** Units: Unix ms; since when the oldest taking waits to be accepted. undefined: none waits. */
  get waitsSinceMs(): number | undefined {
    for (const { atMs } of this.#takings) return atMs;
    return undefined;
  }

  /** Lets all marks go: nobody will ask for them. */
  drop(): void {
    const { journal, table } = this.#core;
    const group = this.#group;
    this.#collapsed = undefined;
    while (table.ring.peek(group)) {
      table.ring.drop(group.length);
      for (const ref of group) this.#unmark(ref);
    }
    journal?.taken(Buffer.alloc(0)).accepted();
  }

  takeCollapsed(): Uint8Array | undefined {
    const slots = this.#collapsed;
    this.#collapsed = undefined;
    return slots;
  }

  collapse(slots: Uint8Array): void {
    this.#collapsed ??= new Uint8Array(SLOTS);
    for (let slot = 0; slot < SLOTS; slot++) if (slots[slot] !== 0) this.#collapsed[slot] = 1;
  }

  take(maxBytes: number): Taken | undefined {
    const deltas = this.takeDeltas(maxBytes);
    if (deltas === undefined) return undefined;
    const fate = this.#core.journal?.taken(deltas);
    const taking = { atMs: this.#core.now };
    this.#takings.add(taking);
    return {
      origin: this.#core.origin,
      deltas,
      accepted: () => {
        this.#takings.delete(taking);
        fate?.accepted();
      },
      failed: () => {
        this.#takings.delete(taking);
        fate?.failed();
      },
    };
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

  remark(keys: readonly Latin1[]): void {
    const core = this.#core;
    core.enter();
    for (const key of keys) {
      const ref = core.locate(key);
      if (ref !== 0) core.markAgain(ref);
    }
    core.leave();
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
    side.untouch();
    this.#deltas.add(this.#core, ref, fields);
  }

  /**
   * Collapses the oldest marks until the rest takes no more than the bound: called as marks grow by some thousands, so it is
   * never long. What is newer still goes its usual way.
   */
  #bound(): void {
    if (this.pendingBytes <= this.#bytesMax) return;
    const { table } = this.#core;
    const group = this.#group;
    if (this.#collapsed === undefined) this.onCollapse?.();
    const slots = this.#collapsed ?? new Uint8Array(SLOTS);
    this.#collapsed = slots;
    while (this.pendingBytes > this.#bytesMax && table.ring.peek(group)) {
      table.ring.drop(group.length);
      for (const ref of group) {
        slots[slotOf(table.key(ref))] = 1;
        this.#unmark(ref);
      }
    }
  }

  #unmark(ref: Ref): void {
    const { table } = this.#core;
    table.setWord(ref, 5, 0);
    if (this.#core.formAt(ref) === COMPLEX) table.sideOf(ref).untouch();
  }
}

/** The registers of marks. */
export function fieldsOf(touched: Touched): DeltaFields {
  if (touched === 'whole') return 'whole';
  const fields: [ValueType, string][] = [];
  for (const [type, names] of touched ?? []) for (const name of names) fields.push([type, name]);
  return fields;
}
