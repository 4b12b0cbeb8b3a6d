// How long a link waits before it dials again: doubling from 10 ms to 1 s, with jitter.
import { below, type Random } from '../base/index.ts';

const FIRST_MS = 10;
const MOST_MS = 1000;
const DOUBLINGS_MAX = 10;

/** The wait after `failures` in a row (1 = the first): between half and the whole of the step. Units: ms. */
export function backoffMs(failures: number, random: Random): number {
  const step = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(failures - 1, DOUBLINGS_MAX));
  return step / 2 + below(random, step / 2 + 1);
}
