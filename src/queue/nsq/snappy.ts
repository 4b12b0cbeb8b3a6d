// The framing of snappy streams, as nsqd speaks it; the blocks inside are a library's work.
//
// stream  = chunk*                                                          little-endian
// chunk   = type u8 , size u24 (of what follows) , data[size]
// type    = 0xff identifier "sNaPpY" | 0x00 compressed | 0x01 as it is | 0x80..0xfe to be skipped
// data    = masked CRC-32C of the uncompressed bytes u32 , bytes            of 0x00 and 0x01; at most 65,536 bytes uncompressed
import SnappyJS from 'snappyjs';

const IDENTIFIER = 0xff;
const COMPRESSED = 0x00;
const PLAIN = 0x01;
const SKIPPED_FROM = 0x80;
const HEAD_BYTES = 4;
const CRC_BYTES = 4;
const BLOCK_BYTES_MAX = 65_536;
/** Units: bytes. The largest a compressed block can become, with its checksum. */
const CHUNK_BYTES_MAX = CRC_BYTES + 76_490;
const MAGIC = Buffer.concat([Buffer.from([IDENTIFIER, 6, 0, 0]), Buffer.from('sNaPpY', 'latin1')]);
/** Castagnoli's polynomial, reversed. */
const POLYNOMIAL = 0x82f63b78;
const MASK = 0xa282ead8;

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ POLYNOMIAL;
  return crc;
});

/** The chunks for bytes, in order; without any the beginning of a stream. */
export function* snappyChunks(bytes?: Uint8Array): Generator<Buffer> {
  if (bytes === undefined) return yield MAGIC;
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES_MAX) {
    const block = bytes.subarray(at, at + BLOCK_BYTES_MAX);
    const compressed = SnappyJS.compress(block);
    const isSmaller = compressed.length < block.length;
    yield chunkOf(isSmaller ? COMPRESSED : PLAIN, checksum(block), isSmaller ? compressed : block);
  }
}

function chunkOf(type: number, crc: number, data: Uint8Array): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES + CRC_BYTES);
  head[0] = type;
  head.writeUIntLE(CRC_BYTES + data.length, 1, 3);
  head.writeUInt32LE(crc, HEAD_BYTES);
  return Buffer.concat([head, data]);
}

/** Cuts a stream into its bytes. After `push` answered a text the stream is broken for good. */
export class SnappyDecoder {
  #rest: Buffer = Buffer.alloc(0);

  /** Takes a chunk of the connection, hands over what it completes. Result: what is malformed, or nothing. */
  push(chunk: Buffer, take: (bytes: Buffer) => void): string | undefined {
    let buffer = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (buffer.length >= HEAD_BYTES) {
      const size = buffer.readUIntLE(1, 3);
      if (size > CHUNK_BYTES_MAX) return `chunk of ${size} bytes`;
      if (buffer.length < HEAD_BYTES + size) break;
      const problem = decode(buffer[0] ?? 0, buffer.subarray(HEAD_BYTES, HEAD_BYTES + size), take);
      if (problem !== undefined) return problem;
      buffer = buffer.subarray(HEAD_BYTES + size);
    }
    this.#rest = Buffer.from(buffer);
    return undefined;
  }
}

function decode(type: number, data: Buffer, take: (bytes: Buffer) => void): string | undefined {
  if (type >= SKIPPED_FROM) return undefined;
  if (type !== COMPRESSED && type !== PLAIN) return `chunk of unknown type ${type}`;
  if (data.length < CRC_BYTES) return `chunk of ${data.length} bytes is too short`;
  const block = data.subarray(CRC_BYTES);
  const bytes = type === PLAIN ? block : uncompressed(block);
  if (bytes === undefined || checksum(bytes) !== data.readUInt32LE(0)) return 'wrong checksum';
  take(Buffer.from(bytes));
  return undefined;
}

function uncompressed(block: Buffer): Uint8Array | undefined {
  try {
    return SnappyJS.uncompress(block, BLOCK_BYTES_MAX);
  } catch {
    return undefined;
  }
}

function checksum(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + MASK) >>> 0;
}
