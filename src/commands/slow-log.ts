// SLOWLOG: the last commands that took long.
import { type Latin1, SLOWLOG_ENTRIES_MAX } from '../base/index.ts';

/** Arguments kept of one command, and characters of one argument, as in Redis. */
const ARGUMENTS_KEPT = 32;
const CHARACTERS_KEPT = 128;

/** One slow command. */
export interface SlowEntry {
  readonly id: number;
  /** Units: Unix seconds. */
  readonly at: number;
  readonly microseconds: number;
  readonly args: readonly Latin1[];
  readonly address: string;
  readonly client: string;
}

/** Newest first; bounded. */
export class SlowLog {
  entries: SlowEntry[] = [];
  #nextId = 0;

  add(entry: Omit<SlowEntry, 'id'>): void {
    this.entries.unshift({ ...entry, id: this.#nextId++, args: shortened(entry.args) });
    if (this.entries.length > SLOWLOG_ENTRIES_MAX) this.entries.pop();
  }
}

function shortened(args: readonly Latin1[]): Latin1[] {
  const kept = args.slice(0, args.length > ARGUMENTS_KEPT ? ARGUMENTS_KEPT - 1 : ARGUMENTS_KEPT);
  const texts = kept.map((arg) =>
    arg.length > CHARACTERS_KEPT
      ? `${arg.slice(0, CHARACTERS_KEPT)}... (${arg.length - CHARACTERS_KEPT} more bytes)`
      : arg,
  );
  if (kept.length < args.length) texts.push(`... (${args.length - kept.length} more arguments)`);
  return texts;
}
