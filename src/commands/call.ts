// One command being executed: its arguments, where its reply goes, and what it works on.
import { bytesOf, type Clock, type Latin1, type Random } from '../base/index.ts';
import type { ValueType } from '../crdt/index.ts';
import type { CommandBatch, ReplyWriter } from '../resp/index.ts';
import type { Keyspace } from '../store/index.ts';
import { WRONG_TYPE } from './errors.ts';
import { doubleText } from './numbers.ts';
import type { Session } from './session.ts';
import type { Shared } from './shared.ts';
import type { CommandSpec } from './spec.ts';

/** Executes one command. Reply errors are written, not thrown. */
export type CommandHandler = (call: Call) => void | Promise<void>;

/** What a call works on; one per gateway. */
export interface CallContext {
  readonly keyspace: Keyspace;
  readonly random: Random;
  readonly clock: Clock;
  /** Units: bytes. The largest value. */
  readonly maxValueBytes: number;
}

/** A command with its arguments as latin1 strings; made off the hot path. */
export class Call {
  readonly ctx: CallContext;
  readonly keyspace: Keyspace;
  readonly spec: CommandSpec;
  readonly argc: number;
  readonly reply: ReplyWriter;
  /** Absent where commands run without a connection (golden cases). */
  readonly session: Session | undefined;
  readonly shared: Shared | undefined;
  /** Inside EXEC: it cannot wait. */
  readonly isInside: boolean;
  /** true once an error has been written. */
  failed = false;
  readonly #batch: CommandBatch | undefined;
  readonly #index: number;
  readonly #texts: (Latin1 | undefined)[];

  constructor(source: CallSource) {
    this.ctx = source.ctx;
    this.keyspace = source.ctx.keyspace;
    this.spec = source.spec;
    this.reply = source.reply;
    this.session = source.session;
    this.shared = source.shared;
    this.isInside = source.isInside ?? false;
    this.#batch = source.batch;
    this.#index = source.index ?? 0;
    this.#texts = source.args === undefined ? [] : source.args;
    this.argc = source.batch === undefined ? this.#texts.length : source.batch.argc(this.#index);
  }

  /** Units: Unix ms; stands still during a unit. */
  get now(): number {
    return this.keyspace.now;
  }

  /** Argument a as latin1; 0 is the name. */
  text(a: number): Latin1 {
    const held = this.#texts[a];
    if (held !== undefined) return held;
    const text = this.#batch === undefined ? '' : this.#batch.text(this.#index, a);
    this.#texts[a] = text;
    return text;
  }

  /** Argument a in upper case, for options. */
  word(a: number): string {
    return this.text(a).toUpperCase();
  }

  /** Argument a as bytes. Owns: valid during the command; copy to keep. */
  bytes(a: number): Buffer {
    return this.#batch === undefined ? bytesOf(this.text(a)) : this.#batch.arg(this.#index, a);
  }

  /** Arguments from a on. */
  rest(a: number): Latin1[] {
    const texts: Latin1[] = [];
    for (let i = a; i < this.argc; i++) texts.push(this.text(i));
    return texts;
  }

  /** Replies with an error. */
  fail(text: string): undefined {
    this.failed = true;
    this.reply.error(text);
    return undefined;
  }

  /** true where the key shows that type or nothing; else replies with WRONGTYPE. */
  accepts(key: Latin1, type: ValueType): boolean {
    const shown = this.keyspace.type(key);
    if (shown === 0 || shown === type) return true;
    this.fail(WRONG_TYPE);
    return false;
  }

  /** A score or float: a bulk string in RESP2. */
  double(x: number): void {
    const text = doubleText(x);
    if (this.reply.protocol === 3) this.reply.raw(bytesOf(`,${text}\r\n`));
    else this.reply.latin1(text);
  }

  /** An array of bulk strings. */
  strings(texts: readonly Latin1[]): void {
    this.reply.array(texts.length);
    for (const text of texts) this.reply.latin1(text);
  }
}

/** Where a call's arguments come from: a batch, or texts. */
export interface CallSource {
  readonly ctx: CallContext;
  readonly spec: CommandSpec;
  readonly reply: ReplyWriter;
  readonly session?: Session | undefined;
  readonly shared?: Shared | undefined;
  readonly isInside?: boolean;
  readonly batch?: CommandBatch;
  readonly index?: number;
  readonly args?: Latin1[];
}
