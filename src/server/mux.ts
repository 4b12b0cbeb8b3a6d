// Handlers by command, with middleware: the net/http-like way to use the server.
import type { CommandBatch, ReplyWriter } from '../resp/index.ts';
import type { Connection, Handler } from './connection.ts';

/** One command under way. Valid until its handler returns, or until its promise settles. */
export interface Context {
  readonly connection: Connection;
  readonly reply: ReplyWriter;
  /** The command's name in upper case. */
  readonly name: string;
  /** Arguments, the name included. */
  readonly argc: number;
  /** Aborted when the client goes. */
  readonly signal: AbortSignal;
  /** Argument a as bytes (0 is the name). Owns: the server; copy to keep it longer than the command. */
  readonly arg: (a: number) => Buffer;
  /** Argument a as text. Shape: latin1. */
  readonly text: (a: number) => string;
}

/** Answers a command. */
export type CommandHandler = (context: Context) => void | Promise<void>;
/** Runs around commands: answers itself or calls `next`, and returns or awaits what that returns. */
export type Middleware = (context: Context, next: () => void | Promise<void>) => void | Promise<void>;

/** A handler made of handlers by command. */
export class Mux implements Handler {
  readonly #commands = new Map<string, CommandHandler>();
  readonly #middleware: Middleware[] = [];
  readonly #opened: ((connection: Connection) => void)[] = [];
  readonly #closed: ((connection: Connection) => void)[] = [];
  #notFound: CommandHandler = unknownCommand;

  /** Sets the handler of a command; any case. */
  command(name: string, handler: CommandHandler): this {
    this.#commands.set(name.toUpperCase(), handler);
    return this;
  }

  /** Adds a middleware around every command, inside those added before. */
  use(middleware: Middleware): this {
    this.#middleware.push(middleware);
    return this;
  }

  /** Sets the handler of commands that have none; the default answers as Redis does. */
  notFound(handler: CommandHandler): this {
    this.#notFound = handler;
    return this;
  }

  /** Calls `task` for every client that comes. */
  onOpened(task: (connection: Connection) => void): this {
    this.#opened.push(task);
    return this;
  }

  /** Calls `task` for every client that has gone. */
  onClosed(task: (connection: Connection) => void): this {
    this.#closed.push(task);
    return this;
  }

  opened(connection: Connection): void {
    for (const task of this.#opened) task(connection);
  }

  closed(connection: Connection): void {
    for (const task of this.#closed) task(connection);
  }

  handle(
    connection: Connection,
    batch: CommandBatch,
    index: number,
    reply: ReplyWriter,
  ): void | Promise<void> {
    const context = new BatchContext({ connection, batch, index, reply });
    connection.lastCommand = context.name.toLowerCase();
    return this.#middleware.length === 0 ? this.#dispatch(context) : this.#around(context, 0);
  }

  #around(context: Context, depth: number): void | Promise<void> {
    if (depth === this.#middleware.length) return this.#dispatch(context);
    return this.#middleware[depth](context, () => this.#around(context, depth + 1));
  }

  #dispatch(context: Context): void | Promise<void> {
    const handler = this.#commands.get(context.name) ?? this.#notFound;
    return handler(context);
  }
}

interface Parts {
  readonly connection: Connection;
  readonly batch: CommandBatch;
  readonly index: number;
  readonly reply: ReplyWriter;
}

class BatchContext implements Context {
  readonly connection: Connection;
  readonly reply: ReplyWriter;
  readonly name: string;
  readonly argc: number;
  readonly arg: (a: number) => Buffer;
  readonly text: (a: number) => string;

  constructor({ connection, batch, index, reply }: Parts) {
    this.connection = connection;
    this.reply = reply;
    // Bound, so that a handler may take them apart: ({ reply, text }) => …
    this.arg = (a) => batch.arg(index, a);
    this.text = (a) => batch.text(index, a);
    this.name = batch.name(index);
    this.argc = batch.argc(index);
  }

  get signal(): AbortSignal {
    return this.connection.signal;
  }
}

/** Units: characters. As much of the arguments as Redis repeats in its answer. */
const SHOWN_CHARS_MAX = 128;

function unknownCommand(context: Context): void {
  let args = '';
  for (let a = 1; a < context.argc && args.length < SHOWN_CHARS_MAX; a++) {
    args += `'${context.text(a).slice(0, SHOWN_CHARS_MAX - args.length)}' `;
  }
  const name = context.text(0).slice(0, SHOWN_CHARS_MAX);
  context.reply.error(`ERR unknown command '${name}', with args beginning with: ${args}`);
}
