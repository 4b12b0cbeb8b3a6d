// Redis' glob patterns over byte strings: `*`, `?`, `[a-c]`, `[^x]`, `\` before a literal character.
import type { Latin1 } from '../base/index.ts';

/**
 * Whether the whole of `text` matches. Cost: at most pattern x text steps; stars do not multiply (only the last one
 * is ever tried again).
 */
export function matchesGlob(pattern: Latin1, text: Latin1): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let retry = 0;
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      retry = t;
      continue;
    }
    const next = p < pattern.length ? matchOne(pattern, p, text.charCodeAt(t)) : -1;
    if (next >= 0) {
      p = next;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++retry;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p >= pattern.length;
}

/** The place after the element at p, if it takes the character; -1 if it does not. */
function matchOne(pattern: Latin1, p: number, char: number): number {
  const element = pattern[p];
  if (element === '?') return p + 1;
  if (element === '[') return matchClass(pattern, p + 1, char);
  if (element === '\\' && p + 1 < pattern.length) return pattern.charCodeAt(p + 1) === char ? p + 2 : -1;
  return pattern.charCodeAt(p) === char ? p + 1 : -1;
}

/** A class from after its bracket; one that is not closed ends with the pattern, as in Redis. */
function matchClass(pattern: Latin1, from: number, char: number): number {
  let p = from;
  const negated = pattern[p] === '^';
  if (negated) p++;
  let found = false;
  for (; p < pattern.length && pattern[p] !== ']'; p++) {
    if (pattern[p] === '\\' && p + 1 < pattern.length) {
      p++;
      if (pattern.charCodeAt(p) === char) found = true;
    } else if (pattern[p + 1] === '-' && p + 2 < pattern.length) {
      const ends = [pattern.charCodeAt(p), pattern.charCodeAt(p + 2)];
      if (char >= Math.min(...ends) && char <= Math.max(...ends)) found = true;
      p += 2;
    } else if (pattern.charCodeAt(p) === char) found = true;
  }
  return found !== negated ? p + 1 : -1;
}
