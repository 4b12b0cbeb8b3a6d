// What the gateway over a Redis store remembers of one connection.
import type { Connection } from '../../server/index.ts';
import { type Lane, openLane } from '../../store/index.ts';
import { newSession, type Session } from '../session.ts';

/** A session with its order at the store. */
export interface RedisSession extends Session {
  readonly lane: Lane;
  /** Runs of writes of the hot path that have not been answered; counted only with a near cache. */
  writesUnderWay: number;
  /** Runs of the hot path, of any kind, that have not been answered. */
  runsUnderWay: number;
  /** Called once when none is under way any more. */
  idle: (() => void) | undefined;
}

/** A new connection's state. */
export function newRedisSession(connection: Connection, authenticated: boolean): RedisSession {
  return {
    ...newSession(connection, authenticated),
    lane: openLane(),
    writesUnderWay: 0,
    runsUnderWay: 0,
    idle: undefined,
  };
}

/** A run has been answered. */
export function runEnded(session: RedisSession): void {
  if (--session.runsUnderWay > 0 || session.idle === undefined) return;
  const { idle } = session;
  session.idle = undefined;
  idle();
}

/** Resolves when all that the hot path was given has been answered; undefined: it has. */
export function whenIdle(session: RedisSession): Promise<void> | undefined {
  if (session.runsUnderWay === 0) return undefined;
  return new Promise((resolve) => {
    session.idle = resolve;
  });
}

/** The order of a session that this gateway has made; any other (none in practice) gets one of its own. */
export function laneOf(session: Session): Lane {
  return 'lane' in session ? (session as RedisSession).lane : openLane();
}
