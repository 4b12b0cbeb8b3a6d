// Between records and the merge core: a record's state as an object, and the shortest form of a state.
import {
  compareVersions,
  deletedState,
  free,
  isPlain,
  isPlainTtl,
  type KeyState,
  NONE,
  plainState,
  TYPE_STRING,
  type Version,
} from '../../crdt/index.ts';
import { COMPLEX, DELETED, type Form, FORM_MASK, FREED, PLAIN, PLAIN_TTL } from './record.ts';
import type { Ref } from './slab.ts';
import type { Table } from './table.ts';

const NOTHING = Buffer.alloc(0);
const COUNTER_SPAN = 4294967296;

/** The version in a record's header. */
export function versionOf(table: Table, ref: Ref): Version {
  const high = table.word(ref, 3);
  return {
    ms: (table.word(ref, 2) >>> 0) + (high & 0xffff) * COUNTER_SPAN,
    tail: (high >>> 16) * COUNTER_SPAN + (table.word(ref, 4) >>> 0),
  };
}

/** The state of a record. Owns: of a COMPLEX record its own object, else the caller. */
export function stateOf(table: Table, ref: Ref): KeyState {
  const form = table.head(ref) & FORM_MASK;
  if (form === COMPLEX) return table.sideOf(ref).state as KeyState;
  const v = versionOf(table, ref);
  if (form === DELETED) return deletedState(v);
  if (form !== FREED) return plainState(v, Buffer.from(table.value(ref)), table.at(ref));
  const state = plainState(v, NOTHING, table.at(ref));
  free(state, Number.MAX_SAFE_INTEGER);
  return state;
}

/** The greatest thing that a record's key holds. */
export function newestOf(table: Table, ref: Ref): Version {
  const form = table.head(ref) & FORM_MASK;
  if (form === COMPLEX) return (table.sideOf(ref).state as KeyState).newest;
  const v = versionOf(table, ref);
  return form === PLAIN_TTL || form === FREED ? { ms: v.ms, tail: v.tail + 1 } : v;
}

/** The form that can express a state (R1 to R4). */
export function formOf(s: KeyState): Form {
  if (s.registers.size > 1) return COMPLEX;
  if (s.registers.size === 0) return headerForm(s);
  const strings = s.registers.get(TYPE_STRING);
  if (strings === undefined || !isPlain(s)) return COMPLEX;
  return s.expiryV === NONE ? PLAIN : PLAIN_TTL;
}

function headerForm(s: KeyState): Form {
  if (s.type === 0) return s.expiryV === NONE && s.reach === NONE && s.clear !== NONE ? DELETED : COMPLEX;
  const isFreed = s.type === TYPE_STRING && compareVersions(s.kindV, s.clear) === 0 && isPlainTtl(s);
  return isFreed ? FREED : COMPLEX;
}
