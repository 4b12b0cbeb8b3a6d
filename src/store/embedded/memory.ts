// Copying bytes between buffers and segments.

/** Up to this, loops copy faster than the built-in call. Units: bytes. */
const LOOP_BYTES_MAX = 96;

/** A stretch of memory as bytes and as words. */
export interface Memory {
  readonly bytes: Buffer;
  readonly words: Int32Array;
}

/** Copies a range, short ones word by word. */
export function copyBytes(source: Uint8Array, start: number, end: number, to: Memory, at: number): void {
  const { bytes, words } = to;
  if (end - start > LOOP_BYTES_MAX) {
    bytes.set(new Uint8Array(source.buffer, source.byteOffset + start, end - start), at);
    return;
  }
  let i = start;
  let j = at;
  for (; (j & 3) !== 0 && i < end; i++, j++) bytes[j] = source[i];
  let w = j >> 2;
  for (const last = end - 3; i < last; i += 4) {
    words[w++] = source[i] | (source[i + 1] << 8) | (source[i + 2] << 16) | (source[i + 3] << 24);
  }
  for (j = w << 2; i < end; i++, j++) bytes[j] = source[i];
}
