// Raw bytes in, commands out: any cuts, Redis' limits and words.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CommandBatch,
  encodeCommand,
  nameCode,
  type ParseStatus,
  RequestParser,
  requestLimits,
} from './index.ts';

interface Outcome {
  readonly commands: string[][];
  readonly status: ParseStatus;
  readonly problem: string;
}

function parseAll(
  chunks: readonly Buffer[],
  parser = new RequestParser(),
  batch = new CommandBatch(),
): Outcome {
  const commands: string[][] = [];
  let status: ParseStatus = 'done';
  for (const chunk of chunks) {
    let next = Buffer.from(chunk);
    do {
      status = parser.parse(next, batch);
      for (let i = 0; i < batch.count; i++) commands.push(argumentsOf(batch, i));
      next = Buffer.alloc(0);
    } while (parser.unread);
    if (status === 'malformed') break;
  }
  return { commands, status, problem: parser.problem };
}

function argumentsOf(batch: CommandBatch, i: number): string[] {
  return Array.from({ length: batch.argc(i) }, (_, a) => batch.text(i, a));
}

function parseText(text: string, parser?: RequestParser): Outcome {
  return parseAll([Buffer.from(text, 'latin1')], parser);
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const points = [...new Set(at.map((x) => x % (bytes.length + 1)))].sort((a, b) => a - b);
  const edges = [0, ...points, bytes.length];
  return edges.slice(1).map((end, i) => bytes.subarray(edges[i], end));
}

describe('RequestParser', () => {
  it('reads a pipeline', () => {
    const { commands, status } = parseText(
      '*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nget\r\n$1\r\nk\r\nPING\r\n*0\r\n*-1\r\n\r\n',
    );
    expect(commands).toEqual([['PING'], ['get', 'k'], ['PING']]);
    expect(status).toBe('done');
  });

  it('folds names to integers', () => {
    const batch = new CommandBatch();
    new RequestParser().parse(Buffer.from('get k\r\nHgEt k f\r\nhgetall k\r\n'), batch);
    expect([batch.code(0), batch.code(1), batch.code(2)]).toEqual([0x474554, nameCode('HGET'), 0]);
    expect(batch.name(2)).toBe('HGETALL');
    expect(batch.arg(0, 1)).toEqual(Buffer.from('k'));
  });

  it('reads any commands in any cuts', () => {
    const argument = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ minLength: 90, maxLength: 400 }),
    );
    const command = fc.array(argument, { minLength: 1, maxLength: 12 });
    const property = fc.property(
      fc.array(command, { maxLength: 12 }),
      fc.array(fc.nat()),
      (commands, cuts) => {
        const bytes = Buffer.concat(commands.map(encodeCommand));
        const outcome = parseAll(cut(bytes, cuts));
        const texts = commands.map((args) => args.map((arg) => Buffer.from(arg).toString('latin1')));
        expect(outcome).toEqual({ commands: texts, status: 'done', problem: '' });
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  it('reads large commands in any cuts, also one byte at a time around their edges', () => {
    const large = [Buffer.alloc(300_000, 'a'), 'x', Buffer.alloc(200_000, 'b')];
    const many = Array.from({ length: 30_000 }, (_, i) => String(i));
    const bytes = Buffer.concat([
      encodeCommand(['PING']),
      encodeCommand(large),
      encodeCommand(many),
      encodeCommand(['END']),
    ]);
    const property = fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 60 }), (cuts) => {
      const { commands, status } = parseAll(cut(bytes, cuts));
      expect(status).toBe('done');
      expect(commands.map((args) => args.length)).toEqual([1, 3, 30_000, 1]);
      expect(commands[1][2]).toBe(large[2].toString());
      expect(commands[2]).toEqual(many);
    });
    fc.assert(property, { numRuns: 30 });
  });
});

describe('RequestParser, inline commands', () => {
  const cases: [string, string[]][] = [
    ['SET k v\n', ['SET', 'k', 'v']],
    ['  set\t k   v  \r\n', ['set', 'k', 'v']],
    [String.raw`SET "a b" "\x41\n\t\"\\\q"` + '\r\n', ['SET', 'a b', 'A\n\t"\\q']],
    [String.raw`SET 'it\'s' '\x41'` + '\r\n', ['SET', "it's", '\\x41']],
    ['ECHO ""\r\n', ['ECHO', '']],
    ['ECHO pre"mid dle"\r\n', ['ECHO', 'premid dle']],
    [String.raw`ECHO "\xZZ"` + '\r\n', ['ECHO', 'xZZ']],
  ];
  for (const [line, expected] of cases) {
    it(`splits ${JSON.stringify(line)}`, () => expect(parseText(line).commands).toEqual([expected]));
  }

  it('gives back what a quoted line held before it was unquoted', () => {
    const batch = new CommandBatch();
    const text = String.raw`PING` + '\r\n' + String.raw`SET "a\x41" 'b'` + '\r\nrest';
    new RequestParser().parse(Buffer.from(text), batch);
    expect(batch.count).toBe(2);
    expect(batch.text(1, 1)).toBe('aA');
    expect(batch.rest(0).toString()).toBe(text.slice(6));
    expect(batch.rest(1).toString()).toBe('rest');
  });
});

describe('RequestParser, malformed input', () => {
  const error = (what: string): string => `ERR Protocol error: ${what}`;
  const long = 'x'.repeat(70_000);
  const cases: [string, string][] = [
    ['*1048577\r\n', error('invalid multibulk length')],
    ['*20000000000\r\n', error('invalid multibulk length')],
    ['*x\r\n', error('invalid multibulk length')],
    ['*01\r\n', error('invalid multibulk length')],
    ['*1\r\n$536870913\r\n', error('invalid bulk length')],
    ['*1\r\n$-1\r\n', error('invalid bulk length')],
    ['*1\r\n$;\r\n', error('invalid bulk length')],
    ['*1\r\n$1x\r\n', error('invalid bulk length')],
    ['*1\r\n$+1\r\na\r\n', error('invalid bulk length')],
    ['*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n', error("expected '$', got 'f'")],
    ['*1\r\nfoo\r\n', error("expected '$', got 'f'")],
    [`SET ${long}`, error('too big inline request')],
    [`*${long}`, error('too big mbulk count string')],
    [`*1\r\n$${long}`, error('too big bulk count string')],
    ['SET """test-key""" x\r\n', error('unbalanced quotes in request')],
    ['SET "open\r\n', error('unbalanced quotes in request')],
  ];
  for (const [input, problem] of cases) {
    it(`${JSON.stringify(input.slice(0, 40))}: ${problem}`, () => {
      const whole = parseText(`PING\r\n${input}`);
      expect(whole).toEqual({ commands: [['PING']], status: 'malformed', problem });
      const bytes = Buffer.from(input, 'latin1');
      const pieces = parseAll(cut(bytes, [1, 2, 5, 9, 4000, 65_000]));
      expect(pieces).toEqual({ commands: [], status: 'malformed', problem });
    });
  }

  it('takes limits from its options', () => {
    const parser = (): RequestParser =>
      new RequestParser(requestLimits({ bulkBytesMax: 5, argumentsMax: 20, queryBytesMax: 200_000 }));
    expect(parseText('*1\r\n$5\r\nabcde\r\n', parser()).status).toBe('done');
    expect(parseText('*1\r\n$6\r\nabcdef\r\n', parser()).problem).toBe(error('invalid bulk length'));
    expect(parseText('*21\r\n', parser()).problem).toBe(error('invalid multibulk length'));
    const query = new RequestParser(requestLimits({ queryBytesMax: 200_000 }));
    expect(parseText('*2\r\n$150000\r\n', query).status).toBe('more');
    const tooLong = new RequestParser(requestLimits({ queryBytesMax: 200_000 }));
    expect(parseText('*2\r\n$250000\r\n', tooLong).problem).toBe(error('query buffer limit exceeded'));
  });

  it('takes small commands only before authentication, and AUTH counts for what follows in the chunk', () => {
    const strict = (): RequestParser => {
      const parser = new RequestParser();
      parser.authenticated = false;
      return parser;
    };
    expect(parseText('*11\r\n', strict()).problem).toBe(error('unauthenticated multibulk length'));
    expect(parseText('*1\r\n$16385\r\n', strict()).problem).toBe(error('unauthenticated bulk length'));
    const parser = strict();
    const batch = new CommandBatch();
    const large = encodeCommand(['SET', 'k', Buffer.alloc(20_000, 'v')]);
    parser.parse(Buffer.concat([encodeCommand(['AUTH', 'p']), large]), batch);
    expect([batch.count, parser.unread]).toEqual([1, true]);
    parser.authenticated = true;
    expect(parser.parse(Buffer.alloc(0), batch)).toBe('done');
    expect([batch.count, batch.argc(0)]).toEqual([1, 3]);
  });

  it('never throws and never hangs, whatever comes', () => {
    const piece = fc.constantFrom(
      '*',
      '$',
      '1',
      '3',
      '-',
      '\r\n',
      '\r',
      '\n',
      '"',
      "'",
      '\\',
      'x4',
      ' ',
      'GET',
      '\0',
      '$3\r\nGET\r\n',
    );
    let malformed = 0;
    let commands = 0;
    const property = fc.property(fc.array(piece, { maxLength: 40 }), fc.array(fc.nat()), (pieces, cuts) => {
      const bytes = Buffer.from(pieces.join(''), 'latin1');
      const whole = parseAll([bytes]);
      const cutUp = parseAll(cut(bytes, cuts));
      expect(cutUp.commands).toEqual(whole.commands);
      expect(cutUp.problem).toBe(whole.problem);
      if (whole.status === 'malformed') malformed++;
      commands += whole.commands.length;
    });
    fc.assert(property, { numRuns: 2000 });
    expect(malformed).toBeGreaterThan(100);
    expect(commands).toBeGreaterThan(100);
  });

  it('is not quadratic in large values', () => {
    const chunk = Buffer.alloc(64 * 1024, 'v');
    const chunks = [Buffer.from(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${chunk.length * 2000}\r\n`)];
    for (let i = 0; i < 2000; i++) chunks.push(chunk);
    const parser = new RequestParser();
    const batch = new CommandBatch();
    const started = performance.now();
    for (const next of chunks) parser.parse(next, batch);
    expect(parser.parse(Buffer.from('\r\nPING\r\n'), batch)).toBe('done');
    expect([batch.count, batch.arg(0, 2).length]).toEqual([2, chunk.length * 2000]);
    // Joined once it takes some 50 ms; joined per chunk 128 GB would have been copied.
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
