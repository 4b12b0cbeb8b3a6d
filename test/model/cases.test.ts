// The golden cases, at merge level: src/crdt and the definition in step (whole sites: `npm run cases`).
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { runCase } from './cases.ts';

const lines = readFileSync(new URL('../merge-cases.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));

describe('golden cases at merge level', () => {
  test.each(lines.map((line) => [line.slice(0, line.indexOf(' |')), line]))('%s', (_, line) => {
    expect(runCase(line)).toEqual([]);
  });

  test('there are as many as the file had when it was copied', () => {
    expect(lines.length).toBeGreaterThanOrEqual(37);
  });

  test('a wrong expectation is told', () => {
    expect(runCase('x | s0 SET a 1 | s0 a = string {"":"2"}')).toEqual([
      's0 a = string {"":"2"}: s0 shows string {"":"1"}',
    ]);
  });
});
