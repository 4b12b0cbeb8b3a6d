// What the gateway remembers of one connection.
import type { Latin1 } from '../base/index.ts';
import type { Connection } from '../server/index.ts';
import type { CommandSpec } from './spec.ts';

/** A command waiting for EXEC. */
export interface Queued {
  readonly spec: CommandSpec;
  readonly args: Latin1[];
}

/** State of one connection. */
export interface Session {
  readonly connection: Connection;
  authenticated: boolean;
  /** Commands since MULTI; undefined outside of a transaction. */
  queue: Queued[] | undefined;
  /** A command was refused since MULTI: EXEC fails. */
  queueBroken: boolean;
  /** Watched keys with what stops each watch. */
  readonly watches: Map<Latin1, () => void>;
  /** A watched key has changed. */
  watchBroken: boolean;
  isMonitor: boolean;
  /** CLIENT TRACKING is on: what it reads is remembered. */
  isTracking: boolean;
  replies: 'on' | 'off' | 'skip';
  /** When its writes are answered: at once, or when the queue has them (MQKV.ACK). */
  ack: 'local' | 'queue';
  noEvict: boolean;
  libraryName: string;
  libraryVersion: string;
  /** Units: Unix ms. */
  lastCommandAtMs: number;
  /** false: something special (MULTI, subscriptions, MONITOR, TRACKING, CLIENT REPLY, MQKV.ACK, no AUTH yet): not the hot path. */
  isPlain: boolean;
}

/** A new connection's state. */
export function newSession(connection: Connection, authenticated: boolean): Session {
  return {
    connection,
    authenticated,
    queue: undefined,
    queueBroken: false,
    watches: new Map(),
    watchBroken: false,
    isMonitor: false,
    isTracking: false,
    replies: 'on',
    ack: 'local',
    noEvict: false,
    libraryName: '',
    libraryVersion: '',
    lastCommandAtMs: connection.openedAtMs,
    isPlain: authenticated,
  };
}

/** Recomputes `isPlain` after a command that may have changed it. */
export function settle(session: Session, isSubscribed: boolean): void {
  session.isPlain =
    session.authenticated &&
    session.queue === undefined &&
    session.replies === 'on' &&
    session.ack === 'local' &&
    !session.isMonitor &&
    !session.isTracking &&
    !isSubscribed;
}

/** Forgets the watched keys. */
export function unwatchAll(session: Session): void {
  for (const stop of session.watches.values()) stop();
  session.watches.clear();
  session.watchBroken = false;
}

/** Ends a transaction without executing it. */
export function endQueue(session: Session): void {
  session.queue = undefined;
  session.queueBroken = false;
  unwatchAll(session);
}
