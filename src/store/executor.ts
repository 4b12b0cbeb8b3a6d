// What the gateway drives a remote store with: reads as bytes, writes as units of a script, in the order of each connection.

/** Gets replies as bytes. */
export interface ReplySink {
  /**
   * Whole replies in order, `count` of them; called once or more until all are answered. Owns: as the source says;
   * `firstError`: index of the first error among them, or -1.
   */
  replies(bytes: Buffer, count: number, firstError: number): void;
  /** The next `count` replies never come. `written` false: surely not applied. */
  failed(count: number, written: boolean): void;
}

/**
 * One connection's order: what is given later is executed later. Made by `openLane`; the executor's own numbers.
 * Order: reads that follow each other are sent as they come; a read after a write waits for the write to be sent.
 */
export interface Lane {
  /** The turn of the event loop that the other fields are about. */
  turn: number;
  /** Reads and writes of phase p are sent before those of phase p + 1; within a phase reads come first. */
  phase: number;
  hasWritten: boolean;
}

/** A lane in which nothing has been asked yet. */
export function openLane(): Lane {
  return { turn: -1, phase: 0, hasWritten: false };
}

/** Where a request goes. */
export interface Target {
  /** The protocol of the replies. */
  readonly protocol: 2 | 3;
  /** The slot of all keys; ignored where there is one node. */
  readonly slot: number;
}

/** Read commands as they stand on the wire. */
export interface ReadRequest extends Target {
  /** Owns: the executor; must not change until they are answered. */
  readonly bytes: Buffer;
  readonly count: number;
  /** It does something (PUBLISH): not repeated where the connection died, but answered UNCERTAIN. Default: false. */
  readonly isOnce?: boolean | undefined;
}

/** A command for the generic unit, arguments as they stand on the wire. */
export interface CommandUnit {
  /** Names of all keys. Shape: bytes. */
  readonly keys: readonly Uint8Array[];
  readonly argc: number;
  /** The arguments, name first, as RESP bulk strings one after the other. Owns: copied. */
  readonly args: Uint8Array;
  /** A null reply is a null array in RESP2 (LPOP with a count, LMPOP, …). */
  readonly isNullArray: boolean;
}

/** Commands of MULTI/EXEC as one unit. */
export interface TransactionUnit {
  readonly keys: readonly Uint8Array[];
  /** Each: how many arguments, and they as RESP bulk strings. */
  readonly commands: readonly { readonly argc: number; readonly args: Uint8Array }[];
  /** Watched keys with the newest version that each had; empty: none. */
  readonly watches: readonly { readonly key: Uint8Array; readonly version: string }[];
}

/** Write units of one lane that follow each other; one reply each, in order, to the run's sink. */
export interface WriteRun {
  /**
   * Hot, hence its numbers: an unconditional SET; key and value are ranges of `source`. `ttlMs` 0: no expiry.
   * Owns: copied.
   */
  set(
    source: Buffer,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    ttlMs: number,
  ): void;
  command(unit: CommandUnit): void;
  transaction(unit: TransactionUnit): void;
}

/** Executes at a remote store. */
export interface Executor {
  readonly isCluster: boolean;
  /** Forwards read commands. Order: after everything that the lane was given before. */
  read(lane: Lane, request: ReadRequest, sink: ReplySink): void;
  /** Begins a run of writes, all keys of it in the target's slot on a cluster; it ends with the caller's turn. */
  writes(lane: Lane, target: Target, sink: ReplySink): WriteRun;
}
