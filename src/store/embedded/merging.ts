// Deltas of other sites into the table: the whole buffer is checked before anything is applied; plain ones straight
// from the buffer, without objects.
import { assert, MqkvError, VALUE_BYTES_MAX } from '../../base/index.ts';
import {
  type Delta,
  decodeDeltas,
  FORM_DELETED,
  FORM_GENERAL,
  FORM_PLAIN,
  FORM_PLAIN_TTL,
  isFired,
  KeyState,
  merge,
  type ValueType,
} from '../../crdt/index.ts';
import type { MergeResult } from '../store.ts';
import type { Core } from './core.ts';
import { followFields } from './editing.ts';
import { COMPLEX, DELETED, FREED, PLAIN, PLAIN_TTL } from './record.ts';

const COUNTER_SPAN = 4294967296;
const MS_SPAN = 4294967296;

/** One plain delta's place in the buffer. Filled by `next`; one object for all. */
class PlainDelta {
  form = 0;
  ms = 0;
  tail = 0;
  at = 0;
  keyStart = 0;
  keyEnd = 0;
  /** End of the value, which begins at `keyEnd`, and of the delta. */
  end = 0;
}

/** Merges deltas into one core. */
export class Merging {
  readonly #core: Core;
  readonly #plain = new PlainDelta();
  /** The GENERAL deltas of the buffer, decoded. */
  #general: Delta[] = [];

  constructor(core: Core) {
    this.#core = core;
  }

  /** Merges encoded deltas, all or nothing. Errors: MqkvError `MALFORMED_DELTA`. */
  merge(buffer: Buffer): MergeResult {
    this.#check(buffer);
    this.#core.enter();
    const result = { changed: 0, conflicts: 0 };
    const plain = this.#plain;
    const { journal } = this.#core;
    for (let at = 0, general = 0; at < buffer.length; ) {
      const start = at;
      const before = result.changed;
      if (buffer[at] === FORM_GENERAL) {
        at = endOfGeneral(buffer, at);
        this.#mergeState(this.#general[general++], result);
      } else {
        at = readPlain(buffer, at, plain);
        if (!this.#mergePlain(buffer, result)) this.#mergeDecoded(buffer.subarray(start, at), result);
      }
      if (journal !== undefined && result.changed > before) journal.merged(buffer, start, at);
    }
    this.#general = [];
    journal?.mergeEnded();
    return result;
  }

  #check(buffer: Buffer): void {
    this.#general = [];
    for (let at = 0; at < buffer.length; ) {
      if (buffer[at] === FORM_GENERAL) {
        const end = endOfGeneral(buffer, at);
        for (const delta of decodeDeltas(buffer.subarray(at, end))) this.#general.push(delta);
        at = end;
      } else at = readPlain(buffer, at, this.#plain);
    }
  }

  /** The plain delta just read onto a plain record. false: the rules must decide. */
  #mergePlain(buffer: Buffer, result: { changed: number; conflicts: number }): boolean {
    const core = this.#core;
    const { table } = core;
    const { form, ms, tail, at, keyStart, keyEnd, end } = this.#plain;
    const ref = core.locateBytes(buffer, keyStart, keyEnd);
    if (ref !== 0) {
      const held = core.formAt(ref);
      if (held === COMPLEX) return false;
      const high = table.word(ref, 3);
      const heldMs = (table.word(ref, 2) >>> 0) + (high & 0xffff) * MS_SPAN;
      const heldTail = (high >>> 16) * COUNTER_SPAN + (table.word(ref, 4) >>> 0);
      if (heldMs > ms || (heldMs === ms && heldTail > tail)) {
        // What is older changes nothing, unless its reach equals the version held.
        if (form === FORM_PLAIN_TTL && heldMs === ms && heldTail === tail + 1) return false;
        core.freeRecord(ref, core.now);
        return true;
      }
      const hasReach = held === PLAIN_TTL || held === FREED;
      if (heldMs === ms && (heldTail === tail || (hasReach && heldTail + 1 === tail))) return false;
    }
    result.changed++;
    const valueBytes = end - keyEnd;
    const kept =
      form === FORM_DELETED
        ? core.writeDeleted(ref)
        : core.writePlain(ref, at === 0 ? PLAIN : PLAIN_TTL, valueBytes, at);
    if (form !== FORM_DELETED) table.writeValue(kept, buffer, keyEnd, end);
    core.setVersion(kept, ms, tail);
    if (core.watches.size > 0) core.watches.changed(table.key(kept));
    return true;
  }

  #mergeDecoded(bytes: Buffer, result: { changed: number; conflicts: number }): void {
    for (const delta of decodeDeltas(bytes)) this.#mergeState(delta, result);
  }

  /** Frees the key by this site's clock, then merges (DESIGN 3: gone is gone). */
  #mergeState({ key, state: from }: Delta, result: { changed: number; conflicts: number }): void {
    const core = this.#core;
    let ref = core.locate(key);
    if (ref !== 0) ref = core.freeRecord(ref, core.now);
    const into = ref === 0 ? new KeyState() : core.state(ref);
    const before = { clear: into.clear, wasFired: isFired(into, core.now) };
    const merged = merge(into, from);
    result.conflicts += merged.conflicts;
    if (!merged.changed) return;
    result.changed++;
    const wasPlain = ref !== 0 && core.formAt(ref) !== COMPLEX && core.table.word(ref, 5) !== 0;
    const stored = core.store(ref, into);
    if (core.formAt(stored) === COMPLEX) {
      const side = core.table.sideOf(stored);
      if (merged.dropped) side.view = undefined;
      followFields(side, fieldsOf(from), before);
      if (wasPlain) side.touchWhole();
    }
    if (core.watches.size > 0) core.watches.changed(core.table.key(stored));
  }
}

function fieldsOf(state: KeyState): [ValueType, string][] {
  const fields: [ValueType, string][] = [];
  for (const [type, registers] of state.registers)
    for (const field of registers.keys()) fields.push([type, field]);
  return fields;
}

function malformed(what: string): MqkvError {
  return new MqkvError('MALFORMED_DELTA', `malformed delta: ${what}`);
}

/** Where the GENERAL delta at `at` ends. */
function endOfGeneral(buffer: Buffer, at: number): number {
  if (at + 9 > buffer.length) throw malformed('cut short');
  const end = at + 9 + buffer.readUInt32LE(at + 1) + buffer.readUInt32LE(at + 5);
  if (end > buffer.length) throw malformed('cut short');
  return end;
}

/** Reads the frame of a delta of another form (grammar: crdt/codec.ts). Result: where it ends. */
function readPlain(buffer: Buffer, at: number, delta: PlainDelta): number {
  const form = buffer[at];
  if (form !== FORM_PLAIN && form !== FORM_PLAIN_TTL && form !== FORM_DELETED)
    throw malformed('unknown form');
  const isDeleted = form === FORM_DELETED;
  const versionAt = at + (isDeleted ? 5 : 9);
  const keyStart = versionAt + (form === FORM_PLAIN_TTL ? 18 : 12);
  if (keyStart > buffer.length) throw malformed('cut short');
  const valueBytes = isDeleted ? 0 : u32(buffer, at + 5);
  if (valueBytes > VALUE_BYTES_MAX) throw malformed('value too large');
  const high = u32(buffer, versionAt + 4);
  const origin = u32(buffer, versionAt + 8);
  delta.form = form;
  delta.ms = u32(buffer, versionAt) + (high & 0xffff) * MS_SPAN;
  delta.tail = (high >>> 16) * COUNTER_SPAN + origin;
  delta.at =
    form === FORM_PLAIN_TTL ? u32(buffer, versionAt + 12) + u16(buffer, versionAt + 16) * MS_SPAN : 0;
  delta.keyStart = keyStart;
  delta.keyEnd = keyStart + u32(buffer, at + 1);
  delta.end = delta.keyEnd + valueBytes;
  if (delta.end > buffer.length) throw malformed('cut short');
  expectVersion(delta, origin);
  return delta.end;
}

function expectVersion({ form, ms, tail, at }: PlainDelta, origin: number): void {
  if (form === FORM_DELETED) {
    if (ms === 0 && tail === 0) throw malformed('deletion without a version');
  } else if (origin === 0 || origin === 0xffffffff) throw malformed('version without an origin');
  if (form === FORM_PLAIN_TTL && at === 0) throw malformed('expiry without a time');
}

function u16(buffer: Buffer, at: number): number {
  return buffer[at] | (buffer[at + 1] << 8);
}

function u32(buffer: Buffer, at: number): number {
  return (buffer[at] | (buffer[at + 1] << 8) | (buffer[at + 2] << 16) | (buffer[at + 3] << 24)) >>> 0;
}

assert(
  FORM_PLAIN === PLAIN && FORM_PLAIN_TTL === PLAIN_TTL && FORM_DELETED === DELETED,
  'forms are those on the wire',
);
