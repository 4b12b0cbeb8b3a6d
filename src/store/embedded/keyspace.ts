// The embedded store as command handlers see it: all of `Keyspace` but the hot calls, which `HotStrings` holds.
import { assert, type Latin1, latin1Of } from '../../base/index.ts';
import {
  registerOf,
  shownAt,
  shownValue,
  STRING_FIELD,
  TYPE_HASH,
  TYPE_SET,
  TYPE_STRING,
  TYPE_ZSET,
  type ValueType,
} from '../../crdt/index.ts';
import type { HashView, Keyspace, SetView, ZsetView } from '../keyspace.ts';
import { AT_MAX } from './core.ts';
import { editKey, editLocated, ttlAt, typeAt, viewOf } from './editing.ts';
import { HotStrings } from './hot-strings.ts';
import { COMPLEX, unitsOf } from './record.ts';
import type { Ref } from './slab.ts';
import { UNIT_BYTES } from './slab.ts';

/** Units: bytes, about, of a key's pair in the index at its usual load. */
const INDEX_BYTES = 14;
/** Units: bytes, about, of a register and its entry in a map. */
const REGISTER_BYTES = 140;
/** Keys looked at before `randomKey` looks at all. */
const RANDOM_TRIES = 100;

export class EmbeddedKeyspace extends HotStrings implements Keyspace {
  begin(now: number): void {
    if (this.core.isInUnit) this.core.finish();
    this.core.tick(now);
    this.core.isInUnit = true;
  }

  name(key: Latin1): void {
    this.core.named.push(key);
  }

  command(): void {
    this.core.edit = undefined;
  }

  end(): void {
    if (this.core.isInUnit) this.core.finish();
  }

  get now(): number {
    return this.core.now;
  }

  get size(): number {
    return this.core.shown;
  }

  type(key: Latin1): ValueType | 0 {
    this.core.enter();
    return typeAt(this.core, this.core.locate(key));
  }

  getString(key: Latin1): Buffer | undefined {
    this.core.enter();
    const { core } = this;
    const ref = core.locate(key);
    const type = typeAt(core, ref);
    if (type === 0) return undefined;
    assert(type === TYPE_STRING, 'callers check the type before they read a string');
    if (core.formAt(ref) === COMPLEX) return this.complexString(ref);
    return Buffer.from(core.table.value(ref));
  }

  overwriteString(key: Latin1, value: Uint8Array, at: number): void {
    this.core.enter();
    const ref = this.core.locate(key);
    this.setLocated(ref, value, 0, value.length, at);
    this.core.leave();
  }

  putString(key: Latin1, value: Uint8Array): void {
    this.#mustBe(key, TYPE_STRING);
    editKey(this.core, key, (edit) => edit.put(TYPE_STRING, STRING_FIELD, Buffer.from(value)));
  }

  addString(key: Latin1, increment: bigint | number): void {
    this.#mustBe(key, TYPE_STRING);
    editKey(this.core, key, (edit) => edit.add(TYPE_STRING, STRING_FIELD, increment));
  }

  hash(key: Latin1): HashView | undefined {
    return viewOf(this.core, key, TYPE_HASH) as HashView | undefined;
  }

  set(key: Latin1): SetView | undefined {
    return viewOf(this.core, key, TYPE_SET) as SetView | undefined;
  }

  zset(key: Latin1): ZsetView | undefined {
    return viewOf(this.core, key, TYPE_ZSET) as ZsetView | undefined;
  }

  putField(key: Latin1, type: ValueType, field: Latin1, value: Latin1 | true | number): void {
    this.#mustBe(key, type);
    editKey(this.core, key, (edit) => edit.put(type, field, value));
  }

  removeField(key: Latin1, type: ValueType, field: Latin1): boolean {
    return editKey(this.core, key, (edit) => edit.remove(type, field)).changed;
  }

  addField(key: Latin1, type: ValueType, field: Latin1, increment: bigint | number): void {
    this.#mustBe(key, type);
    editKey(this.core, key, (edit) => edit.add(type, field, increment));
  }

  remove(key: Latin1): boolean {
    const { core } = this;
    core.enter();
    const ref = core.locate(key);
    if (typeAt(core, ref) === 0) return false;
    if (core.formAt(ref) === COMPLEX) editLocated(core, ref, (edit) => edit.overwrite());
    else this.deleteLocated(ref);
    core.leave();
    return true;
  }

  overwrite(key: Latin1): void {
    editKey(this.core, key, (edit) => edit.overwrite());
  }

  expiresAt(key: Latin1): number {
    this.core.enter();
    return ttlAt(this.core, this.core.locate(key));
  }

  expire(key: Latin1, at: number): void {
    if (this.type(key) === 0) return;
    editKey(this.core, key, (edit) => edit.expire(Math.min(at, AT_MAX)));
  }

  scan(cursor: number, count: number, visit: (key: Latin1, type: ValueType) => void): number {
    const { core } = this;
    core.enter();
    const found: Ref[] = [];
    const next = core.table.index.scan(cursor, count, (ref) => found.push(ref));
    for (const ref of found) {
      const type = typeAt(core, ref);
      if (type !== 0) visit(latin1Of(core.table.key(ref)), type);
    }
    return next;
  }

  randomKey(): Latin1 | undefined {
    const { core } = this;
    core.enter();
    if (core.shown === 0) return undefined;
    for (let i = 0; i < RANDOM_TRIES; i++) {
      const ref = core.table.index.randomRef(core.random);
      if (ref !== 0 && typeAt(core, ref) !== 0) return latin1Of(core.table.key(ref));
    }
    return this.#randomOfAll();
  }

  /** Few keys, or few of them shown: all are looked at, each as likely. */
  #randomOfAll(): Latin1 | undefined {
    const { core } = this;
    let chosen: Ref = 0;
    let seen = 0;
    core.table.index.scan(0, Number.POSITIVE_INFINITY, (ref) => {
      if (typeAt(core, ref) !== 0 && core.random.uint32() % ++seen === 0) chosen = ref;
    });
    return chosen === 0 ? undefined : latin1Of(core.table.key(chosen));
  }

  watch(key: Latin1, changed: () => void): () => void {
    const at = this.expiresAt(key);
    return this.core.watches.add(key, changed, Math.max(at, 0));
  }

  memoryUsage(key: Latin1): number | undefined {
    const { core } = this;
    core.enter();
    const ref = core.locate(key);
    if (typeAt(core, ref) === 0) return undefined;
    const { table } = core;
    const record = unitsOf(table.head(ref), table.word(ref, 1)) * UNIT_BYTES + INDEX_BYTES;
    const held = table.isBig(ref) ? record + table.key(ref).length : record;
    if (core.formAt(ref) === COMPLEX) return held + stateBytes(core.state(ref));
    return table.isBig(ref) ? held + table.value(ref).length : held;
  }

  /** The state a COMPLEX string shows, runs counted. */
  protected override complexString(ref: Ref): Buffer {
    const register = registerOf(shownAt(this.core.state(ref), this.core.now), TYPE_STRING, STRING_FIELD);
    assert(register !== undefined, 'a shown string has a register');
    return shownValue(register, TYPE_STRING) as Buffer;
  }

  #mustBe(key: Latin1, type: ValueType): void {
    const shown = this.type(key);
    assert(shown === 0 || shown === type, 'callers check the type before they write');
  }
}

function stateBytes(state: ReturnType<typeof shownAt>): number {
  let bytes = 0;
  for (const fields of state.registers.values()) {
    let sampled = 0;
    let sampleBytes = 0;
    for (const [field, { value }] of fields) {
      const size = typeof value === 'string' || Buffer.isBuffer(value) ? value.length : 8;
      sampleBytes += field.length + size + REGISTER_BYTES;
      if (++sampled === 8) break;
    }
    bytes += (sampleBytes / Math.max(sampled, 1)) * fields.size;
  }
  return Math.round(bytes);
}
