// The connection to one Redis as its users see it: pipelined, reconnecting by itself, replies as raw bytes.
import type { SecureContextOptions } from 'node:tls';
import type { Clock, Logger, MqkvError, Random } from '../base/index.ts';
import type { Reply } from '../resp/index.ts';
import type { RedisAddress } from './address.ts';

/** 'connecting': dialling, or being set up; 'down': waits before it dials again; 'closed': for good. */
export type LinkState = 'connecting' | 'ready' | 'down' | 'closed';

/** Where the replies of one `forward` go. */
export interface ReplySink {
  /**
   * `count` complete replies (errors included), in the order of the commands. Called until all are answered.
   * Shape: `firstError` is the index of the first error among them, -1 when there is none.
   * Owns: `bytes` are views of what the socket read: nobody changes them, but a small view keeps up to 64 KB; copy what is kept long.
   */
  replies(bytes: Buffer, count: number, firstError: number): void;
  /**
   * The remaining `count` replies never come. `written` false: the commands surely were not and will not be executed.
   * Errors: `error.code` is UNCERTAIN where written, else UNAVAILABLE, or ORIGIN_CHANGED: to be made anew, with the new origin.
   */
  failed(count: number, written: boolean, error: MqkvError): void;
}

/** What is sent before everything else on a new connection. */
export interface LinkSetup {
  /** As `Link.call`, ahead of all that waits. */
  call(args: readonly (string | Uint8Array)[]): Promise<Reply>;
  /** A command without a reply of its own (SUBSCRIBE under RESP3). */
  send(args: readonly (string | Uint8Array)[]): void;
}

/** One upstream socket and its successors. */
export interface Link {
  readonly state: LinkState;
  /** Why the last connection or attempt ended. */
  readonly lastError: MqkvError | undefined;
  /** Commands whose replies are awaited or that wait to be sent. */
  readonly pending: number;
  /**
   * Sends bytes holding `count` commands. Order: of the calls is the order of execution. What one turn of the event loop gives leaves in
   * few writes at its end. While there is no connection it waits up to 2 s. `count` 0: no reply is awaited.
   * Owns: copies nothing; the bytes must stay unchanged until written (their last reply).
   */
  forward(bytes: Buffer | readonly Buffer[], count: number, sink: ReplySink): void;
  /** Sends now what this turn has given so far. */
  flush(): void;
  /** One command. Errors: a reply error is a value; rejects with MqkvError UNCERTAIN (was under way) or UNAVAILABLE (never written). */
  call(args: readonly (string | Uint8Array)[]): Promise<Reply>;
  /** RESP3 pushes (invalidations, messages). */
  onPush: ((reply: Reply) => void) | undefined;
  /** Every change of `state`. */
  onState: ((state: LinkState) => void) | undefined;
  /** Gives up what was not written yet: its sinks get `failed(…, false, error)`. */
  dropQueued(error: MqkvError): void;
  /** Ends the present connection and dials again. */
  reconnect(reason: string): void;
  /** Ends it for good. Idempotent. */
  close(): void;
}

/** TLS as node's `tls` takes it; the server's name is the host. */
export interface TlsSettings extends SecureContextOptions {
  readonly rejectUnauthorized?: boolean;
  readonly servername?: string;
}

/** What a link asks of a socket: `net.Socket` has it. Owns: bytes given to `write` stay unchanged until written. */
export interface UpstreamSocket {
  /** Units: bytes given and not yet gone. */
  readonly writableLength: number;
  write(bytes: Buffer): unknown;
  cork(): void;
  uncork(): void;
  destroy(): unknown;
  setNoDelay(isOn: boolean): unknown;
  setKeepAlive(isOn: boolean, afterMs: number): unknown;
  once(event: 'connect' | 'secureConnect', run: () => void): unknown;
  on(event: 'data', run: (chunk: Buffer) => void): unknown;
  on(event: 'error', run: (error: Error) => void): unknown;
  on(event: 'drain' | 'close', run: () => void): unknown;
}

/** What stands in for the machine's sockets and event loop; the simulator passes its own. */
export interface Ground {
  /** Begins to connect. */
  dial(address: RedisAddress): UpstreamSocket;
  /** Runs at the end of this turn of the event loop. */
  readonly turn: (run: () => void) => void;
}

/** What opening a link needs. */
export interface LinkOptions {
  readonly address: RedisAddress;
  /** undefined: no TLS. */
  readonly tls?: TlsSettings | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly db?: number | undefined;
  readonly protocol: 2 | 3;
  /** CLIENT SETNAME. */
  readonly clientName?: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Runs on each new connection before anything else is sent there; a rejection ends the connection. */
  readonly onReady?: ((setup: LinkSetup) => Promise<void>) | undefined;
  /** Hears of errors that say something about the server: READONLY, LOADING, MASTERDOWN, CLUSTERDOWN …. Shape: the first word. */
  readonly onServerError?: ((code: string) => void) | undefined;
  /** Units: ms without any byte while a reply is awaited, after which it dials again; 0: never (blocking commands). Default 5 s. */
  readonly hangTimeoutMs?: number | undefined;
  /** Units: ms that commands wait for a connection. Default 2 s. */
  readonly waitMs?: number | undefined;
  /** Units: bytes that may wait to be written. Default UPSTREAM_QUEUED_BYTES_MAX. */
  readonly queuedBytesMax?: number | undefined;
  /** Default: the machine's. */
  readonly ground?: Ground | undefined;
  /** Units: bytes of one reply; a larger one ends the connection. Default UPSTREAM_REPLY_BYTES_MAX. */
  readonly replyBytesMax?: number | undefined;
}
