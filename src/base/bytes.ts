// Bytes held as text, one char a byte: V8's one-byte strings are smaller than Buffers, compare fast and are Map keys.

/** A byte string as a JS string of chars 0..255 ("latin1"). Holds any bytes; never UTF-8 decoded. */
export type Latin1 = string;

/** The bytes of a latin1 string. Owns: the caller gets a fresh Buffer. */
export function bytesOf(text: Latin1): Buffer {
  return Buffer.from(text, 'latin1');
}

/** The latin1 string of bytes. */
export function latin1Of(bytes: Uint8Array): Latin1 {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
