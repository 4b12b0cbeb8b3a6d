// Numbers as Redis reads and prints them.
import { describe, expect, it } from 'vitest';
import { doubleText, parseDouble, parseInt64, parseLenientDouble, parseLong } from './numbers.ts';

describe('integers', () => {
  it.each([
    ['0', 0n],
    ['-1', -1n],
    ['9223372036854775807', 9223372036854775807n],
    ['-9223372036854775808', -9223372036854775808n],
    ['9223372036854775808', undefined],
    ['-0', undefined],
    ['01', undefined],
    ['+1', undefined],
    [' 1', undefined],
    ['', undefined],
    ['1.0', undefined],
  ])('%j', (text, expected) => {
    expect(parseInt64(text)).toBe(expected);
    expect(parseLong(text)).toBe(expected === undefined ? undefined : Number(expected));
  });
});

describe('doubles', () => {
  it.each([
    ['1', 1],
    ['+5', 5],
    ['.5', 0.5],
    ['5.', 5],
    ['1e3', 1000],
    ['-inf', Number.NEGATIVE_INFINITY],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['0x10', 16],
    ['0x1.8p1', 3],
    ['nan', undefined],
    ['1e999', undefined],
    ['1e-999', undefined],
    ['', undefined],
    ['1 ', undefined],
  ])('%j', (text, expected) => {
    expect(parseDouble(text)).toBe(expected);
  });

  it('score bounds and SORT are more lenient', () => {
    expect(parseLenientDouble('')).toBe(0);
    expect(parseLenientDouble('  2')).toBe(2);
    expect(parseLenientDouble('3\0x')).toBe(3);
    expect(parseLenientDouble('1e999')).toBe(Number.POSITIVE_INFINITY);
    expect(parseLenientDouble('x')).toBeUndefined();
  });

  it.each([
    [3, '3'],
    [3.1, '3.1000000000000001'],
    [1e30, '1e+30'],
    [1e-7, '9.9999999999999995e-08'],
    [0.00025, '0.00025000000000000001'],
    [2 ** 60, '1.152921504606847e+18'],
    [-2.5, '-2.5'],
    [Number.POSITIVE_INFINITY, 'inf'],
    [5e-324, '4.9406564584124654e-324'],
  ])('%d prints as %s', (x, text) => {
    expect(doubleText(x)).toBe(text);
  });
});
