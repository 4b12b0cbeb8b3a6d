// How large a key's registers are, about, without encoding them.
import type { KeyState } from './key-state.ts';
import type { Register } from './types.ts';

/** Units: bytes, about what a version or a run takes on the wire. */
const VERSION_BYTES = 13;
const RUN_BYTES = 2 * VERSION_BYTES + 9;

/** Units: bytes, about, of a register on the wire. */
export function registerBytes(fieldBytes: number, register: Register): number {
  const value = register.value;
  const size = typeof value === 'string' ? value.length : typeof value === 'object' ? value.length : 8;
  const parts = (register.seen?.size ?? 0) + (register.runs?.size ?? 0);
  return fieldBytes + size + VERSION_BYTES + parts * RUN_BYTES;
}

/** Whether all registers together take at most `max` bytes; looks no further than that. */
export function fitsBytes(s: KeyState, max: number): boolean {
  let size = 0;
  for (const fields of s.registers.values()) {
    for (const [field, register] of fields) {
      size += registerBytes(field.length, register);
      if (size > max) return false;
    }
  }
  return true;
}
