// Requests: the bytes themselves, and back through the parser.
import { describe, expect, it } from 'vitest';
import { below, seededRandom } from '../base/index.ts';
import { CommandBatch } from './command-batch.ts';
import { encodeCommand } from './encode-command.ts';
import { RequestParser } from './request-parser.ts';

describe('encodeCommand', () => {
  it('writes an array of bulks', () => {
    expect(encodeCommand(['GET', Buffer.from('k')]).toString('latin1')).toBe(
      '*2\r\n$3\r\nGET\r\n$1\r\nk\r\n',
    );
    expect(encodeCommand([]).toString()).toBe('*0\r\n');
    expect(encodeCommand(['']).toString()).toBe('*1\r\n$0\r\n\r\n');
    expect(encodeCommand(['é\xff']).toString('latin1')).toBe('*1\r\n$2\r\né\xff\r\n');
  });

  it('is read back whatever the sizes', () => {
    const random = seededRandom(5);
    for (let n = 0; n < 300; n++) {
      const args = Array.from({ length: 1 + below(random, 120) }, () => {
        const size = below(random, 30) === 0 ? below(random, 20_000) : below(random, 120);
        const text = Buffer.alloc(size, below(random, 256)).toString('latin1');
        return below(random, 2) === 0 ? text : Buffer.from(text, 'latin1');
      });
      const batch = new CommandBatch();
      expect(new RequestParser().parse(encodeCommand(args), batch)).toBe('done');
      expect(batch.count).toBe(1);
      expect(batch.argc(0)).toBe(args.length);
      args.forEach((arg, a) => {
        expect(batch.text(0, a) === (typeof arg === 'string' ? arg : arg.toString('latin1'))).toBe(true);
      });
    }
  });
});
