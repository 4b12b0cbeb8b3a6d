// Randomness as a parameter.
import { randomBytes } from 'node:crypto';

/** A source of random numbers. The simulator passes a seeded one. */
export interface Random {
  /** Range: 0 <= x < 2^32, an integer. */
  uint32(): number;
}

/** The machine's randomness (cryptographic, buffered). */
export function systemRandom(): Random {
  let pool = randomBytes(4096);
  let at = 0;
  return {
    uint32() {
      if (at === pool.length) {
        pool = randomBytes(4096);
        at = 0;
      }
      const value = pool.readUInt32LE(at);
      at += 4;
      return value;
    },
  };
}

/** A seeded source (mulberry32): the same seed gives the same numbers on every machine. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    uint32() {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = state;
      t = Math.imul(t ^ (t >>> 15), t | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return (t ^ (t >>> 14)) >>> 0;
    },
  };
}

/** A random integer. Range: 0 <= x < bound; bound: 1 .. 2^32. */
export function below(random: Random, bound: number): number {
  return Math.floor((random.uint32() / 4294967296) * bound);
}

/** A random origin. Range: 1 .. 2^32 - 2, so that the boundary just above a version never carries by the origin alone. */
export function randomOrigin(random: Random): number {
  return 1 + below(random, 0xfffffffe);
}

/** A random lower-case hexadecimal name of `bytes` bytes (two characters each). */
export function randomHex(random: Random, bytes: number): string {
  let text = '';
  while (text.length < bytes * 2) text += random.uint32().toString(16).padStart(8, '0');
  return text.slice(0, bytes * 2);
}
