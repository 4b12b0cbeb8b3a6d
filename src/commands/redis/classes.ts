// Which commands the hot path over a Redis store takes: looked up by number or name, with what it must know of each.
import { nameCode, type CommandBatch } from '../../resp/index.ts';
import { type CommandSpec, commandTable } from '../spec.ts';
import type { CommandCount, Statistics } from '../statistics.ts';

/** A command of the hot path. */
export interface HotCommand {
  readonly spec: CommandSpec;
  /** `read`: its bytes are forwarded; `set`: SET, SETEX or PSETEX; `write`: a unit of its own words. */
  readonly kind: 'read' | 'set' | 'write';
  /** Where its keys stand: `first` argument only, `rest`: every argument, `other`: see the spec. */
  readonly keys: 'first' | 'rest' | 'other';
  readonly count: CommandCount;
}

/** Commands with rules of their own off the hot path, beside what their flags tell. */
const GENERAL: ReadonlySet<string> = new Set(['sort', 'sort_ro', 'migrate', 'memory', 'object', 'wait']);
const SETS: ReadonlySet<string> = new Set(['set', 'setex', 'psetex']);
/** Spellings of long names that are remembered; clients use one or two of each. */
const SPELLINGS_MAX = 4096;

/** The hot commands of one gateway. */
export class HotCommands {
  readonly #byCode = new Map<number, HotCommand>();
  readonly #byName = new Map<string, HotCommand | undefined>();
  #lastCode = 0;
  #last: HotCommand | undefined;

  constructor(statistics: Statistics) {
    for (const spec of commandTable.values()) {
      if (!isHot(spec)) continue;
      const command = { spec, kind: kindOf(spec), keys: keysOf(spec), count: statistics.of(spec.name) };
      const code = nameCode(spec.name);
      if (code === 0) this.#byName.set(spec.name, command);
      else this.#byCode.set(code, command);
    }
  }

  /** Hot. The command at `i`; undefined: not on the hot path. */
  find(batch: CommandBatch, i: number): HotCommand | undefined {
    const code = batch.code(i);
    if (code === 0) return this.#named(batch.text(i, 0));
    if (code !== this.#lastCode) {
      this.#lastCode = code;
      this.#last = this.#byCode.get(code);
    }
    return this.#last;
  }

  #named(text: string): HotCommand | undefined {
    const held = this.#byName.get(text);
    if (held !== undefined || this.#byName.has(text)) return held;
    const command = this.#byName.get(text.toLowerCase());
    if (command !== undefined && this.#byName.size < SPELLINGS_MAX) this.#byName.set(text, command);
    return command;
  }
}

function isHot({ name, flags, keys, subcommands, group, via }: CommandSpec): boolean {
  if (keys.length === 0 || subcommands.size > 0 || GENERAL.has(name) || group === 'scripting') return false;
  if (flags.has('blocking')) return false;
  return via === 'pass' || via === 'register' || via === 'whole';
}

function kindOf({ name, isWrite }: CommandSpec): HotCommand['kind'] {
  if (!isWrite) return 'read';
  return SETS.has(name) ? 'set' : 'write';
}

function keysOf({ keys }: CommandSpec): HotCommand['keys'] {
  const [{ begin, find, keyword }, ...others] = keys;
  if (others.length > 0 || find.kind !== 'range' || begin !== 1 || keyword !== undefined) return 'other';
  if (find.last === 0) return 'first';
  return find.last === -1 && find.step === 1 ? 'rest' : 'other';
}
