// What handlers see of a client, and what a server asks of its handler.
import type { Socket } from 'node:net';
import type { CommandBatch, ReplyWriter } from '../resp/index.ts';
import type { LaterReply } from './late-replies.ts';

/** One client, from accept to close. */
export interface Connection {
  /** Counts up from 1 within a server. */
  readonly id: number;
  /** RESP protocol of the replies; set by HELLO. Replies written after setting it have the new form. */
  protocol: 2 | 3;
  /** CLIENT SETNAME. */
  name: string;
  /** Shape: `127.0.0.1:1234`, `[::1]:1234`, or the path and `:0` of a Unix socket. */
  readonly remoteAddress: string;
  readonly localAddress: string;
  /** Units: Unix ms. */
  readonly openedAtMs: number;
  /** When input last came. Units: Unix ms. */
  readonly lastInputAtMs: number;
  /** For CLIENT LIST; the handler's to set. */
  lastCommand: string;
  /** The handler's own per-connection state. */
  state: unknown;
  /** While false, only small commands are accepted (before AUTH). True at first. */
  authenticated: boolean;
  /** The idle timeout does not apply (subscribers, monitors). */
  keepOpen: boolean;
  /** A client that ends its side while a command waits is taken as gone at once, as Redis does for blocking commands. */
  isWaitOptional: boolean;
  /** Aborted on close. */
  readonly signal: AbortSignal;
  /** Units: bytes of replies not yet taken by the operating system. */
  readonly bytesQueued: number;
  /** The connection is closing or gone: what is written is dropped. */
  readonly closed: boolean;
  /**
   * A place in the order of replies for the running command and those after it, `count` in all, filled while later
   * commands of the connection are executed. Several may be open; what is written after it waits behind it. When too
   * many commands or bytes of input are under way the connection's next commands wait (LATE_COMMANDS_MAX,
   * LATE_INPUT_BYTES_MAX). Close drops them, `close(true)` and the end of the server wait for them.
   * Order: only while a handler runs (before its return or first await); `handleRun` returns the same `count`.
   */
  later(count: number): LaterReply;
  /**
   * Out-of-band output (pub/sub, monitor). Order: within the running command of this connection, at the place in its
   * replies; behind places for later replies; at any other time between two replies. A client that reads too slowly is disconnected (OUTPUT_BYTES_MAX).
   */
  push(write: (reply: ReplyWriter) => void): void;
  /** Closes at once, or with `afterFlush` once the replies written so far are sent. Later commands are not executed. */
  close(afterFlush?: boolean): void;
  /**
   * Hands the socket over: the server forgets it. Replies written so far are sent first, those to come (`later`) are
   * dropped; `head` is the input that
   * came after the running command. Owns: the caller, who resumes the socket (it is paused) and closes it.
   */
  detach(): { readonly socket: Socket; readonly head: Buffer };
}

/** What answers commands. */
export interface Handler {
  /** Hint before the commands `from` up to `to` (at most 32, at least two) are handled: bring what they name near. */
  prepare?(connection: Connection, batch: CommandBatch, from: number, to: number): void;
  /**
   * Answers command `index`. With a promise the connection's later commands wait until it settles.
   * Owns: `batch` and `reply` are the server's, valid until the return or until the promise settles.
   * Errors: a throw or a rejection is logged and answered `-ERR internal error`.
   */
  handle(
    connection: Connection,
    batch: CommandBatch,
    index: number,
    reply: ReplyWriter,
  ): void | Promise<void>;
  /**
   * Takes over commands `from` and those after it as one run: result, how many; 0: none, `handle` gets command `from`.
   * Their replies are written to `reply` before the return, or to places taken with `connection.later`.
   * Owns: `batch` and `reply` are the server's, valid until the return.
   */
  handleRun?(connection: Connection, batch: CommandBatch, from: number, reply: ReplyWriter): number;
  /**
   * Asked before replies are sent: they leave when the promise settles, later ones behind them; commands go on meanwhile.
   * undefined: at once. `hasWaited`: among them is a reply of a command that waited (a promise of `handle`). Errors: a rejection
   * closes the connection, and the replies never leave.
   */
  readonly settled?: ((connection: Connection, hasWaited: boolean) => Promise<void> | undefined) | undefined;
  /** A client has come. */
  opened?(connection: Connection): void;
  /** A client has gone (also when detached). */
  closed?(connection: Connection): void;
}
