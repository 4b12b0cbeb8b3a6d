// Slots of keys, as Redis Cluster counts them: CRC16 (XMODEM) of the key, mod 16384.
// Of a key with "{…}" only what stands between the first "{" and the next "}" counts, if that is not empty.
import type { Latin1 } from './bytes.ts';

/** How many slots there are. */
export const SLOTS = 16_384;

const OPEN = 0x7b;
const CLOSE = 0x7d;

const crcTable = new Uint16Array(256).map((_, i) => {
  let crc = i << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc;
});

/** The slot of a key. Range: 0 .. 16383. */
export function slotOf(key: Uint8Array | Latin1): number {
  return typeof key === 'string' ? slotOfText(key) : slotOfBytes(key, 0, key.length);
}

/** As `slotOf`, for a range of bytes. */
export function slotOfBytes(source: Uint8Array, start: number, end: number): number {
  let from = start;
  let to = end;
  let open = start;
  while (open < end && source[open] !== OPEN) open++;
  if (open < end) {
    let close = open + 1;
    while (close < end && source[close] !== CLOSE) close++;
    if (close < end && close > open + 1) {
      from = open + 1;
      to = close;
    }
  }
  let crc = 0;
  for (let i = from; i < to; i++) crc = ((crc << 8) & 0xffff) ^ crcTable[(crc >> 8) ^ source[i]];
  return crc & (SLOTS - 1);
}

function slotOfText(key: Latin1): number {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (let i = 0; i < hashed.length; i++)
    crc = ((crc << 8) & 0xffff) ^ crcTable[(crc >> 8) ^ hashed.charCodeAt(i)];
  return crc & (SLOTS - 1);
}
