// What two sites compare: slot, hash and fingerprint of every key, plain ones straight from the bytes of the reply, without objects.
import { bytesOf, type Latin1, latin1Of } from '../../base/index.ts';
import {
  DEAD,
  Fingerprint,
  FORM_DELETED,
  FORM_PLAIN,
  FORM_PLAIN_TTL,
  isFired,
  keyHash,
  shownType,
  type Standing,
  standingOf,
} from '../../crdt/index.ts';
import type { Reply } from '../../resp/index.ts';
import type { ComparedKey, Comparison } from '../store.ts';
import { readKeys, stateOfHeld } from './held-key.ts';
import { type Place, placesOf, type ScanAround, type ScannedPlace, scanPlaces } from './key-scan.ts';
import { hex12, hex4 } from './noted-set.ts';

/** Bounds of one script call: some 0.5 ms of Redis. */
const BOUNDS = { count: '100', keysMax: 256, bytesMax: 1024 * 1024 } as const;
/** Places of one call where all lie on one node: an empty one costs Redis a microsecond. */
const PLACES_AT_ONCE = 512;
/** Slots of a cluster that are read at one time. */
const SLOTS_AT_ONCE = 16;
/** Keys of one reading of what is not plain, and of values that had no room. */
const READ_KEYS_MAX = 32;
const READ_LARGE_MAX = 2;
const LETTER_D = 100;
const LETTER_P = 112;
const LETTER_X = 120;
const VERSION_END = 25;
const TTL_END = 37;
const LOWER = 0x20;

/** The visited key: one object for all. */
class Compared implements ComparedKey {
  slot = 0;
  hash = 0;
  low = 0;
  high = 0;
  standing: Standing = DEAD;
  bytes: Uint8Array = Buffer.alloc(0);

  key(): Latin1 {
    return latin1Of(this.bytes);
  }
}

/** Keys whose states must be read. */
interface Unread {
  readonly slot: number;
  readonly key: Buffer;
}

/** Visits every key held of these slots. Errors: those of the access. */
export async function compareSlots(
  around: ScanAround,
  { slots, atMs }: { readonly slots: readonly number[]; readonly atMs: number },
  visit: (key: ComparedKey) => void,
): Promise<void> {
  const comparing = new Comparing(around, { atMs }, visit);
  if (!around.access.isCluster) return comparing.run(slots.flatMap(placesOf));
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < slots.length) await comparing.run(placesOf(slots[next++]));
  };
  await Promise.all(Array.from({ length: SLOTS_AT_ONCE }, worker));
}

class Comparing {
  readonly #around: ScanAround;
  readonly #atMs: number;
  readonly #visit: (key: ComparedKey) => void;
  readonly #fingerprint = new Fingerprint();
  readonly #compared = new Compared();

  constructor(around: ScanAround, { atMs }: Comparison, visit: (key: ComparedKey) => void) {
    this.#around = around;
    this.#atMs = atMs;
    this.#visit = visit;
  }

  /** Places of one slot on a cluster. */
  async run(places: readonly Place[]): Promise<void> {
    let open = places;
    while (open.length > 0) {
      const scanned = await scanPlaces(this.#around, open.slice(0, PLACES_AT_ONCE), BOUNDS);
      const others: Unread[] = [];
      const large: Unread[] = [];
      for (const one of scanned) this.#look(one, { others, large });
      await this.#read(others, READ_KEYS_MAX);
      await this.#read(large, READ_LARGE_MAX);
      const last = scanned[scanned.length - 1];
      const rest = last.next === '0' ? [] : [{ ...last.place, cursor: last.next }];
      open = [...rest, ...open.slice(scanned.length)];
    }
  }

  #look({ place: { slot }, items }: ScannedPlace, unread: { others: Unread[]; large: Unread[] }): void {
    for (let i = 1; i < items.length; i += 3) {
      const key = items[i];
      const header = items[i + 1];
      if (key.kind !== 'bulk' || header.kind !== 'bulk') continue;
      const result = this.#plain(key.bytes, header.bytes, items[i + 2]);
      if (result === 'told') this.#tell(slot, key.bytes);
      else unread[result].push({ slot, key: key.bytes });
    }
  }

  /** The grammar is that of crdt/fingerprint.ts. 'others', 'large': it must be read. */
  #plain(key: Buffer, header: Buffer, held: Reply): 'told' | 'others' | 'large' {
    const letter = header[0] | LOWER;
    const isPlain = letter === LETTER_P || letter === LETTER_X || letter === LETTER_D;
    if (!isPlain || header.length < VERSION_END) return 'others';
    const fingerprint = this.#fingerprint;
    const isTimed = letter === LETTER_X;
    if (isTimed && (header.length < TTL_END || hex12(header, VERSION_END) <= this.#atMs)) {
      fingerprint.takeDead();
      return header.length < TTL_END ? 'others' : 'told';
    }
    const standing = standingOf(hex12(header, 1), this.#atMs, letter !== LETTER_D);
    if (standing === DEAD) fingerprint.takeDead();
    else if (letter === LETTER_D) this.#print(key, header, undefined);
    else if (held.kind !== 'bulk') return 'large';
    else this.#print(key, header, held.bytes);
    fingerprint.standing = standing;
    return 'told';
  }

  #print(key: Buffer, header: Buffer, value: Buffer | undefined): void {
    const { lanes } = this.#fingerprint;
    const isTimed = (header[0] | LOWER) === LETTER_X;
    lanes.begin(value === undefined ? FORM_DELETED : isTimed ? FORM_PLAIN_TTL : FORM_PLAIN);
    lanes.word(key.length);
    if (value !== undefined) lanes.word(value.length);
    lanes.word(hex8(header, 5));
    lanes.word(hex4(header, 1) | (hex4(header, 13) << 16));
    lanes.word(hex8(header, 17));
    if (isTimed) {
      lanes.word(hex8(header, VERSION_END + 4));
      lanes.word(hex4(header, VERSION_END));
    }
    lanes.bytes(key, 0, key.length);
    if (value !== undefined) lanes.bytes(value, 0, value.length);
    this.#fingerprint.take(this.#fingerprint.standing);
  }

  async #read(unread: readonly Unread[], keysMax: number): Promise<void> {
    const { access, scripts } = this.#around;
    for (let at = 0; at < unread.length; at += keysMax) {
      const part = unread.slice(at, at + keysMax);
      const asked = part.map(({ key }) => ({ key: latin1Of(key), names: 'all' as const }));
      const { now, keys } = await readKeys(access, scripts.read, asked);
      for (const [i, held] of keys.entries()) {
        if (held.header === undefined) continue;
        const state = stateOfHeld(held);
        this.#fingerprint.of(bytesOf(held.key), state, this.#atMs);
        // Redis' clock is ahead: it has expired there.
        if (isFired(state, now) && shownType(state, now) === 0) this.#fingerprint.takeDead();
        this.#tell(part[i].slot, part[i].key);
      }
    }
  }

  #tell(slot: number, key: Buffer): void {
    const compared = this.#compared;
    const { low, high, standing } = this.#fingerprint;
    compared.slot = slot;
    compared.bytes = key;
    compared.hash = keyHash(key, 0, key.length);
    compared.low = low;
    compared.high = high;
    compared.standing = standing;
    this.#visit(compared);
  }
}

/** A number of 8 hex digits. */
function hex8(text: Uint8Array, at: number): number {
  return hex4(text, at) * 65_536 + hex4(text, at + 4);
}
