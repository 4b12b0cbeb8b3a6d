// Versions (hybrid logical clock + origin) and the boundaries between them, as plain numbers.
import type { Version } from './types.ts';

const ORIGIN_SPAN = 4294967296;
const TAIL_SPAN = ORIGIN_SPAN * 65536;

/** Below every version; stands for "none". */
export const NONE: Version = { ms: 0, tail: 0 };

/** Order: negative when `a` lies below `b`, 0 when equal, positive above. Boundaries compare with versions. */
export function compareVersions(a: Version, b: Version): number {
  return a.ms !== b.ms ? a.ms - b.ms : a.tail - b.tail;
}

/** The larger of two versions or boundaries. */
export function laterOf(a: Version, b: Version): Version {
  return compareVersions(a, b) >= 0 ? a : b;
}

/** The boundary just above `v`. Range: origins end at 2^32 - 2, so it never carries into the counter. */
export function above(v: Version): Version {
  return { ms: v.ms, tail: v.tail + 1 };
}

/** Units: `ms` Unix ms (48 bits). Range: counter 0 .. 65535; origin 1 .. 2^32 - 2 (0 and 2^32 - 1 in boundaries only). */
export function makeVersion(ms: number, counter: number, origin: number): Version {
  return { ms, tail: counter * ORIGIN_SPAN + origin };
}

/** Range: 0 .. 65535. */
export function counterOf(v: Version): number {
  return Math.floor(v.tail / ORIGIN_SPAN);
}

/** Range: 1 .. 2^32 - 2 for a version; one more or 0 for a boundary. */
export function originOf(v: Version): number {
  return v.tail % ORIGIN_SPAN;
}

/**
 * The version of a command: (now, 0, origin), or where `newest` is not below that, the next counter after `newest`.
 * `newest`: the greatest thing that any key of the command holds. Units: `now` Unix ms.
 */
export function nextVersion(now: number, origin: number, newest: Version): Version {
  if (now > newest.ms || (now === newest.ms && origin > newest.tail)) return { ms: now, tail: origin };
  const tail = (counterOf(newest) + 1) * ORIGIN_SPAN + origin;
  return tail < TAIL_SPAN ? { ms: newest.ms, tail } : { ms: newest.ms + 1, tail: origin };
}
