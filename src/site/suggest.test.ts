// Suggestions for mistyped names.
import { expect, it } from 'vitest';
import { nearest, suggestion } from './suggest.ts';

it('finds what was meant whatever the case, and nothing that is far', () => {
  expect(nearest('MQKV_LISEN', ['MQKV_SITE', 'MQKV_LISTEN'])).toBe('MQKV_LISTEN');
  expect(suggestion('Lisen', ['site', 'listen'], '--')).toBe('; did you mean "--listen"?');
  expect(suggestion('pineapple', ['site', 'listen'])).toBe('');
});
