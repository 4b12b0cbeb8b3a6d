// What lies where in a record, the off-heap form of a key.
//
//   word 0  form (3 bits), BIG, TIMED, key length << 8
//   word 1  value length; in a COMPLEX or BIG record the number of its object in the side table
//   word 2  version: ms, low 32 bits
//   word 3  version: ms, high 16 bits; counter << 16     (words 2 to 4 are the wire form of a version)
//   word 4  version: origin
//   word 5  outbox mark: its position in the ring; 0: none
//   word 6  TIMED only: expiry `at`, low 32 bits; 0 with word 7's low half 0: none
//   word 7  TIMED only: `at`, high 16 bits; the wheel slot that it waits in << 16, 0: none
//   then the key and the value, without gaps
//
// Invariants
// R1 PLAIN: clear = kind = value part = the version; nothing else. A plain SET.
// R2 PLAIN_TTL: R1 and expiry = (version, at, empty), reach = above(version). A SET with a TTL.
// R3 FREED: R2 without its value, which an expiry has ended. DELETED: clear = version, nothing else.
// R4 COMPLEX: a KeyState in the side table, which no other form can express; `at` is its expiry.
// R5 BIG: key and value are Buffers in the side table. COMPLEX and BIG records are TIMED and end after the key.
// R6 A record that waits in the wheel is TIMED, whatever its form.

export const PLAIN = 1;
export const PLAIN_TTL = 2;
export const DELETED = 3;
export const FREED = 4;
export const COMPLEX = 5;
export type Form = 1 | 2 | 3 | 4 | 5;

export const FORM_MASK = 7;
export const BIG = 8;
export const TIMED = 16;
export const KEY_SHIFT = 8;

/** Units: bytes. */
export const HEADER_BYTES = 24;
export const TIMED_HEADER_BYTES = 32;
/** Units: bytes of key and value. Above it they live in Buffers of their own (R5). */
export const INLINE_RECORD_BYTES_MAX = 60 * 1024;

/** The shape of a record that is made or remade. */
export interface Shape {
  form: Form;
  timed: boolean;
  keyBytes: number;
  valueBytes: number;
}

/** Units of a record by its first two words. */
export function unitsOf(head: number, valueWord: number): number {
  const form = head & FORM_MASK;
  const header = head & TIMED ? TIMED_HEADER_BYTES : HEADER_BYTES;
  const value = form <= PLAIN_TTL && (head & BIG) === 0 ? valueWord : 0;
  return (header + (head >>> KEY_SHIFT) + value + 7) >>> 3;
}
