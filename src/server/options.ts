// A server's options and limits with their defaults.
import type { TlsOptions } from 'node:tls';
import {
  CLIENTS_MAX,
  type Clock,
  INPUT_PAUSE_BYTES,
  type Logger,
  OUTPUT_BYTES_MAX,
  OUTPUT_PAUSE_BYTES,
  REPLY_FLUSH_BYTES,
  silentLogger,
  systemClock,
} from '../base/index.ts';
import { type RequestLimits, requestLimits } from '../resp/index.ts';
import type { Handler } from './connection.ts';

/** Bounds of a server; `server.limits` may be changed while it runs. */
export interface ServerLimits extends RequestLimits {
  /** Clients at one time. */
  clientsMax: number;
  /** A client that sends nothing for this long is closed. Units: ms; 0: never. */
  idleTimeoutMs: number;
  /** Units: bytes of unsent output beyond which a client is disconnected. */
  outputBytesMax: number;
  /** Units: bytes of unsent output beyond which no more of its input is executed. */
  outputPauseBytes: number;
  /** Units: bytes of input that may wait for an async handler before the socket is no longer read. */
  inputPauseBytes: number;
  /** Units: bytes of replies after which they are sent before the chunk of input is done. */
  replyFlushBytes: number;
}

/** Options of `createServer`. */
export interface ServerOptions {
  /** Answers the commands: a `Mux` or a handler of one's own. */
  readonly handler: Handler;
  readonly limits?: Partial<ServerLimits>;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Default for every `listen`: serve TLS with these. */
  readonly tls?: TlsOptions;
  /** Closes the server when aborted. */
  readonly signal?: AbortSignal;
}

/** What a running server works with. */
export interface Settings {
  readonly handler: Handler;
  readonly limits: ServerLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The options with their defaults. */
export function settingsOf(options: ServerOptions): Settings {
  const { handler, clock = systemClock, logger = silentLogger } = options;
  return { handler, clock, logger, limits: serverLimits(options.limits) };
}

function serverLimits(some: Partial<ServerLimits> = {}): ServerLimits {
  return {
    ...requestLimits(some),
    clientsMax: some.clientsMax ?? CLIENTS_MAX,
    idleTimeoutMs: some.idleTimeoutMs ?? 0,
    outputBytesMax: some.outputBytesMax ?? OUTPUT_BYTES_MAX,
    outputPauseBytes: some.outputPauseBytes ?? OUTPUT_PAUSE_BYTES,
    inputPauseBytes: some.inputPauseBytes ?? INPUT_PAUSE_BYTES,
    replyFlushBytes: some.replyFlushBytes ?? REPLY_FLUSH_BYTES,
  };
}
