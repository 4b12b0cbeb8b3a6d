// Takes marks away in Redis once what was sent has been accepted: many keys a call. A mark that is not taken away (Redis was
// unreachable) is found by the walker and sent once more, which does no harm.
import { type Clock, type Latin1, type Logger, messageOf, type Timer } from '../../base/index.ts';
import { type Access, type Arg, keysOf, type ScriptCall } from './access.ts';
import { prepareSlots, slotOfRange, writeTag } from './hot-slot.ts';
import { coreChars, keyAtOf, keyBytesOf, nextDelta, writeCore } from './plain-delta.ts';
import type { Script } from './scripts.ts';
import { slotOf, tagOf } from './slots.ts';
import type { RegisterName } from './state-text.ts';

/** Units: ms. */
const WAIT_MS = 5;
const KEYS_MAX = 512;

/** What was sent of a key. */
export interface SentMark {
  readonly key: Latin1;
  /** The header as `coreOf` gives it; '': it was not marked. */
  readonly core: Latin1;
  /** Marked registers, as they were read. */
  readonly registers: readonly (readonly [RegisterName, Latin1])[];
}

/** Units: bytes. Keys whose header lies in the slot hash (place.lua). */
const SHORT_KEY_BYTES = 64;
const SLOT_NAME = Buffer.from('mqkv:{___}', 'latin1');
const SLOT_NAME_BYTES = SLOT_NAME.length;
const TAG_AT = 6;
/** Units: bytes of one item of the script's plain argument: two lengths, a name, a header with an expiry, a key. */
const ITEM_BYTES_MAX = 2 + SLOT_NAME_BYTES + 37 + SHORT_KEY_BYTES;
const MARKED_PLAIN = 112;
const MARKED_PLAIN_TTL = 120;

/** One store's unmarking. */
export class Unmarking {
  readonly #access: Access;
  readonly #script: Script;
  readonly #around: { readonly clock: Clock; readonly logger: Logger };
  #waiting: SentMark[] = [];
  /** The script's plain argument for what waits. */
  readonly #plain = Buffer.alloc(KEYS_MAX * ITEM_BYTES_MAX);
  #plainBytes = 0;
  #plainKeys = 0;
  #timer: Timer | undefined;
  #underWay: Promise<void> = Promise.resolve();

  constructor(access: Access, script: Script, around: { readonly clock: Clock; readonly logger: Logger }) {
    prepareSlots();
    this.#access = access;
    this.#script = script;
    this.#around = around;
  }

  /** Soon. Owns: keeps the marks. */
  add(marks: readonly SentMark[]): void {
    for (const mark of marks) this.#waiting.push(mark);
    if (this.#waiting.length >= KEYS_MAX) void this.flush();
    else this.#soon();
  }

  /** Soon, for the deltas of plain SETs that were sent. Owns: only during the call. */
  addPlain(deltas: Buffer): void {
    for (let at = 0; at < deltas.length; at = nextDelta(deltas, at)) {
      if (this.#access.isCluster || keyBytesOf(deltas, at) > SHORT_KEY_BYTES)
        this.#waiting.push(markOf(deltas, at));
      else this.#addItem(deltas, at);
    }
    this.add([]);
  }

  #addItem(deltas: Buffer, start: number): void {
    const out = this.#plain;
    const keyAt = keyAtOf(deltas, start);
    const keyBytes = keyBytesOf(deltas, start);
    let at = this.#plainBytes;
    for (let i = 0; i < SLOT_NAME_BYTES; i++) out[at + i] = SLOT_NAME[i];
    writeTag(out, at + TAG_AT, slotOfRange(deltas, keyAt, keyAt + keyBytes));
    at += SLOT_NAME_BYTES;
    const chars = coreChars(deltas, start);
    out[at++] = 1 + chars;
    out[at++] = chars === 24 ? MARKED_PLAIN : MARKED_PLAIN_TTL;
    at = writeCore(out, at, deltas, start);
    out[at++] = keyBytes;
    for (let i = 0; i < keyBytes; i++) out[at++] = deltas[keyAt + i];
    this.#plainBytes = at;
    if (++this.#plainKeys === KEYS_MAX) this.#flushPlain();
  }

  #soon(): void {
    if (this.#timer !== undefined || (this.#waiting.length === 0 && this.#plainKeys === 0)) return;
    this.#timer = this.#around.clock.after(WAIT_MS, () => {
      this.#timer = undefined;
      void this.flush();
    });
  }

  /** Now. Resolves when all given so far has been tried. */
  flush(): Promise<void> {
    if (this.#plainKeys > 0) this.#flushPlain();
    const marks = this.#waiting;
    this.#waiting = [];
    for (const part of this.#parts(marks)) this.#await(this.#send(part));
    return this.#underWay;
  }

  #flushPlain(): void {
    const plain = this.#plain.subarray(0, this.#plainBytes);
    const keys = this.#plainKeys;
    this.#plainBytes = 0;
    this.#plainKeys = 0;
    this.#await(this.#call(0, { keys: [], args: [plain] }, keys));
  }

  #await(call: Promise<void>): void {
    this.#underWay = Promise.all([this.#underWay, call]).then(() => {});
  }

  #parts(marks: readonly SentMark[]): SentMark[][] {
    const open = new Map<number, SentMark[]>();
    const parts: SentMark[][] = [];
    for (const mark of marks) {
      const slot = this.#access.isCluster ? slotOf(mark.key) : 0;
      const part = open.get(slot) ?? [];
      if (part.length === 0) parts.push(part);
      part.push(mark);
      if (part.length < KEYS_MAX) open.set(slot, part);
      else open.delete(slot);
    }
    return parts;
  }

  #send(marks: readonly SentMark[]): Promise<void> {
    const args: Arg[] = [''];
    const keys: Arg[] = [];
    for (const { key, core, registers } of marks) {
      const slot = slotOf(key);
      if (this.#access.isCluster) keys.push(...keysOf(key, slot));
      args.push(tagOf(slot), key, core, String(registers.length));
      for (const [name, text] of registers) args.push(name, text);
    }
    return this.#call(slotOf(marks[0]?.key ?? ''), { keys, args }, marks.length);
  }

  async #call(slot: number, given: ScriptCall, keys: number): Promise<void> {
    try {
      const reply = await this.#access.script(slot, this.#script, given);
      if (reply.kind === 'error') throw new Error(reply.text);
    } catch (error) {
      this.#around.logger.debug({ error: messageOf(error), keys }, 'marks stay until the walker comes');
    }
  }
}

/** Of a plain SET's delta. */
function markOf(deltas: Buffer, start: number): SentMark {
  const core = Buffer.alloc(coreChars(deltas, start));
  writeCore(core, 0, deltas, start);
  const keyAt = keyAtOf(deltas, start);
  return {
    key: deltas.toString('latin1', keyAt, keyAt + keyBytesOf(deltas, start)),
    core: core.toString('latin1'),
    registers: [],
  };
}
