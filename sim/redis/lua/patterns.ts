// Lua's patterns as regular expressions: both try items from left to right, the longest first, and so find the same.
// What has no counterpart (%b, %f) is refused loudly.
import { LuaError, type LuaValue } from './values.ts';

/** A pattern ready to be used. */
export interface Pattern {
  /** Sticky where the pattern is anchored. */
  readonly expression: RegExp;
  readonly isAnchored: boolean;
  /** Which captures are positions `()`. */
  readonly positions: readonly boolean[];
}

/** Insides of a character class, lower-case letters; upper-case ones are what is not in it. */
const CLASSES: Readonly<Record<string, string>> = {
  a: 'A-Za-z',
  c: '\\x00-\\x1f\\x7f',
  d: '0-9',
  l: 'a-z',
  p: '!-\\/:-@\\[-`{-~',
  s: '\\t-\\r ',
  u: 'A-Z',
  w: '0-9A-Za-z',
  x: '0-9A-Fa-f',
  z: '\\x00',
};
/** What is not in them. */
const OTHERS: Readonly<Record<string, string>> = {
  a: '\\x00-@\\[-`{-\\xff',
  c: ' -~\\x80-\\xff',
  d: '\\x00-\\/:-\\xff',
  l: '\\x00-`{-\\xff',
  p: '\\x00- 0-9A-Za-z\\x7f-\\xff',
  s: '\\x00-\\x08\\x0e-\\x1f!-\\xff',
  u: '\\x00-@\\[-\\xff',
  w: '\\x00-\\/:-@\\[-`{-\\xff',
  x: '\\x00-\\/:-@G-`g-\\xff',
  z: '\\x01-\\xff',
};

const KEPT_MAX = 2000;
const kept = new Map<string, Pattern>();

/** Compiles a pattern, or finds it. */
export function patternOf(text: string): Pattern {
  const held = kept.get(text);
  if (held !== undefined) return held;
  if (kept.size >= KEPT_MAX) kept.clear();
  const made = new Compiler(text).compile();
  kept.set(text, made);
  return made;
}

class Compiler {
  readonly #text: string;
  #at = 0;
  #out = '';
  readonly #positions: boolean[] = [];
  readonly #open: number[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  compile(): Pattern {
    const isAnchored = this.#text.startsWith('^');
    if (isAnchored) this.#at = 1;
    while (this.#at < this.#text.length) this.#item();
    if (this.#open.length > 0) throw new LuaError('unfinished capture');
    return {
      expression: new RegExp(this.#out, isAnchored ? 'y' : 'g'),
      isAnchored,
      positions: this.#positions,
    };
  }

  #item(): void {
    const character = this.#text[this.#at];
    if (character === '(') return this.#opens();
    if (character === ')') return this.#closes();
    if (character === '$' && this.#at === this.#text.length - 1) {
      this.#at++;
      this.#out += '$';
      return;
    }
    const next = this.#text[this.#at + 1];
    if (character === '%' && next !== undefined && /[1-9]/.test(next)) {
      this.#at += 2;
      this.#out += `(?:\\${next})`;
      return;
    }
    this.#out += this.#single() + this.#repetition();
  }

  #opens(): void {
    const isPosition = this.#text[this.#at + 1] === ')';
    this.#positions.push(isPosition);
    if (!isPosition) this.#open.push(this.#at);
    this.#out += isPosition ? '()' : '(';
    this.#at += isPosition ? 2 : 1;
  }

  #closes(): void {
    if (this.#open.pop() === undefined) throw new LuaError('invalid pattern capture');
    this.#out += ')';
    this.#at++;
  }

  #single(): string {
    const character = this.#text[this.#at++];
    if (character === '.') return '[^]';
    if (character === '[') return this.#set();
    if (character !== '%') return literal(character);
    return `[${this.#escaped()}]`;
  }

  /** Behind a `%`: the inside of a class. */
  #escaped(): string {
    const letter = this.#text[this.#at++];
    if (letter === undefined) throw new LuaError("malformed pattern (ends with '%')");
    if (letter === 'b' || letter === 'f') throw new Error(`the simulated Lua has no %${letter}`);
    const lower = letter.toLowerCase();
    if (CLASSES[lower] === undefined) return inside(letter);
    return letter === lower ? CLASSES[lower] : OTHERS[lower];
  }

  #set(): string {
    const text = this.#text;
    const isNegated = text[this.#at] === '^';
    if (isNegated) this.#at++;
    let body = '';
    let isFirst = true;
    while (text[this.#at] !== ']' || isFirst) {
      isFirst = false;
      if (this.#at >= text.length) throw new LuaError("malformed pattern (missing ']')");
      body += this.#member();
    }
    this.#at++;
    return `[${isNegated ? '^' : ''}${body}]`;
  }

  #member(): string {
    const text = this.#text;
    const character = text[this.#at++];
    if (character === '%') return this.#escaped();
    const end = text[this.#at + 1];
    if (text[this.#at] !== '-' || end === ']' || end === undefined) return inside(character);
    this.#at += 2;
    return character <= end ? `${inside(character)}-${inside(end)}` : '';
  }

  #repetition(): string {
    const mark = this.#text[this.#at];
    if (mark !== '*' && mark !== '+' && mark !== '-' && mark !== '?') return '';
    this.#at++;
    return mark === '-' ? '*?' : mark;
  }
}

function literal(character: string): string {
  return /[A-Za-z0-9 ]/.test(character) ? character : hex(character);
}

function inside(character: string): string {
  return /[A-Za-z0-9]/.test(character) ? character : hex(character);
}

function hex(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

/** A match: where, and what the captures hold. */
export interface Found {
  readonly start: number;
  readonly end: number;
  readonly captures: readonly LuaValue[];
}

/** Looks from `from` (0 is the first byte). */
export function findPattern(text: string, pattern: Pattern, from: number): Found | undefined {
  const { expression, positions } = pattern;
  expression.lastIndex = from;
  const found = expression.exec(text);
  if (found === null) return undefined;
  const captures: LuaValue[] = found.slice(1);
  const start = found.index;
  if (positions.includes(true)) placePositions(found, captures, pattern);
  return { start, end: start + found[0].length, captures };
}

/** Where empty captures lie: asked once more with indices. */
function placePositions(
  found: RegExpExecArray,
  captures: LuaValue[],
  { expression, positions }: Pattern,
): void {
  const again = new RegExp(expression.source, 'dy');
  again.lastIndex = found.index;
  const { indices } = again.exec(found.input) ?? {};
  for (const [i, isPosition] of positions.entries())
    if (isPosition) captures[i] = (indices?.[i + 1]?.[0] ?? 0) + 1;
}
