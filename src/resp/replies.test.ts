// Replies written and read back: all types, both protocols, any cuts.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDouble, plainReply, type Reply, ReplyParser, ReplyWriter } from './index.ts';

function written(protocol: 2 | 3, write: (reply: ReplyWriter) => void): string {
  const writer = new ReplyWriter();
  writer.protocol = protocol;
  write(writer);
  return Buffer.concat(writer.take()).toString('latin1');
}

function writeReply(writer: ReplyWriter, reply: Reply): void {
  switch (reply.kind) {
    case 'simple':
      return writer.simple(reply.text);
    case 'error':
      return writer.error(reply.text);
    case 'integer':
      return writer.integer(reply.value);
    case 'bulk':
      return writer.bulk(reply.bytes);
    case 'null':
      return writer.null();
    case 'double':
      return writer.double(reply.value);
    case 'boolean':
      return writer.boolean(reply.value);
    case 'bigNumber':
      return writer.bigNumber(reply.value);
    case 'verbatim':
      return writer.verbatim(reply.format, reply.text);
    case 'map':
      writer.map(reply.entries.length);
      for (const entry of reply.entries) for (const part of entry) writeReply(writer, part);
      return;
    default:
      writer[reply.kind](reply.items.length);
      for (const item of reply.items) writeReply(writer, item);
  }
}

const text = fc.string({ maxLength: 100 }).map((s) =>
  Buffer.from(s)
    .toString('latin1')
    .replace(/[\r\n]/g, ' '),
);
const bytes = fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ minLength: 60, maxLength: 300 }));
const { reply: anyReply } = fc.letrec<{ reply: Reply; aggregate: Reply; scalar: Reply }>((tie) => ({
  reply: fc.oneof({ maxDepth: 4 }, tie('scalar'), tie('aggregate')),
  scalar: fc.oneof(
    text.map((t): Reply => ({ kind: 'simple', text: t })),
    text.map((t): Reply => ({ kind: 'error', text: t })),
    fc
      .oneof(fc.maxSafeInteger(), fc.integer({ min: -2000, max: 200_000 }))
      .map((value): Reply => ({ kind: 'integer', value: value + 0 })),
    bytes.map((b): Reply => ({ kind: 'bulk', bytes: Buffer.from(b) })),
    fc.constant<Reply>({ kind: 'null' }),
    fc.double().map((value): Reply => ({ kind: 'double', value })),
    fc.boolean().map((value): Reply => ({ kind: 'boolean', value })),
    fc.bigInt().map((value): Reply => ({ kind: 'bigNumber', value })),
    text.map((t): Reply => ({ kind: 'verbatim', format: 'txt', text: t })),
  ),
  aggregate: fc.oneof(
    fc
      .tuple(
        fc.constantFrom('array' as const, 'set' as const, 'push' as const),
        fc.array(tie('reply'), { maxLength: 5 }),
      )
      .map(([kind, items]): Reply => ({ kind, items: items as Reply[] })),
    fc
      .array(fc.tuple(tie('reply'), tie('reply')), { maxLength: 4 })
      .map((entries): Reply => ({ kind: 'map', entries: entries as [Reply, Reply][] })),
  ),
}));

describe('ReplyWriter and ReplyParser', () => {
  it('round-trip every type in any cuts', () => {
    const kinds = new Set<string>();
    const property = fc.property(
      fc.array(anyReply, { maxLength: 8 }),
      fc.array(fc.nat()),
      (replies, cuts) => {
        const writer = new ReplyWriter();
        writer.protocol = 3;
        for (const reply of replies) writeReply(writer, reply);
        const all = Buffer.concat(writer.take());
        const points = [0, ...cuts.map((x) => x % (all.length + 1)).sort((a, b) => a - b), all.length];
        const parser = new ReplyParser();
        const read: Reply[] = [];
        let status = 'done';
        for (let i = 1; i < points.length; i++) {
          status = parser.parse(Buffer.from(all.subarray(points[i - 1], points[i])), (reply) =>
            read.push(reply),
          );
        }
        expect(parser.problem).toBe('');
        expect(status).toBe('done');
        expect(read).toEqual(replies);
        for (const reply of replies) kinds.add(reply.kind);
      },
    );
    fc.assert(property, { numRuns: 1000 });
    expect(kinds.size).toBe(13);
  });

  it('writes RESP3', () => {
    const all = written(3, (reply) => {
      reply.ok();
      reply.null();
      reply.nullArray();
      reply.map(1);
      reply.latin1('k');
      reply.double(1.5);
      reply.set(1);
      reply.boolean(true);
      reply.push(1);
      reply.bigNumber(12n);
      reply.verbatim('txt', 'hi');
      reply.integer(-7);
      reply.integer(2n ** 63n - 1n);
    });
    expect(all).toBe(
      '+OK\r\n_\r\n_\r\n%1\r\n$1\r\nk\r\n,1.5\r\n~1\r\n#t\r\n>1\r\n(12\r\n=6\r\ntxt:hi\r\n:-7\r\n:9223372036854775807\r\n',
    );
  });

  it('writes the nearest RESP2', () => {
    const all = written(2, (reply) => {
      reply.null();
      reply.nullArray();
      reply.map(2);
      reply.set(1);
      reply.push(3);
      reply.double(-0.5);
      reply.boolean(false);
      reply.bigNumber(12n);
      reply.verbatim('txt', 'hi');
    });
    expect(all).toBe('$-1\r\n*-1\r\n*4\r\n*1\r\n*3\r\n$4\r\n-0.5\r\n:0\r\n$2\r\n12\r\n$2\r\nhi\r\n');
  });

  it('copies values of every length from one buffer to any place', () => {
    const source = Buffer.from(Array.from({ length: 600 }, (_, i) => i & 0xff));
    const writer = new ReplyWriter();
    let expected = '';
    for (let n = 0; n < 300; n++) {
      writer.bulk(source, n % 7, (n % 7) + n);
      expected += `$${n}\r\n${source.toString('latin1', n % 7, (n % 7) + n)}\r\n`;
    }
    expect(Buffer.concat(writer.take()).toString('latin1') === expected).toBe(true);
  });

  it('keeps a reply line on one line', () => {
    expect(written(2, (reply) => reply.error('ERR a\r\nb\nc'))).toBe('-ERR a  b c\r\n');
    expect(written(2, (reply) => reply.simple('a\nb'))).toBe('+a b\r\n');
  });

  it('writes integers of every length', () => {
    for (const n of [
      0,
      9,
      10,
      99,
      100,
      999,
      1000,
      65_535,
      999_999_999,
      1_000_000_000,
      2 ** 31,
      2 ** 32 + 5,
      2 ** 53 - 1,
    ]) {
      expect(written(2, (reply) => reply.integer(n))).toBe(`:${n}\r\n`);
    }
  });

  it('truncates and takes at any place, large values too', () => {
    const size = fc.constantFrom(0, 1, 100, 5000, 70_000, 200_000);
    const property = fc.property(
      fc.array(size, { maxLength: 8 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (sizes, part) => {
        const fill = (writer: ReplyWriter): void => {
          for (const [i, n] of sizes.entries()) writer.bulk(Buffer.alloc(n, 65 + i));
        };
        const whole = written(2, fill);
        const at = Math.floor(part * whole.length);
        const writer = new ReplyWriter();
        fill(writer);
        expect(Buffer.concat(writer.take(at)).toString() === whole.slice(0, at)).toBe(true);
        expect(Buffer.concat(writer.take()).toString() === whole.slice(at)).toBe(true);
        fill(writer);
        writer.truncate(at);
        expect(writer.length).toBe(at);
        writer.ok();
        expect(Buffer.concat(writer.take()).toString() === `${whole.slice(0, at)}+OK\r\n`).toBe(true);
      },
    );
    fc.assert(property, { numRuns: 100 });
  });

  it('formats doubles', () => {
    const texts = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 3, 0.1, 1e21].map(
      formatDouble,
    );
    expect(texts).toEqual(['nan', 'inf', '-inf', '-0', '3', '0.1', '1e+21']);
  });
});

describe('ReplyParser', () => {
  const parse = (input: string): { status: string; replies: unknown[]; problem: string } => {
    const parser = new ReplyParser();
    const replies: unknown[] = [];
    const status = parser.parse(Buffer.from(input, 'latin1'), (reply) => replies.push(plainReply(reply)));
    return { status, replies, problem: parser.problem };
  };

  it('reads the nulls of RESP2, bulk errors and large integers', () => {
    const { replies, status } = parse('$-1\r\n*-1\r\n!5\r\nERR x\r\n:9223372036854775807\r\n*1\r\n*0\r\n');
    expect(replies).toEqual([null, null, '-ERR x', 9223372036854775807n, [[]]]);
    expect(status).toBe('done');
  });

  it('drops attributes, wherever they stand', () => {
    expect(parse('|1\r\n+ttl\r\n:3600\r\n*2\r\n:1\r\n|1\r\n+a\r\n*1\r\n+b\r\n:2\r\n').replies).toEqual([
      [1, 2],
    ]);
  });

  it('says more while a reply is under way', () => {
    for (const input of ['*2\r\n:1\r\n', '$5\r\nabc', '+OK', '*1', '|1\r\n+a\r\n+b\r\n*1\r\n'])
      expect(parse(input).status).toBe('more');
  });

  for (const input of [
    '?\r\n',
    '$x\r\n',
    '$-2\r\n',
    ':1x\r\n',
    '#x\r\n',
    ',abc\r\n',
    '_x\r\n',
    '*-2\r\n',
    '$1\r\nabc\r\n',
    '=2\r\nab\r\n',
    '+a\rb\r\n',
    `+${'x'.repeat(70_000)}`,
    '*1\r\n'.repeat(65),
  ]) {
    it(`calls ${JSON.stringify(input.slice(0, 12))} malformed, for good`, () => {
      const parser = new ReplyParser();
      expect(parser.parse(Buffer.from(input), () => {})).toBe('malformed');
      expect(parser.problem).not.toBe('');
      expect(parser.parse(Buffer.from('+OK\r\n'), () => {})).toBe('malformed');
    });
  }
});
