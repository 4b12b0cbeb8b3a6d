// The keys that a command names, from the command table; and whether the gateway would let it through.
import { check, namedKeys } from '../../src/commands/dispatch.ts';
import type { Words } from '../differential/streams.ts';

/** undefined: the gateway answers it with an error. */
export function specOf(words: Words) {
  const args = { argc: words.length, text: (a: number) => words[a] };
  return check(args, 'redis').spec;
}

export function namedKeysOf(words: Words): string[] {
  const spec = specOf(words);
  return spec === undefined ? [] : namedKeys(spec, { argc: words.length, text: (a) => words[a] });
}
