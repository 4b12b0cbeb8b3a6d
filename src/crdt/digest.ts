// A short fingerprint of a key's state, equal at two sites exactly when there is nothing to repair.
import { createHash } from 'node:crypto';
import { encodeBody } from './codec.ts';
import { DeltaWriter } from './delta-writer.ts';
import { copyState, isFired, shownType } from './view.ts';
import { free } from './free.ts';
import type { KeyState } from './key-state.ts';

/**
 * The digest of a key: of its state after freeing at `at`, the later of the two sites' clocks; '' for an expired key (its
 * expiry has fired and nothing shows). Shape: 16 hex characters. Units: `at` Unix ms.
 */
export function digest(s: KeyState, at: number): string {
  let freed = s;
  if (isFired(s, at)) {
    if (shownType(s, at) === 0) return '';
    freed = copyState(s);
    free(freed, at);
  }
  const writer = new DeltaWriter();
  encodeBody(writer, freed, 'sorted');
  return createHash('sha1').update(writer.bytes()).digest('hex').slice(0, 16);
}
