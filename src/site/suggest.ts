// Finds what the user probably meant: the nearest of some names.

/** The nearest of `names`, or undefined when none is near (at most 1 edit, 2 from 4 letters on, 3 from 9 on). */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const bound = word.length >= 9 ? 3 : word.length >= 4 ? 2 : 1;
  let best: string | undefined;
  let bestEdits = bound + 1;
  for (const name of names) {
    const edits = distance(word.toLowerCase().slice(0, 64), name.toLowerCase());
    if (edits < bestEdits) {
      best = name;
      bestEdits = edits;
    }
  }
  return best;
}

/** `; did you mean "X"?`, or nothing. `prefix` stands before the name (`--`). */
export function suggestion(word: string, names: readonly string[], prefix = ''): string {
  const name = nearest(word, names);
  return name === undefined ? '' : `; did you mean "${prefix}${name}"?`;
}

/** Insertions, deletions, replacements and swaps of neighbours between two words. */
function distance(a: string, b: string): number {
  let previous: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const replaced = (row[j - 1] ?? 0) + (same ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) next[j] = Math.min(next[j] ?? 0, (previous[j - 2] ?? 0) + 1);
    }
    previous = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
