// Where the hot path of the gateway over a Redis store hands over: every command that it does not answer itself.
import type { Call } from '../call.ts';
import type { Session } from '../session.ts';
import type { Port } from './port.ts';

/**
 * The commands off the hot path: about the connection, transactions, scripts, blocking commands, the whole key space,
 * keys of several slots. The order of checks (NOAUTH, arity, unknown, refusal), the queue of MULTI, MONITOR, statistics
 * and the slow log have been seen to by the gateway before `run` is called.
 */
export interface General {
  /**
   * Executes one checked command; its reply goes to `call.reply` before the return or the promise settles. With a
   * promise the connection's later commands wait. What it asks of the port comes after all that the connection asked
   * before, hot commands included.
   */
  run(call: Call, session: Session): void | Promise<void>;
  /** A client has gone: waits end, watches are forgotten. */
  closed?(session: Session): void;
}

/** Made once per gateway; the default answers single reads and writes only (`plain.ts`). */
export type OpenGeneral = (port: Port, plain: Plain) => General;

/** What the gateway itself does with a command that has no rule of its own off the hot path. */
export interface Plain {
  /** Forwards a read of one node, its keys in one slot. */
  read(call: Call, session: Session): Promise<void>;
  /** One write unit, keys from the table or the connected Redis' own COMMAND. */
  write(call: Call, session: Session): Promise<void>;
  /** `read` or `write`, by the command's flags; refuses what is neither. */
  run(call: Call, session: Session): void | Promise<void>;
}
