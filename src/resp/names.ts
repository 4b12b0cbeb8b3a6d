// Command names folded to integers, so that the hot path switches on numbers and makes no strings.

/** Names of up to this many bytes have a code. */
const CODE_BYTES_MAX = 4;

/**
 * The code of a command name, as `CommandBatch.code` gives it: the upper-cased bytes packed big-endian (GET is
 * 0x474554), 0 for names of more than four bytes. Range: a signed 32-bit integer.
 */
export function nameCode(name: string): number {
  if (name.length > CODE_BYTES_MAX) return 0;
  let code = 0;
  for (let i = 0; i < name.length; i++) code = (code << 8) | upper(name.charCodeAt(i) & 0xff);
  return code;
}

/** The same over bytes `start` up to `end` of a buffer. */
export function codeOfBytes(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > CODE_BYTES_MAX) return 0;
  let code = 0;
  for (let i = start; i < end; i++) code = (code << 8) | upper(bytes[i]);
  return code;
}

function upper(byte: number): number {
  return byte >= 97 && byte <= 122 ? byte - 32 : byte;
}
