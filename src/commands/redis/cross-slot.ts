// One slot for all keys: what a Redis Cluster asks of a command.
import type { Latin1 } from '../../base/index.ts';
import { slotOf } from '../../store/redis/slots.ts';

export const CROSS_SLOT = "CROSSSLOT Keys in request don't hash to the same slot";

/** Whether all keys lie in one slot; so do none. */
export function haveOneSlot(keys: readonly Latin1[]): boolean {
  const slot = keys.length === 0 ? 0 : slotOf(keys[0]);
  return keys.every((key) => slotOf(key) === slot);
}
