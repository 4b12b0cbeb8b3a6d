// One call of the write script being put together: the units of one turn and phase, of many connections.
//
// argv  = origin flags maxValueBytes *unit
// slot  = the slot hash: "mqkv:{" tag "}"; where it stands first, the unit is a plain SET
// unit  = slot key value / "X" slot key value at / "x" slot key value ttlMs
//       / "C" nkeys *( key tag ) argc *arg
//       / "T" nkeys *( key tag ) ncommands nwatch *( key version ) *( argc *arg )
// keys  = on a cluster, for each unit: key and register hash, and once: slot hash, large slot hash
import { SCRIPT_BYTES_MAX, SCRIPT_UNITS_MAX } from '../../base/index.ts';
import type { CommandUnit, ReplySink, TransactionUnit } from '../executor.ts';
import { slotOfRange, writeTag } from './hot-slot.ts';
import type { NotedSet } from './noted-set.ts';
import { RequestBytes } from './request-bytes.ts';

export const UNIT_SET = 0;
export const UNIT_COMMAND = 1;
export const UNIT_NULL_ARRAY = 2;
export const UNIT_TRANSACTION = 3;

/** Integers noted of each unit: kind, where key and value lie in the body, the ttl. */
const NOTES = 5;

const S_HEAD = Buffer.from('$10\r\nmqkv:{___}\r\n');
const X_HEAD = Buffer.from('$1\r\nx\r\n$10\r\nmqkv:{___}\r\n');
/** Where the tag stands before the end of such a head. */
const TAG_BEFORE_END = '___}\r\n'.length;

/** Units that follow each other and are answered to one sink. */
export interface Part {
  readonly sink: ReplySink;
  units: number;
}

/** Units: bytes. A group whose units took more is not used again. */
const KEPT_BYTES_MAX = 512 * 1024;

/** The units of one script call. Used again for another one after `reset`. */
export class WriteGroup {
  slot: number;
  protocol: 2 | 3;
  readonly body = new RequestBytes();
  parts: Part[] = [];
  units = 0;
  /** Arguments in the body. */
  argc = 0;
  /** Names in `keys`. */
  keyCount = 0;
  readonly keys: RequestBytes | undefined;
  notes: Int32Array = new Int32Array(NOTES * 16);

  constructor(slot: number, protocol: 2 | 3, isCluster: boolean) {
    this.slot = slot;
    this.protocol = protocol;
    if (isCluster) this.keys = new RequestBytes();
  }

  /** Empties it for the next call. */
  reset(slot: number, protocol: 2 | 3): this {
    this.slot = slot;
    this.protocol = protocol;
    this.body.at = 0;
    if (this.keys !== undefined) this.keys.at = 0;
    this.parts = [];
    this.units = 0;
    this.argc = 0;
    this.keyCount = 0;
    return this;
  }

  /** Small enough to be used again. */
  get isKept(): boolean {
    return this.body.buffer.length <= KEPT_BYTES_MAX;
  }

  /** No further unit of so many bytes goes in. */
  isFull(bytes: number): boolean {
    return this.units >= SCRIPT_UNITS_MAX || (this.units > 0 && this.body.at + bytes > SCRIPT_BYTES_MAX);
  }

  /** Hot: an unconditional SET. */
  set(
    source: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    ttlMs: number,
  ): void {
    const { body } = this;
    body.raw(ttlMs === 0 ? S_HEAD : X_HEAD);
    writeTag(body.buffer, body.at - TAG_BEFORE_END, slotOfRange(source, keyStart, keyEnd));
    const key = body.bulk(source, keyStart, keyEnd);
    const value = body.bulk(source, valueStart, valueEnd);
    if (ttlMs !== 0) body.text(String(ttlMs));
    this.argc += ttlMs === 0 ? 3 : 5;
    this.#note(UNIT_SET, key, keyEnd - keyStart, value, valueEnd - valueStart);
    if (this.keys !== undefined) this.#declare(source.subarray(keyStart, keyEnd));
  }

  /** Any one command. */
  command(unit: CommandUnit): void {
    const { body } = this;
    body.text('C');
    this.#names(unit.keys);
    body.text(String(unit.argc));
    body.raw(unit.args);
    this.argc += 2 + unit.argc;
    this.#note(unit.isNullArray ? UNIT_NULL_ARRAY : UNIT_COMMAND, 0, 0, 0, 0);
  }

  /** MULTI/EXEC. */
  transaction(unit: TransactionUnit): void {
    const { body } = this;
    body.text('T');
    this.#names(unit.keys);
    body.text(String(unit.commands.length));
    body.text(String(unit.watches.length));
    for (const { key, version } of unit.watches) {
      body.bulk(key, 0, key.length);
      body.text(version);
    }
    this.argc += 3 + unit.watches.length * 2;
    for (const { argc, args } of unit.commands) {
      body.text(String(argc));
      body.raw(args);
      this.argc += 1 + argc;
    }
    this.#note(UNIT_TRANSACTION, 0, 0, 0, 0);
  }

  #names(keys: readonly Uint8Array[]): void {
    const { body } = this;
    body.text(String(keys.length));
    this.argc += 1 + keys.length * 2;
    for (const key of keys) {
      body.bulk(key, 0, key.length);
      body.room(16);
      const at = body.raw(TAG_BULK);
      writeTag(body.buffer, at + 4, slotOfRange(key, 0, key.length));
      if (this.keys !== undefined) this.#declare(key);
    }
  }

  #note(kind: number, key: number, keyBytes: number, value: number, valueBytes: number): void {
    const at = this.units++ * NOTES;
    if (at === this.notes.length) {
      const larger = new Int32Array(at * 2);
      larger.set(this.notes);
      this.notes = larger;
    }
    const { notes } = this;
    notes[at] = kind;
    notes[at + 1] = key;
    notes[at + 2] = keyBytes;
    notes[at + 3] = value;
    notes[at + 4] = valueBytes;
  }

  /** Kind of unit i, see UNIT_…. */
  kindOf(i: number): number {
    return this.notes[i * NOTES];
  }

  /** Where key and value of a SET lie. */
  note(i: number, into: NotedSet): void {
    const { notes } = this;
    const at = i * NOTES;
    into.body = this.body.buffer;
    into.keyAt = notes[at + 1];
    into.keyBytes = notes[at + 2];
    into.valueAt = notes[at + 3];
    into.valueBytes = notes[at + 4];
  }

  #declare(key: Uint8Array): void {
    const { keys } = this;
    if (keys === undefined) return;
    if (this.keyCount === 0) {
      keys.text(`mqkv:{${this.#tag(key)}}`);
      keys.text(`mqkv:{${this.#tag(key)}}.`);
      this.keyCount = 2;
    }
    keys.bulk(key, 0, key.length);
    const name = Buffer.concat([Buffer.from(`mqkv:{${this.#tag(key)}}:`, 'latin1'), key]);
    keys.bulk(name, 0, name.length);
    this.keyCount += 2;
  }

  #tag(key: Uint8Array): string {
    const tag = Buffer.alloc(3);
    writeTag(tag, 0, slotOfRange(key, 0, key.length));
    return tag.toString('latin1');
  }
}

const TAG_BULK = Buffer.from('$3\r\n___\r\n');
