// Slots of keys as Redis Cluster counts them, and the tag of each slot under which mqkv keeps what belongs to it.
//
// slot = CRC16 (XMODEM) of the key, or of what stands between its first "{" and the next "}" if that is not empty, mod 16384
// tag  = the first of all strings of three characters, in the order 000, 001, … ZZZ, that falls on the slot
import { assert, type Latin1 } from '../../base/index.ts';

const SLOTS = 16_384;
/** Part of the storage format: neither the characters nor their order ever change. */
const TAG_CHARACTERS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

const crcTable = new Uint16Array(256).map((_, i) => {
  let crc = i << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc;
});
let tags: readonly string[] | undefined;

/** The slot of a key. Range: 0 .. 16383. */
export function slotOf(key: Uint8Array | Latin1): number {
  return typeof key === 'string' ? slotOfText(key) : slotOfText(Buffer.from(key).toString('latin1'));
}

/** The tag of a slot. Shape: three characters of [0-9a-zA-Z]. */
export function tagOf(slot: number): string {
  tags ??= findTags();
  return tags[slot];
}

/** The name of the hash that holds the headers of a slot's keys. */
export function slotKey(slot: number): Latin1 {
  return `mqkv:{${tagOf(slot)}}`;
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

function findTags(): readonly string[] {
  const found = new Array<string>(SLOTS).fill('');
  let left = SLOTS;
  for (const a of TAG_CHARACTERS)
    for (const b of TAG_CHARACTERS)
      for (const c of TAG_CHARACTERS) {
        const slot = slotOfText(a + b + c);
        if (found[slot] !== '') continue;
        found[slot] = a + b + c;
        left--;
      }
  assert(left === 0, 'every slot has a tag');
  return found;
}
