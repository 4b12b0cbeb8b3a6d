// Redis' glob patterns.

const KEPT_MAX = 500;
const kept = new Map<string, RegExp>();

/** A pattern as a regular expression over the whole text. */
export function globOf(pattern: string): RegExp {
  const held = kept.get(pattern);
  if (held !== undefined) return held;
  if (kept.size >= KEPT_MAX) kept.clear();
  const made = new RegExp(`^${translated(pattern)}$`, 's');
  kept.set(pattern, made);
  return made;
}

function translated(pattern: string): string {
  let out = '';
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i];
    if (character === '*') out += '.*';
    else if (character === '?') out += '.';
    else if (character === '[') {
      const end = pattern.indexOf(']', i + 2);
      const body = pattern.slice(i + 1, end < 0 ? undefined : end);
      out += `[${body.replace(/[\\\]]/g, (one) => (one === '\\' ? '' : `\\${one}`))}]`;
      i = end < 0 ? pattern.length : end;
    } else if (character === '\\' && i + 1 < pattern.length) out += escaped(pattern[++i]);
    else out += escaped(character);
  }
  return out;
}

function escaped(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
