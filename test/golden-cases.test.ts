// Golden cases on whole in-process sites, as `npm run cases` runs them, and what files that script takes.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { runCases } from '../sim/cases/run.ts';

/** Runs a text. Result: its counts and the lines it printed. */
async function outcome(text: string): Promise<{ passed: number; failed: number; lines: string[] }> {
  const lines: string[] = [];
  const counts = await runCases(text, (line) => lines.push(line));
  return { ...counts, lines };
}

describe('files of golden cases', () => {
  test.each(['merge-cases.txt', 'golden-found.txt'])('%s', async (name) => {
    const text = readFileSync(new URL(name, import.meta.url), 'utf8');
    const cases = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#')).length;
    expect(await outcome(text)).toEqual({ passed: cases, failed: 0, lines: [] });
    expect(cases).toBeGreaterThanOrEqual(name === 'merge-cases.txt' ? 37 : 10);
  });
});

describe('the language of golden cases', () => {
  test('CRLF, blank lines, comments, blanks at the ends, a bar at the end', async () => {
    const text =
      '\uFEFF# one\r\n\r\n  # two\r\n  x | s0 SET a 1 | sync | a = string {"":"1"} |\r\n\t\r\ny |\ts0  SET  a  2\t|\ts0 a = -';
    expect(await outcome(text)).toEqual({
      passed: 1,
      failed: 1,
      lines: ['line 6: y | s0 a = -: s0 shows string {"":"2"}'],
    });
  });

  test('views in any spelling of JSON, in any order', async () => {
    const text =
      'x | s0 HSET a f 1 g "ä☃" | s0 a = hash { "g" : "\\u00e4\\u2603", "f":"1" } | s0 ZADD z 10 m -0 n | s0 z = zset {"n":0,"m":1e1}';
    expect(await outcome(text)).toEqual({ passed: 1, failed: 0, lines: [] });
  });

  test('numbers out of any range are refused as Redis refuses them', async () => {
    const text = [
      'x | s0 SET a 9223372036854775807 | s0 INCRBY a 1; INCRBY a 99999999999999999999 | s0 a = string {"":"9223372036854775807"}',
      'y | s0 SET a 1; EXPIRE a 9223372036854775807 | s0 a = string {"":"1"} | s0 EXPIRE a -9223372036854775807 | s0 a = string {"":"1"} | s0 EXPIRE a -5 | s0 a = -',
      'z | s0 SET a 1 PX 1000 | s0 clock -99999999999 | +99999999 | a = -',
    ].join('\n');
    expect(await outcome(text)).toEqual({ passed: 3, failed: 0, lines: [] });
  });

  test('a step that is none, and a command that no site knows, are told', async () => {
    expect(await outcome('x | bla\ny | s0 SET a 1')).toEqual({
      passed: 1,
      failed: 1,
      lines: ['line 1: x | bla: not understood'],
    });
    expect((await outcome('x | s0 BLA a')).lines[0]).toMatch(/^line 1: x \| s0 BLA a: -ERR unknown command/);
  });

  test('a key that fits 16 KB comes back with its new expiry, a larger one by repair only', async () => {
    const prolonged = (bytes: number, comesBack: boolean): string => {
      const shown = `hash {"f":"${'x'.repeat(bytes)}"} ttl 59800`;
      const freed = `s0 HSET a f ${'x'.repeat(bytes)}; PEXPIRE a 100 | sync | s1 PEXPIRE a 60000 | +200 | s0 free`;
      return `x | ${freed} | sync | s0 a = ${comesBack ? shown : '-'} | s1 a = ${shown} | repair | a = ${shown}`;
    };
    const text = [prolonged(10_000, true), prolonged(20_000, false), prolonged(1_000_000, false)].join('\n');
    expect(await outcome(text)).toEqual({ passed: 3, failed: 0, lines: [] });
  });

  test('a failed expectation fails only its case', async () => {
    const text = 'x | s0 SET a 1 | s0 a = - | s1 a = string {"":"1"}\ny | s0 SET a 1';
    expect(await outcome(text)).toMatchObject({ passed: 1, failed: 1, lines: { length: 2 } });
  });
});
