// Slots and tags for the hot path: from byte ranges to bytes, without a string per key.
import { slotOf, tagOf } from './slots.ts';

const SLOTS = 16_384;
const OPEN = 123;
/** Shape: three bytes a slot. */
const tags = new Uint8Array(SLOTS * 3);
const crcTable = new Uint16Array(256);
let isReady = false;

/** Fills the tables; once, before the first write. */
export function prepareSlots(): void {
  if (isReady) return;
  isReady = true;
  for (let slot = 0; slot < SLOTS; slot++) {
    const tag = tagOf(slot);
    for (let i = 0; i < 3; i++) tags[slot * 3 + i] = tag.charCodeAt(i);
  }
  for (let i = 0; i < 256; i++) {
    let crc = i << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
    crcTable[i] = crc & 0xffff;
  }
}

/** The slot of the key in bytes `start` up to `end`. Order: after `prepareSlots`. */
export function slotOfRange(source: Uint8Array, start: number, end: number): number {
  let crc = 0;
  for (let i = start; i < end; i++) {
    const byte = source[i];
    if (byte === OPEN) return slotOf(source.subarray(start, end));
    crc = ((crc << 8) & 0xffff) ^ crcTable[(crc >> 8) ^ byte];
  }
  return crc & (SLOTS - 1);
}

/** Writes the three bytes of a slot's tag at `at`. */
export function writeTag(out: Uint8Array, at: number, slot: number): void {
  const from = slot * 3;
  out[at] = tags[from];
  out[at + 1] = tags[from + 1];
  out[at + 2] = tags[from + 2];
}
