// Takes marks away in Redis once what was sent has been accepted: many keys a call. A mark that is not taken away (Redis was
// unreachable) is found by the walker and sent once more, which does no harm.
import { type Clock, type Latin1, type Logger, messageOf, type Timer } from '../../base/index.ts';
import { type Access, type Arg, keysOf } from './access.ts';
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

/** One store's unmarking. */
export class Unmarking {
  readonly #access: Access;
  readonly #script: Script;
  readonly #around: { readonly clock: Clock; readonly logger: Logger };
  #waiting: SentMark[] = [];
  #timer: Timer | undefined;
  #underWay: Promise<void> = Promise.resolve();

  constructor(access: Access, script: Script, around: { readonly clock: Clock; readonly logger: Logger }) {
    this.#access = access;
    this.#script = script;
    this.#around = around;
  }

  /** Soon. Owns: keeps the marks. */
  add(marks: readonly SentMark[]): void {
    for (const mark of marks) this.#waiting.push(mark);
    if (this.#waiting.length >= KEYS_MAX) void this.flush();
    else
      this.#timer ??= this.#around.clock.after(WAIT_MS, () => {
        this.#timer = undefined;
        void this.flush();
      });
  }

  /** Now. Resolves when all given so far has been tried. */
  flush(): Promise<void> {
    const marks = this.#waiting;
    this.#waiting = [];
    for (const part of this.#parts(marks)) {
      const call = this.#send(part);
      this.#underWay = Promise.all([this.#underWay, call]).then(() => {});
    }
    return this.#underWay;
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

  async #send(marks: readonly SentMark[]): Promise<void> {
    const args: Arg[] = [];
    const keys: Arg[] = [];
    for (const { key, core, registers } of marks) {
      const slot = slotOf(key);
      if (this.#access.isCluster) keys.push(...keysOf(key, slot));
      args.push(tagOf(slot), key, core, String(registers.length));
      for (const [name, text] of registers) args.push(name, text);
    }
    try {
      const reply = await this.#access.script(slotOf(marks[0]?.key ?? ''), this.#script, { keys, args });
      if (reply.kind === 'error') throw new Error(reply.text);
    } catch (error) {
      this.#around.logger.debug(
        { error: messageOf(error), keys: marks.length },
        'marks stay until the walker comes',
      );
    }
  }
}
