// Deltas of other sites into Redis: plain ones are decided by apply.lua itself, the rest is computed here by src/crdt on what
// was read, and applied by compare-and-set.
//
// 1. All keys of one part are applied by one script call, or none is; a part that was not applied is decided anew.
// 2. A part holds up to PART_KEYS_MAX keys and PART_BYTES_MAX bytes (merge-parts.ts), on a cluster of one slot. The boundaries of transactions
//    are not in the deltas: what exceeds a part is cut anywhere.
// 3. A key stands once in a part: deltas of the same key are merged before.
// 4. A delta that this Redis can never take (refused.ts) is left out: each delta of a part that Redis refuses is tried by itself.
// 5. A part that others overtake TRIES_OUTSIDE times is merged inside Redis (merge.lua); its lists, streams and module values,
//    which that does not know, make a part of their own.
import { type Latin1, MqkvError } from '../../base/index.ts';
import { decodeDeltas, type KeyState, registerOf, STRING_FIELD, TYPE_LIST } from '../../crdt/index.ts';
import type { MergeResult } from '../store.ts';
import { type Access, type Arg, keysOf } from './access.ts';
import { type HeldKey, integerOf, itemsOf, readKeys, textOf } from './held-key.ts';
import { isMergedInside, mergeArgs } from './merge-inside.ts';
import { type Decision, type Item, partsOf, plainArgs } from './merge-parts.ts';
import type { Refusal, Refused } from './refused.ts';
import { merging, type Plan, planArgs, planKey } from './merge-plan.ts';
import { slotOf, tagOf } from './slots.ts';
import { registerTextsOf } from './state-text.ts';
import type { StoreScripts } from './store-scripts.ts';
import { isSound } from './whole-native.ts';

/** Keys freed or forgotten at once: all of each is read. */
const ALTER_KEYS_MAX = 64;
/** Decisions of one part: each means that somebody else wrote one of its keys in the meantime. */
const TRIES_MAX = 50;
/** So many, then Redis merges by itself what it can: a hot key may be written between any reading and its answer. */
const TRIES_OUTSIDE = 3;

/** What a merge tells besides its result. */
export interface MergeListener {
  /** Keys whose state changed. */
  changed(keys: readonly Latin1[]): void;
  /** A part of the key expires by itself at that time, without a native expiry. Units: Unix ms. */
  partial(key: Latin1, atMs: number): void;
}

/** Merges into one store. */
export class Merging {
  readonly #access: Access;
  readonly #scripts: StoreScripts;
  readonly #listener: MergeListener;
  readonly #triesOutside: number;
  readonly #refused: Refused | undefined;
  #refusals = 0;
  /** Parts decided anew so far. */
  retries = 0;

  constructor(
    access: Access,
    scripts: StoreScripts,
    listener: MergeListener & {
      readonly triesOutside?: number | undefined;
      readonly refused?: Refused | undefined;
    },
  ) {
    this.#refused = listener.refused;
    this.#triesOutside = listener.triesOutside ?? TRIES_OUTSIDE;
    this.#access = access;
    this.#scripts = scripts;
    this.#listener = listener;
  }

  /** Errors: MqkvError MALFORMED_DELTA, then nothing was merged; those of the access, then some parts may have been. */
  async merge(deltas: Buffer): Promise<MergeResult> {
    const decoded = [...decodeDeltas(deltas)];
    for (const { state } of decoded) expectSound(state);
    const before = this.#refusals;
    const fitting = decoded.filter(({ key, state }) => !this.#isTooLarge(key, state));
    let [changed, conflicts] = [0, 0];
    for (const part of partsOf(fitting, this.#access.isCluster)) {
      const merged = await this.#tolerant(part);
      changed += merged.changed;
      conflicts += merged.conflicts;
    }
    const refused = this.#refusals - before;
    return refused === 0 ? { changed, conflicts } : { changed, conflicts, refused };
  }

  /** Decides about keys one by one (freeing, forgetting). Result: those that changed. */
  async alter(keys: readonly Latin1[], decide: Decision): Promise<number> {
    const parts = new Map<number, Item[]>();
    for (const key of keys) {
      const slot = this.#access.isCluster ? slotOf(key) : 0;
      const item: Item = { key, state: undefined, decide, isPlain: false, plan: undefined };
      const part = parts.get(slot);
      if (part === undefined) parts.set(slot, [item]);
      else part.push(item);
    }
    let changed = 0;
    for (const part of parts.values())
      for (let at = 0; at < part.length; at += ALTER_KEYS_MAX)
        changed += (await this.#part(part.slice(at, at + ALTER_KEYS_MAX))).changed;
    return changed;
  }

  #isTooLarge(key: Latin1, state: KeyState): boolean {
    if (this.#refused?.isTooLarge(key, state) !== true) return false;
    this.#refuse(key, state, 'too large');
    return true;
  }

  #refuse(key: Latin1, state: KeyState | undefined, reason: Refusal): void {
    this.#refusals++;
    if (state !== undefined) this.#refused?.note(key, state, reason);
  }

  /** Invariant 4. */
  async #tolerant(items: readonly Item[]): Promise<MergeResult> {
    try {
      return await this.#part(items);
    } catch (error) {
      if (!(error instanceof MqkvError) || error.code !== 'STORE_REFUSED') throw error;
      const [first] = items;
      if (items.length > 1 && first !== undefined) return this.#oneByOne(items);
      if (first !== undefined) this.#refuse(first.key, first.state, 'refused');
      return { changed: 0, conflicts: 0 };
    }
  }

  async #oneByOne(items: readonly Item[]): Promise<MergeResult> {
    let [changed, conflicts] = [0, 0];
    for (const item of items) {
      const merged = await this.#tolerant([{ ...item, plan: undefined }]);
      changed += merged.changed;
      conflicts += merged.conflicts;
    }
    return { changed, conflicts };
  }

  /** Invariant 1. */
  async #part(items: readonly Item[]): Promise<MergeResult> {
    let undecided: readonly Item[] = items.filter((item) => !item.isPlain);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const inside = tries === this.#triesOutside ? items.filter(isInside) : [];
      if (inside.length > 0) {
        const merged = await this.#inside(inside);
        const rest = await this.#part(items.filter((item) => !isInside(item)));
        return { changed: rest.changed + merged, conflicts: rest.conflicts };
      }
      await this.#decide(undecided);
      const sent = items.filter(({ isPlain: plain, plan }) => (plan === undefined ? plain : plan.changed));
      const applied = await this.#apply(sent);
      if (applied.isDone) return this.#done(items, sent, new Set(applied.items));
      undecided = applied.items;
      if (applied.items.some(({ plan }) => plan !== undefined)) this.retries++;
    }
    throw new MqkvError('CONTENTION', 'keys of a delta change faster than it can be merged');
  }

  /** The merge inside Redis: atomic, however hot the keys are. Result: how many changed. */
  async #inside(items: readonly Item[]): Promise<number> {
    const args: Arg[] = [];
    const keys: Arg[] = [];
    for (const { key, state } of items) {
      if (state === undefined) continue;
      if (this.#access.isCluster) keys.push(...keysOf(key, slotOf(key)));
      args.push(...mergeArgs(key, state));
    }
    const slot = slotOf(items[0]?.key ?? '');
    const reply = itemsOf(await this.#access.script(slot, this.#scripts.merge, { keys, args }));
    const changed: Latin1[] = [];
    for (const [i, { key }] of items.entries()) {
      if (integerOf(reply[2 * i]) === 1) changed.push(key);
      const atMs = Number(textOf(reply[2 * i + 1]));
      if (atMs !== 0) this.#listener.partial(key, atMs);
    }
    if (changed.length > 0) this.#listener.changed(changed);
    return changed.length;
  }

  async #decide(undecided: readonly Item[]): Promise<void> {
    if (undecided.length === 0) return;
    const left = await this.#planAll(undecided, false);
    if (left.length > 0) await this.#planAll(left, true);
  }

  /** Result: the items that need all registers. */
  async #planAll(items: readonly Item[], all: boolean): Promise<Item[]> {
    const asked = items.map(({ key, state }) => ({
      key,
      names: all || state === undefined ? ('all' as const) : [...registerTextsOf(state).keys()],
    }));
    const { now, keys } = await readKeys(this.#access, this.#scripts.read, asked);
    const left: Item[] = [];
    for (const [i, item] of items.entries()) {
      const plan = planOf(item, keys[i] as HeldKey, now);
      if (plan === 'all') left.push(item);
      else item.plan = plan ?? UNCHANGED;
    }
    return left;
  }

  /** Result: done, and the plain items that changed something; or nothing applied, and the items to be decided (anew). */
  async #apply(
    items: readonly Item[],
  ): Promise<{ readonly isDone: boolean; readonly items: readonly Item[] }> {
    if (items.length === 0) return { isDone: true, items };
    const args: Arg[] = [];
    const keys: Arg[] = [];
    for (const item of items) {
      const slot = slotOf(item.key);
      if (this.#access.isCluster) keys.push(...keysOf(item.key, slot));
      const tag = tagOf(slot);
      args.push(...(item.plan === undefined ? plainArgs(tag, item) : planArgs(tag, item.key, item.plan)));
    }
    const slot = slotOf(items[0]?.key ?? '');
    const reply = itemsOf(await this.#access.script(slot, this.#scripts.apply, { keys, args }));
    const indexes: Item[] = [];
    for (const index of reply.slice(1).map(integerOf)) {
      const item = items[index < 0 ? -1 - index : index];
      if (index >= 0) indexes.push(item);
      else this.#refuse(item.key, item.state, 'no module');
    }
    return { isDone: integerOf(reply[0]) === 1, items: indexes };
  }

  #done(items: readonly Item[], sent: readonly Item[], plain: ReadonlySet<Item>): MergeResult {
    const changed = sent.filter((item) => item.plan !== undefined || plain.has(item)).map(({ key }) => key);
    let conflicts = 0;
    for (const { key, plan } of items) {
      conflicts += plan?.conflicts ?? 0;
      if (plan !== undefined && plan.partialAt !== 0) this.#listener.partial(key, plan.partialAt);
    }
    if (changed.length > 0) this.#listener.changed(changed);
    return { changed: changed.length, conflicts };
  }
}

function isInside({ state }: Item): boolean {
  return state !== undefined && isMergedInside(state);
}

function planOf(item: Item, held: HeldKey, now: number): Plan | 'all' | undefined {
  const { state, decide } = item;
  if (state !== undefined) return planKey(held, now, { change: merging(state), incoming: state });
  return decide?.(held, now);
}

const UNCHANGED: Plan = {
  changed: false,
  conflicts: 0,
  oldHeader: '',
  newHeader: '',
  outside: undefined,
  untilMs: 0,
  ttlAt: 0,
  registers: [],
  commands: [],
  partialAt: 0,
};

/** Values that travel whole must be what their type says. */
function expectSound(state: KeyState): void {
  const { type } = state;
  if (type < TYPE_LIST || type === 0) return;
  const value = registerOf(state, type, STRING_FIELD)?.value;
  if (!Buffer.isBuffer(value) || isSound(type, value)) return;
  throw new MqkvError('MALFORMED_DELTA', 'malformed delta: value of another form than its type');
}
