import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MqkvError } from '../base/index.ts';
import {
  decodeEnvelope,
  decodePublish,
  decodeSections,
  encodeEnvelope,
  encodePublish,
  encodeSection,
  type EnvelopeHeader,
} from './envelope.ts';

const HEADER: EnvelopeHeader = {
  site: 'paris',
  origin: 0xfffffffe,
  stream: '00ff00ff12345678',
  sequence: 2 ** 40,
  timeMs: 1_790_000_000_000,
  fragment: 0,
  fragments: 1,
};

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return error instanceof MqkvError ? error.code : String(error);
  }
}

describe('envelope', () => {
  test('round trip of header, sections and any bytes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 255 }), fc.uint8Array({ maxLength: 300 })), {
          maxLength: 5,
        }),
        (sections) => {
          const body = sections.flatMap(([kind, bytes]) => encodeSection({ kind, bytes }));
          const { header, body: decoded } = decodeEnvelope(encodeEnvelope(HEADER, body));
          expect(header).toEqual(HEADER);
          const back = decodeSections(decoded).map(({ kind, bytes }) => [kind, [...bytes]]);
          expect(back).toEqual(sections.map(([kind, bytes]) => [kind, [...bytes]]));
        },
      ),
    );
  });

  test('every cut and every flipped bit is noticed', () => {
    const whole = encodeEnvelope(HEADER, encodeSection({ kind: 1, bytes: Buffer.from('some deltas') }));
    for (let length = 0; length < whole.length; length++) {
      expect(codeOf(() => decodeEnvelope(whole.subarray(0, length)))).toBe('MALFORMED_ENVELOPE');
    }
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const broken = Buffer.from(whole);
      broken[bit >> 3] = (broken[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(codeOf(() => decodeEnvelope(broken))).toMatch(/^(MALFORMED_ENVELOPE|UNKNOWN_FORMAT)$/);
    }
  });

  test('an unknown format is told apart from rubbish', () => {
    const newer = encodeEnvelope(HEADER, []);
    newer[4] = 2;
    expect(codeOf(() => decodeEnvelope(newer))).toBe('UNKNOWN_FORMAT');
    expect(codeOf(() => decodeEnvelope(Buffer.from('hello')))).toBe('MALFORMED_ENVELOPE');
  });

  test('impossible fragment numbers are malformed', () => {
    expect(codeOf(() => decodeEnvelope(encodeEnvelope({ ...HEADER, fragment: 2, fragments: 2 }, [])))).toBe(
      'MALFORMED_ENVELOPE',
    );
    expect(codeOf(() => decodeEnvelope(encodeEnvelope({ ...HEADER, fragments: 70_000 }, [])))).toBe(
      'MALFORMED_ENVELOPE',
    );
    expect(codeOf(() => decodeEnvelope(encodeEnvelope({ ...HEADER, sequence: 0 }, [])))).toBe(
      'MALFORMED_ENVELOPE',
    );
  });

  test('a section that is cut is malformed', () => {
    expect(codeOf(() => decodeSections(Buffer.from([1, 9, 0, 0, 0, 1])))).toBe('MALFORMED_ENVELOPE');
    expect(codeOf(() => decodeSections(Buffer.from([1, 9])))).toBe('MALFORMED_ENVELOPE');
  });

  test('publish messages keep any bytes', () => {
    expect(decodePublish(encodePublish('c\xff\0', '\r\n\x80'))).toEqual({
      channel: 'c\xff\0',
      message: '\r\n\x80',
    });
    expect(codeOf(() => decodePublish(Buffer.from([9, 0, 0, 0, 1])))).toBe('MALFORMED_ENVELOPE');
  });
});
