// Raw bytes in, commands out: any cuts, Redis' limits and words.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CommandBatch, encodeCommand, nameCode, type ParseStatus, RequestParser } from './index.ts';

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
