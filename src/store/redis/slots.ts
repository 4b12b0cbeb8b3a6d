// Slots of keys as Redis Cluster counts them, and the tag of each slot under which mqkv keeps what belongs to it.
//
// slot = CRC16 (XMODEM) of the key, or of what stands between its first "{" and the next "}" if that is not empty, mod 16384
// tag  = the first of all strings of three characters, in the order 000, 001, … ZZZ, that falls on the slot
import { assert, type Latin1, SLOTS, slotOf } from '../../base/index.ts';

export { slotOf };

/** Part of the storage format: neither the characters nor their order ever change. */
const TAG_CHARACTERS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

let tags: readonly string[] | undefined;

/** The tag of a slot. Shape: three characters of [0-9a-zA-Z]. */
export function tagOf(slot: number): string {
  tags ??= findTags();
  return tags[slot];
}

/** The name of the hash that holds the headers of a slot's keys. */
export function slotKey(slot: number): Latin1 {
  return `mqkv:{${tagOf(slot)}}`;
}

function findTags(): readonly string[] {
  const found = new Array<string>(SLOTS).fill('');
  let left = SLOTS;
  for (const a of TAG_CHARACTERS)
    for (const b of TAG_CHARACTERS)
      for (const c of TAG_CHARACTERS) {
        const slot = slotOf(a + b + c);
        if (found[slot] !== '') continue;
        found[slot] = a + b + c;
        left--;
      }
  assert(left === 0, 'every slot has a tag');
  return found;
}
