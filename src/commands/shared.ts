// What all connections of one gateway share: options, channels, counters, the slow log.
import type { Clock, Latin1, Logger, Random } from '../base/index.ts';
import type { Connection, PubSub } from '../server/index.ts';
import type { Keyspace, Store } from '../store/index.ts';
import type { Session } from './session.ts';
import type { SlowLog } from './slow-log.ts';
import type { Statistics } from './statistics.ts';

/** A section of INFO. */
export interface InfoSection {
  /** The heading, e.g. `Mqkv`. */
  readonly name: string;
  readonly fields: readonly (readonly [string, string | number])[];
}

/** What a fact may be. */
export type Fact = string | number | boolean | null | readonly number[] | Readonly<Record<string, number>>;

/** Facts by name, in this order. */
export type Facts = Readonly<Record<string, Fact>>;

/** Replication as clients may ask of it. */
export interface ReplicationFace {
  /** Resolves with whether the queue has accepted everything written so far, at latest after `timeoutMs`. */
  accepted(timeoutMs: number): Promise<boolean>;
  freeze(what: 'in' | 'out' | 'off'): void;
  /** The sites known, this one first. */
  sites(): readonly Facts[];
  /** Each pair of sites. */
  lags(): readonly Facts[];
}

/** What a gateway is made of. */
export interface GatewayOptions {
  readonly keyspace: Keyspace;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** mqkv's own version, for INFO, HELLO and LOLWUT. */
  readonly version: string;
  /** Further INFO sections; fields of a section named `Mqkv` join the built-in one. */
  info?(): readonly InfoSection[];
  /** Clients must AUTH with it (user `default`). Shape: latin1. */
  readonly password?: string | undefined;
  /** Called for every local PUBLISH, to carry it to other sites. Owns: the bytes are the callee's. */
  publish?(channel: Latin1, message: Buffer): void;
  /** MQKV.PEER: the arguments after the name; the callee takes the connection over. Absent: refused. */
  peer?(connection: Connection, args: readonly Buffer[]): void;
  /**
   * WAIT: how many other sites have applied this connection's writes, when these are `sites` or after `timeoutMs` (0: no limit);
   * undefined: as it is now. Absent: 0 at once.
   */
  wait?(connection: Connection, sites: number, timeoutMs: number | undefined): number | Promise<number>;
  /** What lies between this site and the others. Absent: a site alone. */
  replication?(): ReplicationFace | undefined;
  /** SHUTDOWN: begins to stop the process. Absent: refused. */
  shutdown?(): void;
  /** The error that data commands get now (`LOADING …`, `DUPSITE …`); undefined: none. */
  refusal?(): string | undefined;
  /** The error that commands which may take more room get now (`MISCONF …`); undefined: none. */
  writeRefusal?(): string | undefined;
  /** As `settled` of a server's handler. */
  settled?(connection: Connection, hasWaited: boolean): Promise<void> | undefined;
  /** Units: bytes. Default: VALUE_BYTES_MAX. */
  readonly maxValueBytes?: number | undefined;
  /** Shown by CONFIG GET besides the built-in settings. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** One gateway's state. */
export interface Shared {
  readonly options: GatewayOptions;
  /** What COMMAND lists: the commands that this store executes. */
  readonly store: 'embedded' | 'redis';
  readonly sessions: Map<number, Session>;
  readonly pubsub: PubSub;
  readonly statistics: Statistics;
  readonly slowLog: SlowLog;
  /** Settings that CONFIG SET may change, by name. */
  readonly settings: Map<string, string>;
  /** Clients that wait for keys, and that have CLIENT TRACKING on. */
  readonly gauges: { blocked: number; tracking: number };
  /** Connections in MONITOR. */
  readonly monitors: Set<Session>;
  /** Units: Unix ms. */
  readonly startedAtMs: number;
  /** Shape: 40 hexadecimal characters. */
  readonly runId: string;
}
