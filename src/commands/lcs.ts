// The longest common subsequence of two byte strings, by the usual table.
import { LCS_CELLS_MAX } from '../base/index.ts';

/** A stretch that both have. */
export interface LcsMatch {
  readonly a: number;
  readonly b: number;
  readonly length: number;
}

/** Matches come from the end of the strings to their beginning, as in Redis. undefined: the table would be too large. */
export function lcs(a: Buffer, b: Buffer): { bytes: Buffer; matches: LcsMatch[] } | undefined {
  const width = b.length + 1;
  if ((a.length + 1) * width > LCS_CELLS_MAX) return undefined;
  const table = fill(a, b, width);
  const bytes = Buffer.alloc(table[a.length * width + b.length]);
  const matches: LcsMatch[] = [];
  let at = bytes.length;
  let i = a.length;
  let j = b.length;
  let run = 0;
  const close = (): void => {
    if (run > 0) matches.push({ a: i, b: j, length: run });
    run = 0;
  };
  while (at > 0) {
    if (a[i - 1] === b[j - 1]) {
      bytes[--at] = a[--i];
      j--;
      run++;
      continue;
    }
    close();
    if (table[(i - 1) * width + j] > table[i * width + j - 1]) i--;
    else j--;
  }
  close();
  return { bytes, matches };
}

function fill(a: Buffer, b: Buffer, width: number): Uint32Array {
  const table = new Uint32Array((a.length + 1) * width);
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j < width; j++) {
      const up = table[(i - 1) * width + j];
      const left = table[i * width + j - 1];
      table[i * width + j] = a[i - 1] === b[j - 1] ? table[(i - 1) * width + j - 1] + 1 : Math.max(up, left);
    }
  }
  return table;
}
