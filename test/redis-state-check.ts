// Looks at all that a store has in a Redis, past its own code, for what must hold whatever happened before.
import type { Latin1 } from '../src/base/index.ts';
import {
  hasFields,
  isFired,
  isLive,
  type KeyState,
  shownAt,
  shownTtlAt,
  shownValue,
  type Value,
  type ValueType,
} from '../src/crdt/index.ts';
import type { Reply } from '../src/resp/index.ts';
import type { Arg } from '../src/store/redis/access.ts';
import { type Header, parseHeader } from '../src/store/redis/header-text.ts';
import { glance } from '../src/store/redis/register-text.ts';
import { slotOf, tagOf } from '../src/store/redis/slots.ts';
import { readState, splitName } from '../src/store/redis/state-text.ts';
import { compareVersions } from '../src/crdt/index.ts';

type Ask = (...args: readonly Arg[]) => Promise<Reply>;

/** Units: `now` Unix ms of the store. */
export interface CheckOptions {
  readonly now: number;
  /** The latest it ever was: what has fired once is gone, also where the clock steps back. Default `now`. */
  readonly latest?: number;
  /** Natively there may also lie what has fired since mqkv last touched the key. Default false. */
  readonly isLax?: boolean;
  /** Native expiries are in use. */
  readonly hasTtls?: boolean;
}

const TYPES: Readonly<Record<string, ValueType>> = {
  string: 1,
  hash: 2,
  set: 3,
  zset: 4,
  list: 5,
  stream: 6,
};

interface Native {
  readonly type: ValueType | 0;
  readonly fields: ReadonlyMap<Latin1, Latin1>;
  readonly at: number;
}

/** Result: what does not hold, one line each. */
export async function complaintsAbout(ask: Ask, options: CheckOptions): Promise<string[]> {
  const complaints: string[] = [];
  const names = await allNames(ask);
  const headers = new Map<Latin1, Latin1>();
  for (const name of names) {
    const slot = /^mqkv:\{(...)\}(\.?)$/s.exec(name);
    if (slot === null) continue;
    for (const [key, text] of await hashOf(ask, name)) {
      if (tagOf(slotOf(key)) !== slot[1]) complaints.push(`${key}: header in the slot of others`);
      complaints.push(...(await misplaced(ask, { key, text, slot: name })));
      if (text !== 'L') headers.set(key, text);
    }
  }
  for (const name of names) {
    const key = /^mqkv:\{...\}:(.*)$/s.exec(name)?.[1];
    if (key !== undefined && !headers.has(key)) complaints.push(`${key}: registers without a header`);
    if (!name.startsWith('mqkv:') && !headers.has(name)) complaints.push(`${name}: native without a header`);
  }
  for (const [key, text] of headers)
    complaints.push(
      ...(await wrongAt(ask, { key, text }, options)).map((what) => `${key}: ${what} [${text}]`),
    );
  return complaints;
}

/** Headers and registers that are marked for the outbox. */
export async function marksIn(ask: Ask): Promise<string[]> {
  const found: string[] = [];
  for (const name of await allNames(ask)) {
    if (!/^mqkv:\{...\}/s.test(name)) continue;
    for (const [field, text] of await hashOf(ask, name))
      if (/^[a-z]/.test(text)) found.push(`${name} ${field} ${text}`);
  }
  return found;
}

async function misplaced(
  ask: Ask,
  { key, text, slot }: { readonly key: Latin1; readonly text: Latin1; readonly slot: Latin1 },
): Promise<string[]> {
  const isLarge = slot.endsWith('.');
  if (text === 'L') {
    const large = await ask('HGET', `${slot}.`, key);
    return isLarge || large.kind !== 'bulk' ? [`${key}: a stub of nothing`] : [];
  }
  if (!isLarge) return key.length > 64 || text.length > 64 ? [`${key}: long header among the short`] : [];
  if (key.length > 64) return [];
  if (text.length <= 64) return [`${key}: short header among the long`];
  const stub = await ask('HGET', slot.slice(0, -1), key);
  return stub.kind === 'bulk' && stub.bytes.toString() === 'L' ? [] : [`${key}: no stub`];
}

async function wrongAt(
  ask: Ask,
  { key, text }: { readonly key: Latin1; readonly text: Latin1 },
  { now, latest = now, isLax, hasTtls }: CheckOptions,
): Promise<string[]> {
  const header = parseHeader(text);
  const registers = await hashOf(ask, `mqkv:{${tagOf(slotOf(key))}}:${key}`);
  const wrong = wrongMarks(header, registers);
  const native = await nativeOf(ask, key);
  const missing: string[] = [];
  const state = readState(header, registers, (type, field) => {
    const value = native.type === type ? native.fields.get(hasFields(type) ? field : '') : undefined;
    if (value === undefined) missing.push(`no native value of ${type}${field}`);
    return value === undefined ? undefined : valueOf(type, value);
  });
  for (const field of state.registers.values())
    for (const { v, runs } of field.values())
      for (const one of [v, ...[...(runs?.values() ?? [])].map((run) => run.v)])
        if (compareVersions(one, header.newest) > 0 && compareVersions(header.newest, { ms: 0, tail: 0 }) > 0)
          wrong.push('newest is too small');
  const fired = isFired(state, latest);
  if (!fired) wrong.push(...missing);
  if (fired && isLax === true) return wrong;
  return [
    ...wrong,
    ...wrongNatives(state, native, now),
    ...(hasTtls === true ? wrongTtl(state, native, now) : []),
  ];
}

function wrongMarks(header: Header, registers: ReadonlyMap<Latin1, Latin1>): string[] {
  const wrong: string[] = [];
  const texts = [...registers.values()].map(glance);
  const marked = texts.filter((one) => one.marked).length;
  if (marked !== header.count) wrong.push(`count ${header.count}, marked registers ${marked}`);
  const isRich = texts.some((one) => one.isRich);
  if (isRich && !header.flags.includes('s')) wrong.push('no flag s');
  if (header.flags.includes('w') && !header.marked) wrong.push('flag w without a mark');
  if (header.form !== 'G' && registers.size > 0) wrong.push('registers beside a short form');
  for (const name of registers.keys()) {
    const [type, field] = splitName(name);
    if (!hasFields(type) && field !== '') wrong.push(`register ${name}`);
    if (header.register?.startsWith(String(type)) === true) wrong.push(`register ${name} twice`);
  }
  return wrong;
}

function wrongNatives(state: KeyState, native: Native, now: number): string[] {
  const view = shownAt(state, now);
  const shown = new Map<Latin1, Value>();
  for (const [field, register] of view.registers.get(view.type as ValueType) ?? []) {
    const value = isLive(register) ? shownValue(register, view.type as ValueType) : undefined;
    if (value !== undefined) shown.set(field, value);
  }
  if (shown.size === 0) return native.type === 0 ? [] : [`shows nothing, native type ${native.type}`];
  if (native.type !== view.type) return [`shows type ${view.type}, native ${native.type}`];
  const wrong: string[] = [];
  for (const [field, value] of shown) {
    const text = native.fields.get(field);
    if (text === undefined || !isSame(valueOf(view.type as ValueType, text), value))
      wrong.push(`shows ${field}=${String(value)}, native ${text}`);
  }
  for (const field of native.fields.keys())
    if (!shown.has(field)) wrong.push(`native ${field} does not show`);
  return wrong;
}

function wrongTtl(state: KeyState, native: Native, now: number): string[] {
  const at = native.type === 0 ? 0 : shownTtlAt(state, now);
  return at === native.at ? [] : [`shows the end ${at}, native ${native.at}`];
}

function isSame(a: Value, b: Value): boolean {
  return Buffer.isBuffer(a) && Buffer.isBuffer(b) ? a.equals(b) : a === b;
}

function valueOf(type: ValueType, text: Latin1): Value {
  if (type === 2) return text;
  if (type === 3) return true;
  return type === 4 ? scoreOf(text) : Buffer.from(text, 'latin1');
}

function scoreOf(text: Latin1): number {
  return text === 'inf'
    ? Number.POSITIVE_INFINITY
    : text === '-inf'
      ? Number.NEGATIVE_INFINITY
      : Number(text);
}

async function allNames(ask: Ask): Promise<Latin1[]> {
  return itemsOf(await ask('KEYS', '*')).map(latin1);
}

async function hashOf(ask: Ask, name: Latin1): Promise<Map<Latin1, Latin1>> {
  return pairs(itemsOf(await ask('HGETALL', name)).map(latin1));
}

async function nativeOf(ask: Ask, key: Latin1): Promise<Native> {
  const name = latin1(await ask('TYPE', key));
  const type = name === 'none' ? 0 : (TYPES[name] ?? 7);
  const time = await ask('PEXPIRETIME', key);
  return {
    type,
    at: time.kind === 'integer' ? Math.max(0, Number(time.value)) : 0,
    fields: await fieldsOf(ask, key, type),
  };
}

async function fieldsOf(ask: Ask, key: Latin1, type: ValueType | 0): Promise<Map<Latin1, Latin1>> {
  if (type === 0) return new Map();
  if (type === 1) return new Map([['', latin1(await ask('GET', key))]]);
  if (type === 2) return hashOf(ask, key);
  if (type === 3) return new Map(itemsOf(await ask('SMEMBERS', key)).map((one) => [latin1(one), '1']));
  if (type === 4) return pairs(itemsOf(await ask('ZRANGE', key, '0', '-1', 'WITHSCORES')).map(latin1));
  return new Map([['', latin1(await ask('DUMP', key))]]);
}

function pairs(flat: readonly Latin1[]): Map<Latin1, Latin1> {
  const found = new Map<Latin1, Latin1>();
  for (let i = 0; i < flat.length; i += 2) found.set(flat[i] ?? '', flat[i + 1] ?? '');
  return found;
}

function itemsOf(reply: Reply): readonly Reply[] {
  if (reply.kind === 'array') return reply.items;
  throw new Error(`not an array: ${JSON.stringify(reply)}`);
}

function latin1(reply: Reply): Latin1 {
  if (reply.kind === 'bulk') return reply.bytes.toString('latin1');
  return reply.kind === 'simple' ? reply.text : '';
}
