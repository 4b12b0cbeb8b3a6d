// Where a complete reply ends in bytes, without decoding it.
import { assert } from '../../base/index.ts';

const CR = 13;
const MINUS = 45;

/** The first byte behind the complete reply that begins at `at`. */
export function replyEnd(bytes: Uint8Array, at: number): number {
  let next = at;
  for (let left = 1; left > 0; left--) {
    const mark = bytes[next];
    let line = next + 1;
    while (bytes[line] !== CR) line++;
    assert(line < bytes.length, 'a whole reply');
    const from = next + 1;
    next = line + 2;
    switch (mark) {
      case 36: // $
      case 61: // =
      case 33: // !
        if (bytes[from] !== MINUS) next += number(bytes, from, line) + 2;
        break;
      case 42: // *
      case 126: // ~
      case 62: // >
        if (bytes[from] !== MINUS) left += number(bytes, from, line);
        break;
      case 37: // %
        left += number(bytes, from, line) * 2;
        break;
      case 124: // |
        left += number(bytes, from, line) * 2 + 1;
        break;
    }
  }
  return next;
}

/** A decimal number from 0. */
export function number(bytes: Uint8Array, from: number, to: number): number {
  let n = 0;
  for (let at = from; at < to; at++) n = n * 10 + bytes[at] - 48;
  return n;
}
