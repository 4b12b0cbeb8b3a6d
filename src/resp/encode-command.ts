// Requests as clients send them.

const CR = 13;
const LF = 10;
const STAR = 42;
const DOLLAR = 36;
/** Up to so many bytes a loop writes faster than a call. */
const LOOP_BYTES_MAX = 40;

/**
 * A command as a RESP array of bulks. Strings are taken as latin1 (one char a byte).
 * Owns: the caller gets a fresh Buffer.
 */
export function encodeCommand(args: readonly (string | Uint8Array)[]): Buffer {
  let bytes = 3 + digitsOf(args.length);
  for (const { length } of args) bytes += 5 + digitsOf(length) + length;
  const out = Buffer.allocUnsafe(bytes);
  let at = writeHeader(out, 0, { mark: STAR, n: args.length });
  for (const arg of args) {
    at = writeHeader(out, at, { mark: DOLLAR, n: arg.length });
    at = writeArgument(out, at, arg);
    out[at++] = CR;
    out[at++] = LF;
  }
  return out;
}

function writeArgument(out: Buffer, start: number, arg: string | Uint8Array): number {
  const { length } = arg;
  if (length > LOOP_BYTES_MAX) {
    if (typeof arg === 'string') out.write(arg, start, 'latin1');
    else out.set(arg, start);
  } else if (typeof arg === 'string') for (let i = 0; i < length; i++) out[start + i] = arg.charCodeAt(i);
  else for (let i = 0; i < length; i++) out[start + i] = arg[i];
  return start + length;
}

function writeHeader(out: Uint8Array, start: number, { mark, n }: Header): number {
  out[start] = mark;
  const end = start + 1 + digitsOf(n);
  let rest = n;
  for (let at = end - 1; at > start; at--) {
    const tens = Math.floor(rest / 10);
    out[at] = 48 + rest - tens * 10;
    rest = tens;
  }
  out[end] = CR;
  out[end + 1] = LF;
  return end + 2;
}

interface Header {
  readonly mark: number;
  /** Range: integers from 0. */
  readonly n: number;
}

function digitsOf(n: number): number {
  let digits = 1;
  for (let bound = 10; bound <= n; bound *= 10) digits++;
  return digits;
}
