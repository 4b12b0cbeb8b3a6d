// Deltas that this Redis can never take: a value of a module that it does not have, an argument longer than its proto-max-bulk-len,
// a command that it refuses. They are counted, logged once a key and noted, and the others go on: a message that comes again for
// ever would hold up all that follow it.
//
// hash mqkv:refused, field: key = version " " reason     on a cluster in one slot; at most REFUSED_NOTED_MAX
import { type Latin1, type Logger, messageOf, REFUSED_NOTED_MAX } from '../../base/index.ts';
import { type KeyState, TYPE_LIST, TYPE_STREAM, type ValueType } from '../../crdt/index.ts';
import type { Access } from './access.ts';
import { integerOf, itemsOf, readKeys, textOf } from './held-key.ts';
import type { Script } from './scripts.ts';
import { slotOf } from './slots.ts';
import { versionText } from './version-text.ts';
import { decodeList, decodeStream } from './whole-value.ts';

const REFUSED_KEY = 'mqkv:refused';
/** Units: bytes of a key that is noted; longer ones are only counted and logged. */
const KEY_BYTES_MAX = 4096;

/** Why one is refused. */
export type Refusal = 'too large' | 'no module' | 'refused';

/** One store's refusals. */
export class Refused {
  readonly #access: Access;
  readonly #logger: Logger;
  /** Keys told already. */
  readonly #told = new Set<Latin1>();
  #total = 0;
  /** Units: bytes. What one argument of a command may have. */
  bulkBytesMax = Number.POSITIVE_INFINITY;

  constructor(access: Access, logger: Logger) {
    this.#access = access;
    this.#logger = logger;
  }

  /** Refusals so far. */
  get total(): number {
    return this.#total;
  }

  /** Whether an argument of what would be written is longer than this Redis takes. */
  isTooLarge(key: Latin1, state: KeyState): boolean {
    return largestArgument(key, state) > this.bulkBytesMax;
  }

  /** Counts; logs and notes each key once, up to REFUSED_NOTED_MAX. */
  note(key: Latin1, state: KeyState, reason: Refusal): void {
    this.#total++;
    if (this.#told.has(key) || this.#told.size >= REFUSED_NOTED_MAX) return;
    this.#told.add(key);
    const name = JSON.stringify(key.slice(0, 200));
    this.#logger.warn({ key: name, reason }, 'this Redis cannot take a value of another site');
    this.#keep(key, `${versionText(state.newest)} ${reason}`).catch((error: unknown) => {
      this.#told.delete(key);
      this.#logger.debug({ key: name, error: messageOf(error) }, 'the refusal is not noted');
    });
  }

  async #keep(key: Latin1, text: Latin1): Promise<void> {
    if (key.length > KEY_BYTES_MAX) return;
    const slot = slotOf(REFUSED_KEY);
    const noted = integerOf(await this.#access.call(slot, ['HLEN', REFUSED_KEY], { isRead: true }));
    if (noted < REFUSED_NOTED_MAX) await this.#access.call(slot, ['HSET', REFUSED_KEY, key, text]);
  }

  /** Keys that are still refused; notes of others go. Errors: those of the access. */
  async remaining(read: Script): Promise<Latin1[]> {
    const slot = slotOf(REFUSED_KEY);
    const flat = itemsOf(await this.#access.call(slot, ['HGETALL', REFUSED_KEY], { isRead: true })).map(
      textOf,
    );
    const left: Latin1[] = [];
    for (let i = 0; i < flat.length; i += 2) {
      const [key, version] = [flat[i], flat[i + 1].slice(0, 24)];
      if (await this.#isStill(key, { version, read })) left.push(key);
      else {
        this.#told.delete(key);
        await this.#access.call(slot, ['HDEL', REFUSED_KEY, key]);
      }
    }
    return left;
  }

  async #isStill(
    key: Latin1,
    { version, read }: { readonly version: Latin1; readonly read: Script },
  ): Promise<boolean> {
    const { keys } = await readKeys(this.#access, read, [{ key, names: [] }]);
    const [held] = keys;
    if (held?.header === undefined) return true;
    const { clear, kindV } = held.header;
    const newest = [clear, kindV].map(versionText).sort()[1];
    return newest < version || (newest === version && held.nativeType === 0);
  }
}

/** Units: bytes. */
function largestArgument(key: Latin1, state: KeyState): number {
  let largest = key.length;
  for (const [type, fields] of state.registers)
    for (const [field, { value }] of fields) {
      const bytes =
        typeof value === 'string' ? value.length : Buffer.isBuffer(value) ? partOf(type, value) : 0;
      largest = Math.max(largest, field.length, bytes);
    }
  return largest;
}

/** Values that travel whole are written in pieces. */
function partOf(type: ValueType, value: Buffer): number {
  const words =
    type === TYPE_LIST
      ? decodeList(value)
      : type === TYPE_STREAM
        ? decodeStream(value)?.entries.flatMap((entry) => entry.words)
        : undefined;
  return words?.reduce((most, word) => Math.max(most, word.length), 0) ?? value.length;
}
