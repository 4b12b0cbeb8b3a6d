// Blocks: what a log or snapshot is made of, each with a checksum, so that a torn or damaged one is noticed.
import { crc32 } from 'node:zlib';
import { assert } from '../../base/index.ts';

// A file is blocks one after the other. All numbers are little-endian.
//
//   block    = magic:u32 length:u32 sequence:u48 synced:u48 accepted:u48 0:u16 crc:u32 payload
//   length   = bytes of the payload
//   sequence = counts the blocks of all logs up from 1; of a snapshot its own from 1
//   synced   = blocks below this sequence had been synced when this one was written
//   accepted = what was marked in blocks below this sequence had been accepted by the queue; in a snapshot: see replay.ts
//   crc      = CRC-32 of the 28 bytes before it and of the payload, begun with the salt of the file, so that no value of a client
//              can be taken for a block
//
// Between two blocks of following sequences anything may lie: what remained of a write that failed and was repeated.

export const HEADER_BYTES = 32;
/** Units: bytes, of the payload. A unit of many values of the greatest size still fits. */
const PAYLOAD_BYTES_MAX = 2 ** 31 - 1 - HEADER_BYTES;
const MAGIC = 0x6b6c62ab;
const MAGIC_BYTES = Buffer.from([0xab, 0x62, 0x6c, 0x6b]);
const CRC_AT = 28;

/** The numbers of a block's header. */
export interface BlockNumbers {
  readonly sequence: number;
  readonly synced: number;
  readonly accepted: number;
}

/** A header as it was read; nothing is known of the payload yet. */
export interface BlockHeader extends BlockNumbers {
  /** Units: bytes of the payload. */
  readonly length: number;
  readonly crc: number;
}

/** Fills the header before a payload. Shape: HEADER_BYTES of room, then the payload up to the end. */
export function sealBlock(block: Buffer, numbers: BlockNumbers, salt: number): void {
  assert(block.length - HEADER_BYTES <= PAYLOAD_BYTES_MAX, 'what waits to be written is bounded');
  block.writeUInt32LE(MAGIC, 0);
  block.writeUInt32LE(block.length - HEADER_BYTES, 4);
  block.writeUIntLE(numbers.sequence, 8, 6);
  block.writeUIntLE(numbers.synced, 14, 6);
  block.writeUIntLE(numbers.accepted, 20, 6);
  block.writeUInt16LE(0, 26);
  block.writeUInt32LE(checksum(block.subarray(0, CRC_AT), block.subarray(HEADER_BYTES), salt), CRC_AT);
}

/** The header at the beginning of `bytes`; undefined: there is none. */
export function readHeader(bytes: Buffer): BlockHeader | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC) return undefined;
  const length = bytes.readUInt32LE(4);
  if (length > PAYLOAD_BYTES_MAX) return undefined;
  return {
    length,
    sequence: bytes.readUIntLE(8, 6),
    synced: bytes.readUIntLE(14, 6),
    accepted: bytes.readUIntLE(20, 6),
    crc: bytes.readUInt32LE(CRC_AT),
  };
}

/** Whether a whole block is as it was written. */
export function isIntact(block: Buffer, { crc }: BlockHeader, salt: number): boolean {
  return checksum(block.subarray(0, CRC_AT), block.subarray(HEADER_BYTES), salt) === crc;
}

/** Where the next block may begin; -1: nowhere. */
export function findMagic(bytes: Buffer, from: number): number {
  return bytes.indexOf(MAGIC_BYTES, from);
}

function checksum(header: Buffer, payload: Buffer, salt: number): number {
  return crc32(payload, crc32(header, salt));
}
