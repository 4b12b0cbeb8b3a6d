// Local writes (DESIGN 3, rules 1 to 8): one command's effects on one key, in place, all with the command's version.
import { type Latin1, WHOLE_KEY_BYTES_MAX } from '../base/index.ts';
import {
  dropExpiry,
  ensureRegister,
  isLive,
  type KeyState,
  noteVersion,
  raiseClear,
  registerOf,
  settleHeader,
  sweep,
} from './key-state.ts';
import { addTotals, type Total } from './number.ts';
import { fitsBytes } from './size.ts';
import {
  type Register,
  type Run,
  type SeenRun,
  TOMBSTONE,
  TYPE_ZSET,
  type Value,
  type ValueType,
  type Version,
} from './types.ts';
import { floorAt, isFired, isShown, shownTtlAt } from './view.ts';
import { above, compareVersions, NONE, originOf } from './version.ts';

/** What a command did to a key since its edit was made or resumed, for the outbox. */
export interface Edited {
  readonly changed: boolean;
  /** The delta must carry all registers: after an overwrite, or where the expiry changed and the key fits 16 KB. */
  readonly whole: boolean;
  /** The registers touched, each once. */
  readonly fields: readonly (readonly [ValueType, Latin1])[];
}

/**
 * One command on one key; a transaction makes one per command, all with its version. Make it before the first write of the
 * command (it looks at what the key shows by then), call `finish` after the last, or after each and `resume` in between.
 * Cost: the fields touched, not the key; only an overwrite, and a fold or type change that drops something, visit all.
 */
export class Edit {
  #s: KeyState;
  readonly #v: Version;
  readonly #origin: number;
  readonly #now: number;
  readonly #touched = new Map<ValueType, Set<Latin1>>();
  #hadTtl: boolean;
  /** The key shows nothing while a TTL is pending: rule 7. */
  #isRebirth: boolean;
  #changed = false;
  /** Changed since it was made or resumed. */
  #changedNow = false;
  /** What `finish` raised: `reach` and `newest` as they were. */
  #before: { readonly reach: Version; readonly newest: Version } | undefined;
  #overwrote = false;
  #expiryChanged = false;

  /** Units: `now` Unix ms. `v` lies above everything that the key holds, or is the unit's own from a command before. */
  constructor(s: KeyState, v: Version, now: number) {
    this.#s = s;
    this.#v = v;
    this.#origin = originOf(v);
    this.#now = now;
    this.#hadTtl = shownTtlAt(s, now) !== 0;
    this.#isRebirth = s.expiryAt > now && s.live === 0;
  }

  /** Writes a field, also an equal value (rule 2). Owns: keeps the value. */
  put(type: ValueType, field: Latin1, value: Value): void {
    this.#begin();
    const s = this.#s;
    const register = ensureRegister(s, type, field);
    if (!isLive(register)) s.live++;
    replaceValue(register, this.#v, value, this.#origin);
    noteVersion(s, this.#v);
    this.#wrote(type, field);
  }

  /** Removes a field (rule 2). false: it does not show; nothing changed. */
  remove(type: ValueType, field: Latin1): boolean {
    const s = this.#s;
    const register = s.type === type ? registerOf(s, type, field) : undefined;
    if (register === undefined || !isShown(register, floorAt(s, this.#now))) return false;
    this.#begin();
    replaceValue(register, this.#v, TOMBSTONE, this.#origin);
    s.live--;
    noteVersion(s, this.#v);
    this.#touch(type, field);
    return true;
  }

  /** Adds to a field's counter (rule 3). A sorted set's increments are doubles. */
  add(type: ValueType, field: Latin1, increment: Total): void {
    this.#begin();
    const s = this.#s;
    const register = ensureRegister(s, type, field);
    if (!isLive(register)) s.live++;
    register.runs ??= new Map();
    const own = register.runs.get(this.#origin);
    register.runs.set(
      this.#origin,
      grownRun(own, this.#v, type === TYPE_ZSET ? Number(increment) : increment),
    );
    noteVersion(s, this.#v);
    this.#wrote(type, field);
  }

  /** Removes every register and the header (rule 5): a delete, or what SET, RENAME and the …STORE commands begin with. */
  overwrite(): void {
    this.#begin();
    overwriteState(this.#s, this.#v, this.#origin);
    this.#overwrote = true;
    this.#hadTtl = false;
    this.#isRebirth = false;
  }

  /** Sets (`at`, Unix ms) or takes away (0, where a TTL shows) the expiry (rule 6). A time in the past is a delete. */
  expire(at: number): void {
    const s = this.#s;
    if (at !== 0 && at <= this.#now) return this.overwrite();
    if (at === 0 && shownTtlAt(s, this.#now) === 0) return;
    this.#begin();
    s.expiryV = this.#v;
    s.expiryAt = at;
    s.until = NONE;
    if (at !== 0) this.#hadTtl = true;
    this.#expiryChanged = true;
    settleHeader(s);
  }

  /**
   * Goes on with the command after `finish`, as if that had not been called. `s`: the key's state, the same object or one
   * that holds the same.
   */
  resume(s: KeyState): void {
    this.#s = s;
    if (this.#before !== undefined) Object.assign(s, this.#before);
    this.#before = undefined;
    this.#changedNow = false;
    this.#overwrote = false;
    this.#expiryChanged = false;
    this.#touched.clear();
  }

  /** Ends the command: rule 8, and what its delta has to carry. */
  finish(): Edited {
    const s = this.#s;
    if (this.#changed && (this.#hadTtl || shownTtlAt(s, this.#now) !== 0)) {
      this.#before = { reach: s.reach, newest: s.newest };
      s.reach = above(this.#v);
      settleHeader(s);
    }
    const whole = this.#overwrote || (this.#expiryChanged && fitsBytes(s, WHOLE_KEY_BYTES_MAX));
    return { changed: this.#changedNow, whole, fields: this.#fields() };
  }

  /** Rule 1, before the first effect. */
  #begin(): void {
    this.#changedNow = true;
    if (this.#changed) return;
    this.#changed = true;
    if (isFired(this.#s, this.#now)) raiseClear(this.#s, floorAt(this.#s, this.#now));
  }

  /** After a put or add: rules 4 and 7. */
  #wrote(type: ValueType, field: Latin1): void {
    const s = this.#s;
    stampKind(s, this.#v, type);
    if (this.#isRebirth) {
      this.#isRebirth = false;
      if (s.expiryAt > this.#now && s.until === NONE) {
        s.until = this.#v;
        this.#expiryChanged = true;
      }
    }
    this.#touch(type, field);
  }

  #touch(type: ValueType, field: Latin1): void {
    const fields = this.#touched.get(type);
    if (fields === undefined) this.#touched.set(type, new Set([field]));
    else fields.add(field);
  }

  #fields(): [ValueType, Latin1][] {
    const fields: [ValueType, Latin1][] = [];
    for (const [type, names] of this.#touched) for (const name of names) fields.push([type, name]);
    return fields;
  }
}

/** Rule 2: the new value part remembers the other origins' runs that it replaces. `seen` is never changed in place. */
function replaceValue(register: Register, v: Version, value: Value | typeof TOMBSTONE, own: number): void {
  register.seen = seenAfter(register, own);
  register.v = v;
  register.value = value;
  register.runs = undefined;
}

function seenAfter(register: Register, own: number): Map<number, SeenRun> | undefined {
  const { runs, seen } = register;
  if (runs === undefined || (runs.size === 1 && runs.has(own))) return seen;
  const next = new Map(seen);
  for (const [origin, run] of runs)
    if (origin !== own) next.set(origin, { start: run.start, total: run.total });
  return next;
}

function grownRun(own: Run | undefined, v: Version, increment: Total): Run {
  if (own === undefined) return { v, start: v, total: increment };
  const total = addTotals(own.total, increment);
  return { v, start: own.start, total: Number.isNaN(total) ? 0 : total };
}

/** Rule 4. A change of type lets go what the old kind's version leaves below it. */
function stampKind(s: KeyState, v: Version, type: ValueType): void {
  const old = s.kindV;
  const isOtherType = s.type !== 0 && s.type !== type;
  s.kindV = v;
  s.type = type;
  if (!isOtherType) {
    settleHeader(s);
    return;
  }
  if (compareVersions(old, s.clear) > 0) s.clear = old;
  settleHeader(s);
  sweep(s, s.clear);
}

/** Rule 5. */
function overwriteState(s: KeyState, v: Version, own: number): void {
  for (const [type, fields] of s.registers) {
    for (const [field, register] of fields) {
      replaceValue(register, v, TOMBSTONE, own);
      if (register.seen === undefined) fields.delete(field);
    }
    if (fields.size === 0) s.registers.delete(type);
  }
  s.clear = v;
  s.kindV = NONE;
  s.type = 0;
  dropExpiry(s);
  s.reach = NONE;
  s.newest = v;
  sweep(s, v);
}
