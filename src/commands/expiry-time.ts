// Expiry arguments: units, absolute or relative, and their ranges.
import { EXPIRY_MS_MAX } from '../base/index.ts';
import type { Call } from './call.ts';
import { invalidExpire, NOT_INTEGER } from './errors.ts';
import { parseInt64 } from './numbers.ts';

/** How an expiry argument is meant. */
export interface ExpiryUnit {
  /** Seconds instead of milliseconds. */
  readonly seconds: boolean;
  /** A Unix time instead of a time from now. */
  readonly absolute: boolean;
}

/** EX PX EXAT PXAT. */
export const EXPIRY_OPTIONS: Readonly<Record<string, ExpiryUnit>> = {
  EX: { seconds: true, absolute: false },
  PX: { seconds: false, absolute: false },
  EXAT: { seconds: true, absolute: true },
  PXAT: { seconds: false, absolute: true },
};

const INT64_MAX = 9223372036854775807n;

/** Unix ms of an argument; `positive`: zero and below are refused (SET). undefined: an error was replied. */
export function expiryAt(
  c: Call,
  text: string,
  unit: ExpiryUnit & { readonly positive: boolean },
): number | undefined {
  const value = parseInt64(text);
  if (value === undefined) return c.fail(NOT_INTEGER);
  const name = c.spec.name;
  if (unit.positive && value <= 0n) return c.fail(invalidExpire(name));
  const ms = unit.seconds ? value * 1000n : value;
  const at = unit.absolute ? ms : ms + BigInt(c.now);
  if (ms > INT64_MAX || ms < -INT64_MAX - 1n || at > BigInt(EXPIRY_MS_MAX))
    return c.fail(invalidExpire(name));
  return Number(at);
}
