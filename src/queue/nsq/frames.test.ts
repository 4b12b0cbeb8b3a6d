// Frames out of chunks: round trip under random cuts, and every way to be malformed.
import { describe, expect, it } from 'vitest';
import { below, NSQ_FRAME_BYTES_MAX, type Random, seededRandom } from '../../base/index.ts';
import { decodeMessage, ERROR, FrameParser, MESSAGE, type RawMessage, RESPONSE } from './frames.ts';

function frame(type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(data.length + 4, 0);
  head.writeUInt32BE(type, 4);
  return Buffer.concat([head, data]);
}

function message(id: string, attempts: number, body: Buffer): Buffer {
  const head = Buffer.alloc(10);
  head.writeBigInt64BE(123n, 0);
  head.writeUInt16BE(attempts, 8);
  return frame(MESSAGE, Buffer.concat([head, Buffer.from(id, 'latin1'), body]));
}

/** Cuts of 1 byte up to all that is left. */
function cuts(bytes: Buffer, random: Random): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const most = below(random, 4) === 0 ? bytes.length - at : Math.min(20, bytes.length - at);
    const size = 1 + below(random, most);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

const head = (size: number, type: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(size, 0);
  bytes.writeUInt32BE(type, 4);
  return bytes;
};

describe('FrameParser', () => {
  it('gives the same frames for every way of cutting the stream', () => {
    const random = seededRandom(7);
    let pieces = 0;
    for (let round = 0; round < 300; round++) {
      const sent = Array.from({ length: 1 + below(random, 6) }, (_, i) => {
        const body = Buffer.from(Array.from({ length: below(random, 200) }, () => below(random, 256)));
        return i % 2 === 0 ? frame(below(random, 2), body) : message(`${i}`.padEnd(16, 'f'), i, body);
      });
      const got: Buffer[] = [];
      const parser = new FrameParser();
      for (const piece of cuts(Buffer.concat(sent), random)) {
        pieces += 1;
        const problem = parser.push(piece, ({ type, data }) => got.push(frame(type, data)));
        expect(problem).toBeUndefined();
      }
      expect(got).toEqual(sent);
    }
    expect(pieces).toBeGreaterThan(3_000);
  });

  it('passes a large frame that comes in many chunks', () => {
    const body = Buffer.alloc(3_000_000, 'abc');
    const bytes = message('0123456789abcdef', 3, body);
    const parser = new FrameParser();
    const got: RawMessage[] = [];
    for (let at = 0; at < bytes.length; at += 65_536) {
      parser.push(bytes.subarray(at, at + 65_536), ({ data }) => got.push(decodeMessage(data)));
    }
    expect(got).toHaveLength(1);
    expect(got[0]).toMatchObject({ id: '0123456789abcdef', attempts: 3 });
    expect(got[0].body.equals(body)).toBe(true);
  });

  it.each([
    ['an unknown type', head(10, 3), 'unknown type 3'],
    ['a size below its own type', head(3, RESPONSE), 'too short'],
    ['a message without its header', head(29, MESSAGE), 'too short'],
    ['a size above the limit', head(NSQ_FRAME_BYTES_MAX + 1, ERROR), `above ${NSQ_FRAME_BYTES_MAX}`],
    ['HTTP', Buffer.from('HTTP/1.1 400 Bad Request'), 'unknown type'],
  ])('refuses %s', (_, bytes, problem) => {
    const parser = new FrameParser();
    const got: number[] = [];
    const good = frame(RESPONSE, Buffer.from('OK'));
    expect(parser.push(Buffer.concat([good, bytes]), ({ type }) => got.push(type))).toContain(problem);
    expect(got).toEqual([RESPONSE]);
  });

  it('hands over bodies of their own', () => {
    const bytes = message('0123456789abcdef', 1, Buffer.from('body'));
    const bodies: Buffer[] = [];
    new FrameParser().push(bytes, ({ data }) => bodies.push(decodeMessage(data).body));
    bytes.fill(0);
    expect(bodies).toEqual([Buffer.from('body')]);
  });
});
