// What the gateway over a Redis store remembers of a connection besides its session.
import type { Latin1 } from '../../base/index.ts';
import type { Session } from '../session.ts';
import type { Waiter } from './waiting.ts';

export interface Extras {
  /** Watched keys with the version that each had. */
  readonly watched: Map<Latin1, string>;
  /** The blocking command under way. */
  waiter: Waiter | undefined;
  /** CLIENT NO-TOUCH. */
  noTouch: boolean;
}

const held = new WeakMap<Session, Extras>();

export function extrasOf(session: Session): Extras {
  let extras = held.get(session);
  if (extras === undefined) {
    extras = { watched: new Map(), waiter: undefined, noTouch: false };
    held.set(session, extras);
  }
  return extras;
}
