// What a merge makes of one key: the merge of src/crdt on what was read, as new texts and native commands for apply.lua.
import type { Latin1 } from '../../base/index.ts';
import {
  compareVersions,
  endOf,
  forgetSeen,
  forgetTombstones,
  free,
  hasFields,
  isFired,
  isForgettable,
  type KeyState,
  makeVersion,
  merge,
  type Merged,
  registerOf,
  shownAt,
  shownTtlAt,
  shownValue,
  TYPE_HASH,
  TYPE_SET,
  TYPE_STRING,
  type Value,
  type ValueType,
} from '../../crdt/index.ts';
import type { Arg } from './access.ts';
import { type HeldKey, stateOfHeld } from './held-key.ts';
import { coreOf } from './header-text.ts';
import { glance } from './register-text.ts';
import { headerTextOf, type RegisterName, registerTextsOf, splitName, withMark } from './state-text.ts';
import { doubleText } from './version-text.ts';
import { wholeValueCommands } from './whole-native.ts';

/** Arguments of one native command: Lua's unpack ends near 8,000. */
const COMMAND_ARGS_MAX = 1000;

/** Changes a state; freed before. Result: what `merge` says. */
export type Change = (s: KeyState) => Merged;

/** A register of the register hash before and after. '' : none. */
interface RegisterChange {
  readonly name: RegisterName;
  readonly old: Latin1;
  readonly next: Latin1;
}

/** A decision about one key. */
export interface Plan {
  readonly changed: boolean;
  readonly conflicts: number;
  readonly oldHeader: Latin1;
  readonly newHeader: Latin1;
  /** The length that the register hash must have; undefined: any. */
  readonly outside: number | undefined;
  /** Units: Unix ms from which on the decision is wrong; 0: never. */
  readonly untilMs: number;
  /** Units: Unix ms of the native expiry; 0: none. */
  readonly ttlAt: number;
  readonly registers: readonly RegisterChange[];
  readonly commands: readonly (readonly Arg[])[];
  /** Units: Unix ms when a part of the key expires; 0: none does alone. */
  readonly partialAt: number;
}

/**
 * Decides. `incoming`: what is merged (its own copies need no mark); undefined: a change of another kind.
 * Result: 'all': every register must be known to decide.
 */
export function planKey(
  held: HeldKey,
  now: number,
  { change, incoming }: { readonly change: Change; readonly incoming: KeyState | undefined },
): Plan | 'all' {
  const s = stateOfHeld(held);
  const before = { clear: s.clear, type: s.type, at: s.expiryAt };
  const wasFired = isFired(s, now);
  const freed = free(s, now);
  const merged = change(s);
  const isTight = s.expiryAt > now && compareVersions(s.kindV, endOf(s)) >= 0;
  const isOtherType = before.type !== 0 && before.type !== s.type;
  const isForeign = held.nativeType !== 0 && held.nativeType !== (held.header?.type ?? 0);
  const isDying = wasFired || isFired(s, now);
  if (!held.isAll && (isDying || isTight || isOtherType || isForeign || before.clear !== s.clear))
    return 'all';
  return new Planner(held, s, now).plan({ merged, freed, incoming, oldAt: before.at });
}

class Planner {
  readonly #held: HeldKey;
  readonly #s: KeyState;
  readonly #now: number;

  constructor(held: HeldKey, s: KeyState, now: number) {
    this.#held = held;
    this.#s = s;
    this.#now = now;
  }

  plan(on: {
    readonly merged: Merged;
    readonly freed: boolean;
    readonly incoming: KeyState | undefined;
    readonly oldAt: number;
  }): Plan {
    const held = this.#held;
    const s = this.#s;
    const texts = registerTextsOf(s);
    const registers = this.#registers(texts, on.incoming);
    const ttlAt = this.#ttlAt();
    const pending = [s.expiryAt, on.oldAt].filter((at) => at > this.#now);
    return {
      changed: on.merged.changed || on.freed,
      conflicts: on.merged.conflicts,
      oldHeader: held.headerText ?? '',
      newHeader: this.#header(registers, on.incoming),
      outside: held.isAll ? held.outside : undefined,
      untilMs: pending.length === 0 ? 0 : Math.min(...pending),
      ttlAt,
      registers,
      commands: this.#commands(),
      partialAt: s.expiryAt > this.#now && ttlAt === 0 && s.live > 0 ? s.expiryAt : 0,
    };
  }

  #registers(texts: Map<RegisterName, Latin1>, incoming: KeyState | undefined): RegisterChange[] {
    const sent = incoming === undefined ? undefined : registerTextsOf(incoming);
    const changes: RegisterChange[] = [];
    const names = new Set([...texts.keys(), ...this.#held.registers.keys()]);
    for (const name of names) {
      const old = this.#held.registers.get(name)?.text ?? '';
      const text = texts.get(name) ?? '';
      if (old !== '' && withMark(old, false) === text) continue;
      if (old === text) continue;
      const isMarked = old !== '' && text !== '' && glance(old).marked && sent?.get(name) !== text;
      changes.push({ name, old, next: isMarked ? withMark(text, true) : text });
    }
    return changes;
  }

  #header(registers: readonly RegisterChange[], incoming: KeyState | undefined): Latin1 {
    const { header, outside: had } = this.#held;
    let outside = had;
    let count = header?.count ?? 0;
    let isRich = header?.flags.includes('s') ?? false;
    for (const { old, next } of registers) {
      outside += Number(next !== '') - Number(old !== '');
      count += Number(next !== '' && glance(next).marked) - Number(old !== '' && glance(old).marked);
      if (next !== '' && glance(next).isRich) isRich = true;
    }
    const isMarked = header?.marked ?? false;
    const flags = `${isRich && outside > 0 ? 's' : ''}${isMarked && (header?.flags.includes('w') ?? false) ? 'w' : ''}`;
    const marks = { marked: isMarked, outside, count: Math.max(0, count), flags };
    const text = headerTextOf(this.#s, marks);
    const isAsBefore = this.#held.headerText !== undefined && coreOf(this.#held.headerText) === coreOf(text);
    if (!isMarked || incoming === undefined || count > 0 || isAsBefore) return text;
    const theirs = headerTextOf(incoming, { ...marks, marked: false });
    return coreOf(theirs) === coreOf(text)
      ? headerTextOf(this.#s, { ...marks, marked: false, flags: flags.replace('w', '') })
      : text;
  }

  /** Live registers are never newer than the kind; where that one lies at or above the expiry's end, all are known. */
  #ttlAt(): number {
    const s = this.#s;
    if (s.expiryAt <= this.#now) return 0;
    return compareVersions(s.kindV, endOf(s)) < 0 ? s.expiryAt : shownTtlAt(s, this.#now);
  }

  #commands(): Arg[][] {
    const held = this.#held;
    const view = shownAt(this.#s, this.#now);
    const type = view.type;
    const isOther = held.nativeType !== 0 && held.nativeType !== type;
    const commands: Arg[][] = isOther ? [['DEL', held.key]] : [];
    if (type === 0) return commands;
    if (hasFields(type)) return [...commands, ...this.#fieldCommands(view, isOther)];
    const register = registerOf(view, type, '');
    const value = register === undefined ? undefined : shownValue(register, type);
    if (value === undefined) return held.nativeType === type ? [['DEL', held.key]] : commands;
    const bytes = value as Buffer;
    if (held.nativeType === type && held.native?.equals(bytes) === true) return commands;
    if (type === TYPE_STRING) return [...commands, ['SET', held.key, bytes]];
    const same = held.nativeType === type ? held.native : undefined;
    return [...commands, ...wholeValueCommands(type, held.key, { bytes, held: same })];
  }

  #fieldCommands(view: KeyState, isNew: boolean): Arg[][] {
    const type = view.type as ValueType;
    const held = this.#held;
    const sets: Arg[] = [];
    const removals: Arg[] = [];
    // Not only those whose text changes: a value that was dead when its text came does not lie natively.
    const fields = new Set<Latin1>(view.registers.get(type)?.keys());
    if (!isNew)
      for (const name of held.registers.keys()) {
        const [t, field] = splitName(name);
        if (t === type) fields.add(field);
      }
    for (const field of fields) {
      const register = registerOf(view, type, field);
      const value = register === undefined ? undefined : shownValue(register, type);
      const native = isNew ? undefined : held.registers.get(type + field)?.native;
      if (value === undefined) {
        if (native !== undefined) removals.push(field);
      } else if (value !== native) sets.push(...setArgs(type, field, value));
    }
    const per = type === TYPE_SET ? 1 : 2;
    return [
      ...chunks([REMOVES[type] ?? '', held.key], removals, 1),
      ...chunks([SETS[type] ?? '', held.key], sets, per),
    ];
  }
}

const REMOVES: Readonly<Record<number, string>> = { 2: 'HDEL', 3: 'SREM', 4: 'ZREM' };
const SETS: Readonly<Record<number, string>> = { 2: 'HSET', 3: 'SADD', 4: 'ZADD' };

function setArgs(type: ValueType, field: Latin1, value: Value): Arg[] {
  if (type === TYPE_HASH) return [field, value as Latin1];
  return type === TYPE_SET ? [field] : [doubleText(value as number), field];
}

function chunks(head: readonly Arg[], args: readonly Arg[], per: number): Arg[][] {
  const size = COMMAND_ARGS_MAX - (COMMAND_ARGS_MAX % per);
  const commands: Arg[][] = [];
  for (let at = 0; at < args.length; at += size) commands.push([...head, ...args.slice(at, at + size)]);
  return commands;
}

/** The plan as an item of apply.lua. */
export function planArgs(tag: string, key: Latin1, plan: Plan): Arg[] {
  const args: Arg[] = ['G', tag, key, plan.oldHeader, plan.newHeader];
  args.push(
    plan.outside === undefined ? '-' : String(plan.outside),
    String(plan.untilMs),
    String(plan.ttlAt),
  );
  args.push(String(plan.registers.length));
  for (const { name, old, next } of plan.registers) args.push(name, old, next);
  args.push(String(plan.commands.length));
  for (const command of plan.commands) args.push(String(command.length), ...command);
  return args;
}

/** The change that merges a delta's state. */
export function merging(from: KeyState): Change {
  return (s) => merge(s, from);
}

/** For planning what only frees. */
const UNCHANGING: Change = () => ({ changed: false, conflicts: 0, dropped: false });

/** Frees what has expired. undefined: nothing has. */
export function planFree(held: HeldKey, now: number): Plan | 'all' | undefined {
  if (held.header === undefined) return undefined;
  const plan = planKey(held, now, { change: UNCHANGING, incoming: undefined });
  return plan === 'all' || plan.changed || plan.partialAt !== 0 ? plan : undefined;
}

/** What is older may go. Units: Unix ms. */
export interface ForgetLimits {
  /** What shows nothing. */
  readonly beforeMs: number;
  /** What registers have seen. */
  readonly seenBeforeMs: number;
}

/** Forgets the whole key, or its old tombstones and what old registers have seen (DESIGN 3). undefined: nothing may go. */
export function planForget(
  held: HeldKey,
  now: number,
  { beforeMs, seenBeforeMs }: ForgetLimits,
): Plan | 'all' | undefined {
  if (held.header === undefined || held.header.marked || held.header.count > 0) return undefined;
  const s = stateOfHeld(held);
  if (held.nativeType === 0 && isForgettable(s, now, beforeMs)) return forgetting(held);
  const plan = planKey(held, now, {
    change: (state) => {
      const wentTombstones = forgetTombstones(state, makeVersion(beforeMs, 0, 0));
      const changed = forgetSeen(state, makeVersion(seenBeforeMs, 0, 0)) || wentTombstones;
      return { changed, conflicts: 0, dropped: changed };
    },
    incoming: undefined,
  });
  return plan === 'all' || plan.changed ? plan : undefined;
}

function forgetting(held: HeldKey): Plan {
  const registers: RegisterChange[] = [];
  for (const [name, { text }] of held.registers)
    if (text !== undefined) registers.push({ name, old: text, next: '' });
  return {
    changed: true,
    conflicts: 0,
    oldHeader: held.headerText ?? '',
    newHeader: '',
    outside: held.outside,
    untilMs: 0,
    ttlAt: 0,
    registers,
    commands: [],
    partialAt: 0,
  };
}
