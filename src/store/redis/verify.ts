// Looks for what was written to Redis behind mqkv's back: data that no header knows, and headers that do not fit what lies there.
//
// Found: a key without a header; a key that is gone, or of another type; fields and members that are there without a register or
// the other way round; a counter that shows another number than its runs; an expiry that is another one.
// Cannot be found, since no copy of it is kept: another value of the same type under a plain string or a field without runs,
// another score, other elements of a list or stream (where the expiry stayed as it was).
import { type Latin1, latin1Of, type Logger, messageOf } from '../../base/index.ts';
import {
  copyState,
  free,
  hasFields,
  type KeyState,
  registerOf,
  shownAt,
  shownTtlAt,
  shownType,
  shownValue,
  STRING_FIELD,
  TYPE_HASH,
  TYPE_STRING,
  TYPE_ZSET,
  type Value,
  type ValueType,
} from '../../crdt/index.ts';
import { encodeCommand, type Reply } from '../../resp/index.ts';
import { type Executor, openLane } from '../executor.ts';
import type { Access } from './access.ts';
import type { AllNodes } from './all-nodes.ts';
import { type HeldKey, readKeys } from './held-key.ts';
import type { Refused } from './refused.ts';
import type { Script } from './scripts.ts';
import { slotOf } from './slots.ts';
import { readState } from './state-text.ts';

/** Keys of one reading. */
const KEYS_AT_ONCE = 64;
/** Units: ms. Two clock readings and a round trip lie between the expiry that is read and the one that should be. */
const TTL_SLACK_MS = 1_000;
const SIZES: Readonly<Record<number, string>> = { 2: 'HLEN', 3: 'SCARD', 4: 'ZCARD' };
/** Findings named in the log. */
const LOGGED_MAX = 100;

/** What is wrong with a key. */
export type Finding = 'unrecorded' | 'missing' | 'type' | 'fields' | 'value' | 'ttl';

export interface VerifyOptions {
  readonly access: Access;
  readonly read: Script;
  readonly executor: Executor;
  readonly allNodes: AllNodes;
  readonly logger: Logger;
  readonly mode: 'report' | 'adopt';
  /** Every key with a header, in pages. */
  readonly keys: () => AsyncIterable<readonly Latin1[]>;
  /** What this Redis could not take of other sites. */
  readonly refused?: Refused | undefined;
}

/** Counts by finding; `keys` were looked at, `adopted` recorded as local writes, `refused` could not be taken of other sites. */
export type Verified = Readonly<Record<Finding | 'keys' | 'adopted' | 'refused', number>>;

/** Looks at every key. Errors: those of the access. */
export async function verifyStore(options: VerifyOptions): Promise<Verified> {
  const run = new Verification(options);
  for await (const page of options.keys()) await run.look(page);
  await options.allNodes.each((page) => run.look(page.map(latin1Of)));
  const refused = (await options.refused?.remaining(options.read)) ?? [];
  for (const key of refused.slice(0, LOGGED_MAX))
    options.logger.warn({ key: JSON.stringify(key) }, 'this Redis could not take a value of another site');
  return { ...run.counts, refused: refused.length };
}

class Verification {
  readonly counts = { keys: 0, unrecorded: 0, missing: 0, type: 0, fields: 0, value: 0, ttl: 0, adopted: 0 };
  readonly #options: VerifyOptions;
  readonly #seen = new Set<Latin1>();
  #logged = 0;

  constructor(options: VerifyOptions) {
    this.#options = options;
  }

  async look(keys: readonly Latin1[]): Promise<void> {
    const { access } = this.#options;
    const bySlot = new Map<number, Latin1[]>();
    for (const key of keys) {
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      const slot = access.isCluster ? slotOf(key) : 0;
      bySlot.set(slot, [...(bySlot.get(slot) ?? []), key]);
    }
    for (const part of bySlot.values())
      for (let at = 0; at < part.length; at += KEYS_AT_ONCE)
        await this.#check(part.slice(at, at + KEYS_AT_ONCE));
  }

  async #check(keys: readonly Latin1[]): Promise<void> {
    const { access, read } = this.#options;
    const asked = keys.map((key) => ({ key, names: 'all' as const }));
    const { now, keys: held } = await readKeys(access, read, asked);
    for (const one of held) {
      this.counts.keys++;
      const finding = (await this.#suspect(one, now)) && (await this.#again(one.key));
      if (finding !== undefined) await this.#found(one.key, finding);
    }
  }

  /** A key that changes while it is looked at looks wrong: only what looks wrong twice is. */
  async #again(key: Latin1): Promise<Finding | undefined> {
    const { access, read } = this.#options;
    const { now, keys } = await readKeys(access, read, [{ key, names: 'all' }]);
    return keys[0] === undefined ? undefined : this.#suspect(keys[0], now);
  }

  async #suspect(held: HeldKey, now: number): Promise<Finding | undefined> {
    const found = findingOf(held, now);
    if (found !== undefined || held.nativeType === 0) return found;
    const call = async (...args: string[]): Promise<number> =>
      numberOf(await this.#options.access.call(slotOf(held.key), args, { isRead: true }));
    const size = SIZES[held.nativeType];
    const state = expectedOf(held, now);
    if (size !== undefined && (await call(size, held.key)) !== shownFields(state, held.nativeType))
      return 'fields';
    const left = await call('PTTL', held.key);
    const at = shownTtlAt(state, now);
    if (left === -2) return undefined;
    const isRight =
      at === 0 || left === -1 ? (at === 0) === (left === -1) : Math.abs(now + left - at) < TTL_SLACK_MS;
    return isRight ? undefined : 'ttl';
  }

  async #found(key: Latin1, finding: Finding): Promise<void> {
    this.counts[finding]++;
    if (this.#logged++ < LOGGED_MAX)
      this.#options.logger.warn({ key: JSON.stringify(key), finding }, "written behind mqkv's back");
    if (this.#options.mode === 'report') return;
    try {
      await adoptKey(this.#options.executor, key);
      this.counts.adopted++;
    } catch (error) {
      this.#options.logger.warn({ key: JSON.stringify(key), error: messageOf(error) }, 'not adopted');
    }
  }
}

/** What the header and the natives that lie under its registers say; undefined: they agree so far. */
function findingOf(held: HeldKey, now: number): Finding | undefined {
  if (held.header === undefined) return held.nativeType === 0 ? undefined : 'unrecorded';
  const state = expectedOf(held, now);
  const type = shownType(state, now);
  if (type === 0) return held.nativeType === 0 ? undefined : 'type';
  if (held.nativeType === 0) return 'missing';
  if (held.nativeType !== type) return 'type';
  return hasFields(type) ? fieldsFinding(held, state, type) : stringFinding(held, state, type);
}

function fieldsFinding(held: HeldKey, state: KeyState, type: ValueType): Finding | undefined {
  for (const [field, register] of state.registers.get(type) ?? []) {
    const shown = shownValue(register, type);
    if (shown === undefined) continue;
    const native = held.registers.get(type + field)?.native;
    if (native === undefined) return 'fields';
    if (register.runs !== undefined && shown !== native) return 'value';
  }
  return undefined;
}

function stringFinding(held: HeldKey, state: KeyState, type: ValueType): Finding | undefined {
  const register = registerOf(state, type, STRING_FIELD);
  if (register?.runs === undefined || type !== TYPE_STRING) return undefined;
  const shown = shownValue(register, type);
  return Buffer.isBuffer(shown) && held.native?.equals(shown) === true ? undefined : 'value';
}

/** The state as the texts have it, freed, whether or not its values lie there. */
function expectedOf(held: HeldKey, now: number): KeyState {
  const texts: [Latin1, Latin1][] = [];
  for (const [name, { text }] of held.registers) if (text !== undefined) texts.push([name, text]);
  const state = readState(held.header, texts, (type, field) => nativeOr(held, type, field));
  free(state, now);
  return shownAt(copyState(state), now);
}

function nativeOr(held: HeldKey, type: ValueType, field: Latin1): Value {
  const native = held.registers.get(type + field)?.native;
  if (native !== undefined) return native;
  if (type === TYPE_HASH) return '';
  if (type === TYPE_ZSET) return 0;
  return hasFields(type) ? true : (held.native ?? Buffer.alloc(0));
}

function shownFields(state: KeyState, type: ValueType): number {
  let count = 0;
  for (const register of state.registers.get(type)?.values() ?? [])
    if (shownValue(register, type) !== undefined) count++;
  return count;
}

function numberOf(reply: Reply): number {
  return reply.kind === 'integer' ? Number(reply.value) : Number.NaN;
}

/** Records what lies under the key as written just now. Errors: with the reply's text. */
export function adoptKey(executor: Executor, key: Latin1): Promise<void> {
  return new Promise((resolve, reject) => {
    const name = Buffer.from(key, 'latin1');
    const command = encodeCommand(['mqkv.adopt', name]);
    const run = executor.writes(
      openLane(),
      { protocol: 2, slot: slotOf(key) },
      {
        replies(bytes, _count, firstError) {
          if (firstError < 0) resolve();
          else reject(new Error(bytes.toString('latin1').trim()));
        },
        failed: () => reject(new Error('the connection was lost')),
      },
    );
    const args = command.subarray(command.indexOf(10) + 1);
    run.command({ keys: [name], argc: 2, args, isNullArray: false });
  });
}
