// Inline (telnet) commands: one line split into arguments with Redis' quoting rules, unquoted in place.
//
// line     = *( blank / argument )
// argument = 1*( plain / double / single )        adjacent parts join; a closing quote must end the argument
// double   = '"' *( char / "\x" 2HEX / "\" one of n r t b a / "\" any ) '"'
// single   = "'" *( char / "\'" ) "'"
// blank    = space, tab, CR, LF (VT and FF only before an argument); a NUL ends the line
import type { CommandBatch } from './command-batch.ts';

const DOUBLE = 34;
const SINGLE = 39;
const BACKSLASH = 92;
const ESCAPES: Readonly<Record<number, number>> = { 110: 10, 114: 13, 116: 9, 98: 8, 97: 7 };

/**
 * Splits the line in bytes `start` up to `end` of the batch's buffer into ranges from index `r` on.
 * Result: the index after the last range written; -1 where a quote is not closed or not at the end of its argument.
 */
export function splitInline(batch: CommandBatch, start: number, end: number, first: number): number {
  const bytes: Uint8Array = batch.buffer;
  const nul = bytes.subarray(start, end).indexOf(0);
  const line = { bytes, at: start, end: nul < 0 ? end : start + nul, out: start };
  if (hasQuote(bytes, start, end)) batch.keepOriginal(start, end);
  let r = first;
  for (;;) {
    while (line.at < line.end && isBlank(bytes[line.at])) line.at++;
    if (line.at === line.end) return r;
    const from = line.at;
    line.out = from;
    if (!unquote(line)) return -1;
    const ranges = batch.growRanges(r);
    ranges[r] = from;
    ranges[r + 1] = line.out;
    r += 2;
  }
}

interface Line {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;
  out: number;
}

/** Moves one argument from `at` to `out`; its text never grows, so nothing unread is overwritten. */
function unquote(line: Line): boolean {
  while (line.at < line.end) {
    const byte = line.bytes[line.at];
    if (isBlank(byte) && byte !== 11 && byte !== 12) return true;
    line.at++;
    if (byte === DOUBLE || byte === SINGLE) return quoted(line, byte);
    line.bytes[line.out++] = byte;
  }
  return true;
}

function quoted(line: Line, quote: number): boolean {
  const { bytes, end } = line;
  while (line.at < end) {
    const byte = bytes[line.at++];
    if (byte === quote) return line.at === end || isBlank(bytes[line.at]);
    if (byte === BACKSLASH && line.at < end) escaped(line, quote);
    else bytes[line.out++] = byte;
  }
  return false;
}

/** After a backslash at `at - 1`. */
function escaped(line: Line, quote: number): void {
  const { bytes } = line;
  const next = bytes[line.at];
  if (quote === SINGLE) {
    if (next === SINGLE) line.at++;
    bytes[line.out++] = next === SINGLE ? SINGLE : BACKSLASH;
    return;
  }
  const high = next === 120 && line.at + 2 < line.end ? hex(bytes[line.at + 1]) : -1;
  const low = high >= 0 ? hex(bytes[line.at + 2]) : -1;
  line.at += low >= 0 ? 3 : 1;
  bytes[line.out++] = low >= 0 ? high * 16 + low : (ESCAPES[next] ?? next);
}

function hex(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

function isBlank(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13);
}

function hasQuote(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] === DOUBLE || bytes[i] === SINGLE) return true;
  return false;
}
