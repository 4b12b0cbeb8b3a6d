// A key's state ↔ the texts under which it lies in the site's Redis (header-text.ts, register-text.ts) and the native values.
import { assert, type Latin1 } from '../../base/index.ts';
import {
  compareVersions,
  ensureRegister,
  hasFields,
  isLive,
  isPlain,
  isPlainTtl,
  KeyState,
  laterOf,
  newestIn,
  NONE,
  noteVersion,
  type Register,
  registerOf,
  STRING_FIELD,
  type Value,
  type ValueType,
} from '../../crdt/index.ts';
import { formatHeader, type Header, newestOfHeader } from './header-text.ts';
import { formatRegister, glance, parseRegister } from './register-text.ts';

/** Types with one register. Order: which of several lies in the header, but for the kind's own. */
const SINGLE_TYPES: readonly ValueType[] = [1, 5, 6, 7];

/** Name of a register in the register hash: type digit, then the field. */
export type RegisterName = Latin1;

export function registerName(type: ValueType, field: Latin1): RegisterName {
  return type + field;
}

/** Type and field of a register's name. */
export function splitName(name: RegisterName): [ValueType, Latin1] {
  return [Number(name.charAt(0)) as ValueType, name.slice(1)];
}

/** Gives what lies natively under a register; undefined: nothing. */
export type NativeValue = (type: ValueType, field: Latin1) => Value | undefined;

/**
 * The state that texts and native values stand for, of the given registers of the register hash (all, or those that matter).
 * A register whose value should lie natively and does not is held no more: Redis has expired it.
 */
export function readState(
  header: Header | undefined,
  registers: Iterable<readonly [RegisterName, Latin1]>,
  native: NativeValue,
): KeyState {
  const s = new KeyState();
  if (header === undefined) return s;
  s.clear = header.clear;
  s.kindV = header.kindV;
  s.type = header.type;
  s.expiryV = header.expiryV;
  s.expiryAt = header.expiryAt;
  s.until = header.until;
  s.reach = header.reach;
  if (header.register !== undefined)
    addRegister(s, header.register.charAt(0), header.register.slice(1), native);
  for (const [name, text] of registers) addRegister(s, name, text, native);
  s.newest = laterOf(s.newest, laterOf(header.newest, newestOfHeader(header)));
  return s;
}

function addRegister(s: KeyState, name: RegisterName, text: Latin1, native: NativeValue): void {
  const [type, field] = splitName(name);
  const held = parseRegister(text, type, glance(text).isNative ? native(type, field) : undefined);
  if (held === undefined) return;
  const register = ensureRegister(s, type, field);
  Object.assign(register, held);
  if (isLive(register)) s.live++;
  if (register.value !== undefined) noteVersion(s, register.v);
  for (const run of register.runs?.values() ?? []) noteVersion(s, run.v);
}

/** The register that lies in the header: the kind's own, or the first there is. */
export function inlineType(s: KeyState): ValueType | 0 {
  if (s.type !== 0 && !hasFields(s.type) && registerOf(s, s.type, STRING_FIELD) !== undefined) return s.type;
  return SINGLE_TYPES.find((type) => registerOf(s, type, STRING_FIELD) !== undefined) ?? 0;
}

/** What a header says beside the state. */
export interface HeaderMarks {
  readonly marked: boolean;
  /** Registers in the register hash, and how many of them are marked. */
  readonly outside: number;
  readonly count: number;
  readonly flags: string;
}

/** The header text of a state. */
export function headerTextOf(s: KeyState, { marked, outside, count, flags }: HeaderMarks): Latin1 {
  const type = inlineType(s);
  const inline = type === 0 ? undefined : registerOf(s, type, STRING_FIELD);
  const known = laterOf(newestOfHeader(s), inline === undefined ? NONE : newestIn(inline));
  const isNewestKnown = compareVersions(s.newest, known) <= 0;
  return formatHeader({
    marked,
    form: outside === 0 && isNewestKnown ? formOf(s, inline) : 'G',
    clear: s.clear,
    kindV: s.kindV,
    type: s.type,
    expiryV: s.expiryV,
    expiryAt: s.expiryAt,
    until: s.until,
    reach: s.reach,
    newest: isNewestKnown ? NONE : s.newest,
    count,
    flags,
    register: inline === undefined ? undefined : `${type}${formatRegister(inline, false)}`,
  });
}

function formOf(s: KeyState, inline: Register | undefined): Header['form'] {
  if (inline !== undefined && isPlain(s)) return isPlainTtl(s) ? 'X' : 'P';
  const isDeleted =
    inline === undefined &&
    s.type === 0 &&
    isNone(s.expiryV) &&
    isNone(s.reach) &&
    isNone(s.until) &&
    !isNone(s.clear);
  return isDeleted ? 'D' : 'G';
}

function isNone(v: { readonly ms: number; readonly tail: number }): boolean {
  return v.ms === 0 && v.tail === 0;
}

/** The registers of a state that lie in the register hash, as unmarked texts by name. */
export function registerTextsOf(s: KeyState): Map<RegisterName, Latin1> {
  const texts = new Map<RegisterName, Latin1>();
  const inline = inlineType(s);
  for (const [type, fields] of s.registers) {
    if (type === inline) continue;
    for (const [field, register] of fields)
      texts.set(registerName(type, field), formatRegister(register, false));
  }
  return texts;
}

/** Sets or takes away the mark of a header or register text. */
export function withMark(text: Latin1, marked: boolean): Latin1 {
  assert(text !== '', 'a text has a first letter');
  const letter = text.charAt(0);
  return (marked ? letter.toLowerCase() : letter.toUpperCase()) + text.slice(1);
}
