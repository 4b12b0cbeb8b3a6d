// Freeing what has expired: a little on each tick of the store's clock, or all of it when a test asks.
import type { Timer } from '../../base/index.ts';
import type { Core } from './core.ts';
import { COMPLEX, PLAIN_TTL } from './record.ts';
import { homeOf, slotAfter } from './hash-index.ts';
import type { Ref } from './slab.ts';

/** Units: ms between ticks while nothing is due, and while there is more to do. */
const TICK_MS = 100;
const BUSY_TICK_MS = 2;
/** Entries of one tick: about 1 ms. */
const TICK_ENTRIES = 2000;

/** Runs the cycle until it is cancelled. */
export function startExpiry(core: Core): Timer {
  let timer: Timer;
  const tick = (): void => {
    const isDone = expireDue(core, core.clock.now(), TICK_ENTRIES);
    timer = core.clock.after(isDone ? TICK_MS : BUSY_TICK_MS, tick);
  };
  timer = core.clock.after(TICK_MS, tick);
  return { cancel: () => timer.cancel() };
}

/** Handles at most `count` entries that are due. Result: whether nothing due is left. */
export function expireDue(core: Core, now: number, count: number): boolean {
  core.tick(now);
  return core.wheel.drain(now, count, (hash, slot) => visitHash(core, hash, slot));
}

/** Frees every key whose expiry has fired; looks at all. Units: `now` Unix ms. */
export function freeExpired(core: Core, now: number): void {
  const fired: Ref[] = [];
  core.table.index.scan(0, Number.POSITIVE_INFINITY, (ref) => {
    const form = core.formAt(ref);
    if ((form === PLAIN_TTL || form === COMPLEX) && core.table.at(ref) <= now) fired.push(ref);
  });
  for (const ref of fired) {
    core.relocate(ref);
    core.freeRecord(ref, now);
  }
}

/** The records with this hash that wait in this slot. */
function visitHash(core: Core, hash: number, slot: number): void {
  const { table } = core;
  const segment = table.index.segmentOf(hash);
  for (let i = homeOf(hash); segment[2 * i + 1] !== 0; i = slotAfter(i)) {
    const ref = segment[2 * i + 1];
    if (segment[2 * i] !== hash || table.wheelSlot(ref) !== slot) continue;
    table.setWheelSlot(ref, 0);
    table.keyHash = hash;
    table.segment = segment;
    table.slot = i;
    const at = table.at(ref);
    if (at > core.now) core.schedule(ref, at);
    else if (at !== 0) core.freeRecord(ref, core.now);
  }
}
