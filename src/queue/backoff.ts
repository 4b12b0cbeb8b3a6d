// How long to wait before the next try: doubling, with jitter, up to a limit.
import { below, type Random } from '../base/index.ts';

/** Waits between tries. Units: ms. */
export interface Backoff {
  readonly firstMs: number;
  readonly mostMs: number;
}

/** The wait after `failures` failures in a row (1 = the first): between half and the whole of the doubled step. */
export function backoffMs({ firstMs, mostMs }: Backoff, failures: number, random: Random): number {
  const step = Math.min(mostMs, firstMs * 2 ** Math.min(failures - 1, 20));
  return Math.ceil(step / 2) + below(random, Math.floor(step / 2) + 1);
}
