// Keys as they lie in Redis, read by read.lua: texts, native values, and the state that they stand for.
import { assert, type Latin1, MqkvError } from '../../base/index.ts';
import {
  hasFields,
  type KeyState,
  TYPE_HASH,
  TYPE_LIST,
  TYPE_OTHER,
  TYPE_SET,
  TYPE_STREAM,
  TYPE_STRING,
  TYPE_ZSET,
  type Value,
  type ValueType,
} from '../../crdt/index.ts';
import type { Reply } from '../../resp/index.ts';
import type { Access, Arg } from './access.ts';
import { keysOf } from './access.ts';
import { type Header, parseHeader } from './header-text.ts';
import type { Script } from './scripts.ts';
import { slotOf, tagOf } from './slots.ts';
import { readState, type RegisterName, splitName } from './state-text.ts';
import { parseDouble } from './version-text.ts';
import { wholeValueOf } from './whole-native.ts';

/** Registers of a register hash that are read along although nobody asked: one HGETALL costs less than a second reading. */
const ALL_REGISTERS_MAX = 128;

/** A register of the register hash. `text` undefined: there is none (native values may lie there all the same). */
export interface HeldRegister {
  readonly text: Latin1 | undefined;
  readonly native: Value | undefined;
}

/** One key. */
export interface HeldKey {
  readonly key: Latin1;
  /** undefined: no header. */
  readonly headerText: Latin1 | undefined;
  readonly header: Header | undefined;
  /** What lies natively; 0: nothing. */
  readonly nativeType: ValueType | 0;
  /** Registers in the register hash. */
  readonly outside: number;
  /** All of them are in `registers`. */
  readonly isAll: boolean;
  readonly registers: ReadonlyMap<RegisterName, HeldRegister>;
  /** The native value of a type with one register. */
  readonly native: Buffer | undefined;
}

/** Which registers are asked for beside the header. */
export interface Asked {
  readonly key: Latin1;
  readonly names: readonly RegisterName[] | 'all';
}

/** What was read. */
export interface HeldKeys {
  /** Redis' clock by then. Units: Unix ms. */
  readonly now: number;
  readonly keys: readonly HeldKey[];
}

/** Reads keys, on a cluster of one slot. Errors: those of the access; UNCERTAIN where Redis refused. */
export async function readKeys(access: Access, script: Script, asked: readonly Asked[]): Promise<HeldKeys> {
  const args: Arg[] = [String(ALL_REGISTERS_MAX)];
  const keys: Arg[] = [];
  for (const { key, names } of asked) {
    const slot = slotOf(key);
    if (access.isCluster) keys.push(...keysOf(key, slot));
    args.push(tagOf(slot), key);
    if (names === 'all') args.push('*');
    else args.push(String(names.length), ...names);
  }
  const slot = slotOf(asked[0]?.key ?? '');
  const reply = itemsOf(await access.script(slot, script, { keys, args, isRead: true }));
  return {
    now: Number(textOf(reply[0])),
    keys: asked.map(({ key }, i) => heldKey(key, itemsOf(reply[i + 1]))),
  };
}

/** A key as read.lua gives it. */
export function heldKey(key: Latin1, parts: readonly Reply[]): HeldKey {
  const [header, kind, outside, all, registers, value] = parts;
  const headerText = textOf(header);
  const nativeType = typeNamed(textOf(kind));
  return {
    key,
    headerText: headerText === '' ? undefined : headerText,
    header: headerText === '' ? undefined : parseHeader(headerText),
    nativeType,
    outside: integerOf(outside),
    isAll: integerOf(all) === 1,
    registers: registersOf(itemsOf(registers)),
    native:
      nativeType === TYPE_STRING || nativeType === TYPE_OTHER
        ? bytesOrNone(value)
        : wholeValueOf(nativeType, value),
  };
}

function registersOf(flat: readonly Reply[]): Map<RegisterName, HeldRegister> {
  const registers = new Map<RegisterName, HeldRegister>();
  for (let i = 0; i < flat.length; i += 3) {
    const name = textOf(flat[i]);
    const text = flat[i + 1]?.kind === 'bulk' ? textOf(flat[i + 1]) : undefined;
    const native =
      flat[i + 2]?.kind === 'bulk' ? nativeValue(splitName(name)[0], textOf(flat[i + 2])) : undefined;
    registers.set(name, { text, native });
  }
  return registers;
}

function nativeValue(type: ValueType, text: Latin1): Value | undefined {
  if (type === TYPE_HASH) return text;
  if (type === TYPE_SET) return true;
  return type === TYPE_ZSET ? parseDouble(text) : undefined;
}

/** The state of a key as it lies. Owns: the caller. */
export function stateOfHeld(held: HeldKey): KeyState {
  const texts: [RegisterName, Latin1][] = [];
  for (const [name, { text }] of held.registers) if (text !== undefined) texts.push([name, text]);
  return readState(held.header, texts, (type, field) =>
    hasFields(type)
      ? held.registers.get(type + field)?.native
      : type === held.nativeType
        ? held.native
        : undefined,
  );
}

/** Redis' names of types. Modules have their own. */
const TYPES: Readonly<Record<string, ValueType | 0>> = {
  none: 0,
  string: TYPE_STRING,
  hash: TYPE_HASH,
  set: TYPE_SET,
  zset: TYPE_ZSET,
  list: TYPE_LIST,
  stream: TYPE_STREAM,
};

function typeNamed(name: string): ValueType | 0 {
  return TYPES[name] ?? TYPE_OTHER;
}

/** The elements of an array reply. Errors: OOM, STORE_REFUSED (it would be again), STORE_BUSY (later it may not), with the text of an error reply. */
export function itemsOf(reply: Reply | undefined): readonly Reply[] {
  if (reply?.kind === 'error') throw new MqkvError(refusalCode(reply.text), `Redis refused: ${reply.text}`);
  assert(reply?.kind === 'array', 'the script answers an array');
  return reply.items;
}

function refusalCode(text: string): string {
  if (text.startsWith('OOM')) return 'OOM';
  const isFinal = /^(ERR|WRONGTYPE) /.test(text) && !text.includes('non local key');
  return isFinal ? 'STORE_REFUSED' : 'STORE_BUSY';
}

export function textOf(reply: Reply | undefined): Latin1 {
  if (reply?.kind === 'bulk') return reply.bytes.toString('latin1');
  return reply?.kind === 'simple' ? reply.text : '';
}

export function integerOf(reply: Reply | undefined): number {
  assert(reply?.kind === 'integer', 'the script answers an integer here');
  return Number(reply.value);
}

function bytesOrNone(reply: Reply | undefined): Buffer | undefined {
  return reply?.kind === 'bulk' ? Buffer.from(reply.bytes) : undefined;
}
