// What a command is to the engine: its name, arity, kind, and what it does to a database.
import type { Random } from '../../../src/base/index.ts';
import type { Database } from './database.ts';
import type { RedisReply } from './replies.ts';

/** What a command runs on. */
export interface Context {
  readonly db: Database;
  /** Units: Unix ms. */
  readonly now: number;
  /** Protocol of the reply. */
  readonly protocol: 2 | 3;
  readonly random: Random;
}

/** Shape: args[0] is the name; arity was checked. Errors: CommandError. */
export type Run = (args: readonly string[], on: Context) => RedisReply;

/** 'grow': a write that may need memory (refused when Redis is full). */
export type Kind = 'read' | 'write' | 'grow';

export interface Command {
  readonly name: string;
  /** As COMMAND has it: the name counts; negative: at least. */
  readonly arity: number;
  readonly kind: Kind;
  readonly run: Run;
}

/** Commands of one file. Shape: `name:arity` and what it does. */
export function commands(kind: Kind, runs: Readonly<Record<string, Run>>): readonly Command[] {
  return Object.entries(runs).map(([spec, run]) => {
    const [name, arity] = spec.split(' ');
    return { name, arity: Number(arity), kind, run };
  });
}

/** Options at the end of a command, lower-case. */
export function lower(args: readonly string[], at: number): string {
  return (args[at] ?? '').toLowerCase();
}
