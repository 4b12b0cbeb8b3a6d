// The scanner finds the ends that the parser finds, wherever the bytes are cut.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Reply, ReplyParser } from '../resp/index.ts';
import { ReplyScanner } from './reply-scanner.ts';

const text = fc.stringMatching(/^[ -~]{0,20}$/);
const leaf = fc.oneof(
  text.map((t) => `+${t}\r\n`),
  text.map((t) => `-ERR ${t}\r\n`),
  fc.integer().map((n) => `:${n}\r\n`),
  fc.uint8Array({ maxLength: 300 }).map((b) => bulk('$', Buffer.from(b).toString('latin1'))),
  text.map((t) => bulk('!', `ERR ${t}`)),
  text.map((t) => bulk('=', `txt:${t}`)),
  fc.constantFrom(
    '$-1\r\n',
    '*-1\r\n',
    '_\r\n',
    ',1.5\r\n',
    '#t\r\n',
    '(123\r\n',
    '*0\r\n',
    '%0\r\n',
    '~0\r\n',
  ),
);
const { reply } = fc.letrec<{ reply: string }>((tie) => ({
  reply: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('reply'), { maxLength: 4 }).map((items) => `*${items.length}\r\n${items.join('')}`),
    fc.array(tie('reply'), { maxLength: 4 }).map((items) => `~${items.length}\r\n${items.join('')}`),
    fc
      .array(fc.tuple(tie('reply'), tie('reply')), { maxLength: 3 })
      .map((pairs) => `%${pairs.length}\r\n${pairs.flat().join('')}`),
    fc.tuple(tie('reply'), tie('reply'), tie('reply')).map(([a, b, c]) => `|1\r\n${a}${b}${c}`),
  ),
}));
const push = fc
  .array(leaf, { minLength: 1, maxLength: 3 })
  .map((items) => `>${items.length}\r\n${items.join('')}`);

function bulk(mark: string, bytes: string): string {
  return `${mark}${bytes.length}\r\n${bytes}\r\n`;
}

interface Found {
  readonly bytes: string;
  readonly isError: boolean;
  readonly isPush: boolean;
}

/** Scans chunk by chunk as a connection does; each found reply's bytes. */
function scanAll(chunks: readonly Buffer[], limit: number): { found: Found[]; slices: string } {
  const scanner = new ReplyScanner();
  const found: Found[] = [];
  let slices = '';
  let held = '';
  for (const chunk of chunks) {
    let at = 0;
    while (at < chunk.length) {
      const count = scanner.scan(chunk, at, limit);
      expect(scanner.problem).toBe('');
      if (count === 0) break;
      const bytes = held + chunk.toString('latin1', at, scanner.end);
      held = '';
      slices += bytes;
      if (scanner.isPush) expect(count).toBe(1);
      expect(count).toBeLessThanOrEqual(limit);
      for (let i = 0; i < count; i++)
        found.push({ bytes: '', isError: scanner.firstError === i, isPush: scanner.isPush });
      at = scanner.end;
    }
    held += chunk.toString('latin1', at);
  }
  expect(held).toBe('');
  expect(scanner.isWithin).toBe(false);
  return { found, slices };
}

function parseAll(bytes: string): Reply[] {
  const found: Reply[] = [];
  expect(new ReplyParser().parse(Buffer.from(bytes, 'latin1'), (one) => found.push(one))).toBe('done');
  return found;
}

it('cut at every byte: the same replies as the parser, errors and pushes told', () => {
  let cuts = 0;
  fc.assert(
    fc.property(fc.array(fc.oneof(reply, push), { minLength: 1, maxLength: 5 }), (replies) => {
      const text = replies.join('');
      const bytes = Buffer.from(text, 'latin1');
      const parsed = parseAll(text);
      for (let cut = 0; cut <= bytes.length; cut++, cuts++) {
        const { found, slices } = scanAll([bytes.subarray(0, cut), bytes.subarray(cut)], 1);
        expect(slices).toBe(text);
        expect(found.map(({ isPush }) => isPush)).toEqual(parsed.map(({ kind }) => kind === 'push'));
        const errors = replies.map((one) => one.startsWith('-') || one.startsWith('!'));
        expect(found.map(({ isError }) => isError)).toEqual(errors);
      }
    }),
    { numRuns: 60 },
  );
  expect(cuts).toBeGreaterThan(2_000);
});

it('chunks of any size, slices of many replies', () => {
  let cutSlices = 0;
  fc.assert(
    fc.property(
      fc.array(fc.oneof(reply, push), { minLength: 5, maxLength: 40 }),
      fc.integer({ min: 2, max: 200 }),
      fc.integer({ min: 1, max: 10 }),
      (replies, size, limit) => {
        const bytes = Buffer.from(replies.join(''), 'latin1');
        const chunks = [];
        for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
        const { found, slices } = scanAll(chunks, limit);
        expect(slices).toBe(bytes.toString('latin1'));
        expect(found.length).toBe(replies.length);
        if (chunks.length > 1) cutSlices++;
      },
    ),
    { numRuns: 300 },
  );
  expect(cutSlices).toBeGreaterThan(100);
});

it('byte by byte, and many replies at once', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(reply, push), { minLength: 1, maxLength: 20 }), (replies) => {
      const text = replies.join('');
      const bytes = Buffer.from(text, 'latin1');
      const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
      expect(scanAll(single, 3).found.length).toBe(replies.length);
      const whole = scanAll([bytes], 1000);
      expect(whole.slices).toBe(text);
      expect(whole.found.length).toBe(replies.length);
    }),
    { numRuns: 200 },
  );
});

it('one slice covers as many replies as are whole', () => {
  const scanner = new ReplyScanner();
  const bytes = Buffer.from('$2\r\nab\r\n:1\r\n-ERR x\r\n-ERR y\r\n+OK\r\n$5\r\nab');
  expect(scanner.scan(bytes, 0, 100)).toBe(5);
  expect(scanner.firstError).toBe(2);
  expect(bytes.toString('latin1', scanner.errorAt, scanner.errorAt + 6)).toBe('-ERR x');
  expect(bytes.toString('latin1', scanner.end)).toBe('$5\r\nab');
  expect(scanner.scan(bytes, scanner.end, 100)).toBe(0);
  expect(scanner.isWithin).toBe(true);
});

it.each([
  ['hello\r\n', /not a reply/],
  ['$x\r\n', /length/],
  ['$-2\r\n', /length/],
  ['*1234567890123\r\n', /length/],
  ['+a\n', /LF without CR/],
  [`+${'x'.repeat(70_000)}`, /too long/],
  ['*1\r\n'.repeat(65), /nested/],
])('malformed: %j', (text, problem) => {
  const scanner = new ReplyScanner();
  expect(scanner.scan(Buffer.from(text), 0, 10)).toBe(0);
  expect(scanner.problem).toMatch(problem);
});

it('a bulk of 64 MB in many chunks', () => {
  const scanner = new ReplyScanner();
  const size = 64 * 1024 * 1024;
  expect(scanner.scan(Buffer.from(`$${size}\r\n`), 0, 1)).toBe(0);
  const chunk = Buffer.alloc(64 * 1024, '\n');
  for (let i = 0; i < 1024; i++) expect(scanner.scan(chunk, 0, 1)).toBe(0);
  expect(scanner.scan(Buffer.from('\r\n+OK\r\n'), 0, 10)).toBe(1);
  expect(scanner.end).toBe(2);
});
