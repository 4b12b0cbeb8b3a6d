// Between src/crdt and the definition: states and views in the definition's words, and the checks on them.
import { latin1Of } from '../../src/base/index.ts';
import {
  compareVersions,
  counterOf,
  type KeyState,
  originOf,
  type Register,
  registerOf,
  shownAt,
  shownTtlAt,
  shownType,
  shownValue,
  TOMBSTONE,
  type Value,
  type ValueType,
  type Version,
} from '../../src/crdt/index.ts';
import type * as def from './definition.ts';

/** Compares as text what a check names; thrown so that random tests can print the history. */
export function same(what: string, crdt: string, definition: string): void {
  if (crdt !== definition) throw new Error(`${what} differs\ncrdt:       ${crdt}\ndefinition: ${definition}`);
}

export function crdtView(s: KeyState, now: number): def.View {
  const shown = shownAt(s, now);
  const type = shownType(s, now);
  const fields = new Map<string, def.Content>();
  for (const [field, register] of (type === 0 ? undefined : shown.registers.get(type)) ?? []) {
    const value = shownValue(register, type as ValueType);
    if (value !== undefined) fields.set(field, typeof value === 'object' ? latin1Of(value) : value);
  }
  if ((type === 0) !== (fields.size === 0)) throw new Error('shownType and shownValue disagree');
  return { type, fields, ttlAt: shownTtlAt(s, now) };
}

export function bigOf(v: Version): bigint {
  return (BigInt(v.ms) << 48n) + (BigInt(counterOf(v)) << 32n) + BigInt(originOf(v));
}

/** A crdt state in the definition's words. */
export function heldOf(s: KeyState): def.Held {
  const registers: def.Held['registers'] = new Map();
  for (const [type, fields] of s.registers) {
    for (const [field, register] of fields) {
      const reg = `${type}:${field}`;
      registers.set(reg, { part: partOf(reg, register), runs: runsOf(reg, register) });
    }
  }
  const expiry = { v: bigOf(s.expiryV), at: s.expiryAt, until: bigOf(s.until) };
  const kind = { v: bigOf(s.kindV), type: s.type };
  return { clear: bigOf(s.clear), kind, expiry, reach: bigOf(s.reach), registers };
}

function partOf(reg: string, { v, value, seen }: Register): def.PartFact | undefined {
  if (value === undefined) return undefined;
  const entries = [...(seen ?? [])].map(([o, s]): [number, def.Seen] => [
    o,
    { start: bigOf(s.start), total: s.total },
  ]);
  return { is: 'part', reg, v: bigOf(v), value: contentOf(value), seen: new Map(entries) };
}

function contentOf(value: Value | typeof TOMBSTONE): def.Content | null {
  if (value === TOMBSTONE) return null;
  return typeof value === 'object' ? latin1Of(value) : value;
}

function runsOf(reg: string, { runs }: Register): Map<number, def.RunFact> {
  const facts = new Map<number, def.RunFact>();
  for (const [origin, { v, start, total }] of runs ?? []) {
    facts.set(origin, { is: 'run', reg, v: bigOf(v), start: bigOf(start), total });
  }
  return facts;
}

/** The invariants at the top of key-state.ts. */
export function checkBounds(s: KeyState): void {
  let live = 0;
  for (const [type, fields] of s.registers) {
    if (fields.size === 0) throw new Error('empty map of registers');
    for (const [field, register] of fields) {
      if (registerOf(s, type, field) !== register) throw new Error('register not found');
      const hasValue = register.value !== undefined && register.value !== TOMBSTONE;
      if (hasValue || register.runs !== undefined) live++;
      if (register.runs?.size === 0 || register.seen?.size === 0) throw new Error('empty map in a register');
      const versions = [...(register.runs?.values() ?? [])].map((run) => run.v);
      if (register.value !== undefined) versions.push(register.v);
      if (versions.length === 0) throw new Error('empty register');
      for (const v of versions) {
        if (compareVersions(v, s.low) < 0 || compareVersions(v, s.high) > 0)
          throw new Error('version out of its bounds');
      }
    }
  }
  if (live !== s.live) throw new Error(`live is ${s.live}, there are ${live}`);
}
