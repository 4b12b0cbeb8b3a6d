// The envelope: a batch of deltas (and messages) as one queue message, or as several fragments of one.
import { crc32 } from 'node:zlib';
import { assert, FRAGMENTS_MAX, type Latin1, MqkvError, type Random, randomHex } from '../base/index.ts';

/** The newest envelope format that this build writes and reads. */
export const ENVELOPE_FORMAT = 1;

/** Kinds of sections in a body. */
export const SECTION_DELTAS = 1;
export const SECTION_HEARTBEAT = 2;
export const SECTION_PUBLISH = 3;
/** Closes a gap: what the sequence carried came again with others (`encodeAfter`). An envelope without sections closes one, too. */
export const SECTION_AFTER = 4;
/** Closes a gap: what the sequence carried can not be sent again; only a comparison brings it. */
export const SECTION_LOST = 5;
/** A request to another site, and its answer, where no connection goes there. Only in loose streams. */
export const SECTION_ASK = 6;
export const SECTION_ANSWER = 7;

/** One part of an envelope's body. */
export interface Section {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/** What an envelope says of itself. */
export interface EnvelopeHeader {
  /** Name of the sending site. */
  readonly site: string;
  /** Origin of all deltas inside. */
  readonly origin: number;
  /** Random id of the sending process; `isLoose` tells those whose messages nobody misses. Shape: 16 lower-case hex characters. */
  readonly stream: string;
  /** Number of this message in its stream, from 1; a message that closes a gap has the number of the one that is missed. */
  readonly sequence: number;
  /** Units: Unix ms by the sender's clock when the envelope was made. */
  readonly timeMs: number;
  /** Which fragment of how many this is; 0 of 1 for a whole envelope. Fragments have consecutive sequences. */
  readonly fragment: number;
  readonly fragments: number;
}

/** A decoded message: its header and its body, or its piece of a body. */
export interface Envelope {
  readonly header: EnvelopeHeader;
  readonly body: Buffer;
}

// message  := "MQKV" format:u8 flags:u8 fragment:u32 fragments:u32 origin:u32 stream:8 bytes sequence:u48 time:u48
//             crc:u32 siteLength:u8 site body
// body     := section*             (of a fragment: a piece of it)
// section  := kind:u8 length:u32 bytes
// Integers are little-endian. crc is CRC-32 of all bytes before it, then of site and body. flags: 0 (bits are kept
// for compression and encryption; an unknown bit is refused).
const MAGIC = 0x564b514d; // "MQKV" read as little-endian
const FIXED_BYTES = 43;
const CRC_AT = 38;
const TIME_AT = 32;

/** How ids of loose streams begin. */
const LOOSE = '00000000';

/** A stream of heartbeats and requests: its messages are not numbered for gaps, and may be lost. */
export function isLoose(stream: string): boolean {
  return stream.startsWith(LOOSE);
}

/** A random stream id. */
export function newStreamId(random: Random, kind: 'numbered' | 'loose'): string {
  if (kind === 'loose') return LOOSE + randomHex(random, 4);
  for (;;) {
    const id = randomHex(random, 8);
    if (!isLoose(id)) return id;
  }
}

/** Units: bytes that an envelope adds to its body. */
export function envelopeOverheadBytes(site: string): number {
  return FIXED_BYTES + Buffer.byteLength(site, 'latin1');
}

/** Encodes one message. Owns: the caller gets a fresh Buffer. */
export function encodeEnvelope(header: EnvelopeHeader, body: readonly Uint8Array[]): Buffer {
  const siteLength = header.site.length;
  assert(siteLength > 0 && siteLength < 256, 'a site name has 1 to 255 bytes');
  let bodyLength = 0;
  for (const part of body) bodyLength += part.length;
  const out = Buffer.allocUnsafe(FIXED_BYTES + siteLength + bodyLength);
  out.writeUInt32LE(MAGIC, 0);
  out[4] = ENVELOPE_FORMAT;
  out[5] = 0;
  out.writeUInt32LE(header.fragment, 6);
  out.writeUInt32LE(header.fragments, 10);
  out.writeUInt32LE(header.origin, 14);
  out.write(header.stream, 18, 8, 'hex');
  out.writeUIntLE(header.sequence, 26, 6);
  out.writeUIntLE(header.timeMs, TIME_AT, 6);
  out[42] = siteLength;
  out.write(header.site, FIXED_BYTES, 'latin1');
  let at = FIXED_BYTES + siteLength;
  for (const part of body) {
    out.set(part, at);
    at += part.length;
  }
  out.writeUInt32LE(checksum(out), CRC_AT);
  return out;
}

/** When an encoded message was made. Units: Unix ms by the sender's clock. */
export function madeAtMs(message: Buffer): number {
  return message.readUIntLE(TIME_AT, 6);
}

function checksum(message: Buffer): number {
  return crc32(message.subarray(FIXED_BYTES - 1), crc32(message.subarray(0, CRC_AT)));
}

/** Decodes one message. Owns: `body` is a view of `message`. Errors: MqkvError `MALFORMED_ENVELOPE`, `UNKNOWN_FORMAT`. */
export function decodeEnvelope(message: Buffer): Envelope {
  if (message.length < FIXED_BYTES || message.readUInt32LE(0) !== MAGIC) throw malformed('no envelope');
  if (message[4] !== ENVELOPE_FORMAT || message[5] !== 0) {
    throw new MqkvError(
      'UNKNOWN_FORMAT',
      `envelope format ${message[4]} flags ${message[5]}, this build reads format 1 flags 0`,
    );
  }
  if (message.readUInt32LE(CRC_AT) !== checksum(message)) throw malformed('the checksum differs');
  const siteLength = message[42] ?? 0;
  const bodyAt = FIXED_BYTES + siteLength;
  const header = {
    site: message.toString('latin1', FIXED_BYTES, bodyAt),
    origin: message.readUInt32LE(14),
    stream: message.toString('hex', 18, 26),
    sequence: message.readUIntLE(26, 6),
    timeMs: message.readUIntLE(TIME_AT, 6),
    fragment: message.readUInt32LE(6),
    fragments: message.readUInt32LE(10),
  };
  if (siteLength === 0 || bodyAt > message.length) throw malformed('no site name');
  if (
    header.fragment >= header.fragments ||
    header.fragments > FRAGMENTS_MAX ||
    header.sequence <= header.fragment
  ) {
    throw malformed('impossible numbers');
  }
  return { header, body: message.subarray(bodyAt) };
}

/** The pieces of a section, for `encodeEnvelope`. */
export function encodeSection(section: Section): Uint8Array[] {
  const head = Buffer.allocUnsafe(5);
  head[0] = section.kind;
  head.writeUInt32LE(section.bytes.length, 1);
  return [head, section.bytes];
}

/** Splits a whole body. Owns: views of `body`. Errors: MqkvError `MALFORMED_ENVELOPE`. */
export function decodeSections(body: Buffer): Section[] {
  const sections: Section[] = [];
  let at = 0;
  while (at < body.length) {
    if (at + 5 > body.length) throw malformed('a section is cut');
    const end = at + 5 + body.readUInt32LE(at + 1);
    if (end > body.length) throw malformed('a section is cut');
    sections.push({ kind: body[at] ?? 0, bytes: body.subarray(at + 5, end) });
    at = end;
  }
  return sections;
}

// publish := channelLength:u32 channel message

/** Encodes a PUBLISH that travels to the other sites. */
export function encodePublish(channel: Latin1, message: Latin1): Buffer {
  const out = Buffer.allocUnsafe(4 + channel.length + message.length);
  out.writeUInt32LE(channel.length, 0);
  out.write(channel, 4, 'latin1');
  out.write(message, 4 + channel.length, 'latin1');
  return out;
}

/** Decodes a PUBLISH. Errors: MqkvError `MALFORMED_ENVELOPE`. */
export function decodePublish(bytes: Uint8Array): { readonly channel: Latin1; readonly message: Latin1 } {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < 4 || 4 + view.readUInt32LE(0) > view.length) throw malformed('a publish is cut');
  const end = 4 + view.readUInt32LE(0);
  return { channel: view.toString('latin1', 4, end), message: view.toString('latin1', end) };
}

// after := from:u48 to:u48

/** Sequences of the same stream that must be applied before a gap counts as closed. */
export interface After {
  readonly from: number;
  readonly to: number;
}

/** Encodes the body of SECTION_AFTER. */
export function encodeAfter({ from, to }: After): Buffer {
  const out = Buffer.allocUnsafe(12);
  out.writeUIntLE(from, 0, 6);
  out.writeUIntLE(to, 6, 6);
  return out;
}

/** Decodes it. Errors: MqkvError `MALFORMED_ENVELOPE`. */
export function decodeAfter(bytes: Uint8Array): After {
  if (bytes.length !== 12) throw malformed('a gap is closed by something else');
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { from: view.readUIntLE(0, 6), to: view.readUIntLE(6, 6) };
}

function malformed(what: string): MqkvError {
  return new MqkvError('MALFORMED_ENVELOPE', `malformed envelope: ${what}`);
}
