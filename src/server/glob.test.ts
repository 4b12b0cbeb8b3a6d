// Redis' glob patterns.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesGlob } from './index.ts';

describe('matchesGlob', () => {
  const cases: [string, string, boolean][] = [
    ['*', '', true],
    ['h?llo', 'hello', true],
    ['h?llo', 'hllo', false],
    ['h*llo', 'heeello', true],
    ['h[ae]llo', 'hallo', true],
    ['h[^e]llo', 'hello', false],
    ['h[a-c]llo', 'hbllo', true],
    ['h[c-a]llo', 'hbllo', true],
    ['h\\*llo', 'h*llo', true],
    ['h\\*llo', 'hello', false],
    ['[\\]]', ']', true],
    ['[abc', 'b', true],
    ['a*b*c', 'aXbYbZc', true],
    ['a*b*c', 'aXbYbZ', false],
    ['abc', 'abcd', false],
    ['', '', true],
    ['', 'a', false],
    ['*\\', 'a\\', true],
  ];
  for (const [pattern, text, expected] of cases) {
    it(`${JSON.stringify(pattern)} on ${JSON.stringify(text)}: ${expected}`, () => {
      expect(matchesGlob(pattern, text)).toBe(expected);
    });
  }

  it('agrees with a regular expression made of the same elements', () => {
    const element = fc.constantFrom('*', '?', 'a', 'b', '[ab]', '[^a]', '\\a');
    const text = fc
      .array(fc.constantFrom('a', 'b', 'c', '\n'), { maxLength: 12 })
      .map((chars) => chars.join(''));
    const expressions = new Map([
      ['*', '.*'],
      ['?', '.'],
      ['\\a', 'a'],
    ]);
    let matched = 0;
    const property = fc.property(fc.array(element, { maxLength: 8 }), text, (elements, subject) => {
      const source = elements.map((e) => expressions.get(e) ?? e).join('');
      const expected = new RegExp(`^${source}$`, 's').test(subject);
      expect(matchesGlob(elements.join(''), subject)).toBe(expected);
      if (expected) matched++;
    });
    fc.assert(property, { numRuns: 10_000 });
    expect(matched).toBeGreaterThan(300);
  });

  it('does not take exponential time', () => {
    const started = performance.now();
    expect(matchesGlob(`${'*a'.repeat(200)}b`, 'a'.repeat(20_000))).toBe(false);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});
