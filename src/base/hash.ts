// The hash of keys: HalfSipHash-1-2 (32 bits), seeded, so that nobody outside can make keys collide.
import type { Random } from './random.ts';

/** A seeded hash of a byte range. Range: an int32. */
export type HashBytes = (source: Uint8Array, start: number, end: number) => number;

/**
 * Opens a hash with a random seed.
 * Source: J.-P. Aumasson, D. J. Bernstein: SipHash, a fast short-input PRF (2012), the 32-bit variant.
 */
export function openHash(random: Random): HashBytes {
  const k0 = random.uint32() | 0;
  const k1 = random.uint32() | 0;
  return (source, start, end) => {
    let v0 = k0;
    let v1 = k1;
    let v2 = 0x6c796765 ^ k0;
    let v3 = 0x74656462 ^ k1;
    let i = start;
    for (const last = end - 3; i < last; i += 4) {
      const m = source[i] | (source[i + 1] << 8) | (source[i + 2] << 16) | (source[i + 3] << 24);
      v3 ^= m;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= m;
    }
    let m = (end - start) << 24;
    for (let shift = 0; i < end; i++, shift += 8) m |= source[i] << shift;
    v3 ^= m;
    for (let round = 0; round < 3; round++) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      if (round === 0) {
        v0 ^= m;
        v2 ^= 0xff;
      }
    }
    return v1 ^ v3;
  };
}
