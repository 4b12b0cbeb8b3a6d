// States as texts: every form as written, and random states there and back.
import { expect, test } from 'vitest';
import { below, bytesOf, type Latin1, type Random, seededRandom } from '../../base/index.ts';
import {
  compareVersions,
  deletedState,
  digest,
  Edit,
  KeyState,
  makeVersion,
  merge,
  plainState,
  registerOf,
  TYPE_HASH,
  TYPE_LIST,
  TYPE_SET,
  TYPE_STREAM,
  TYPE_STRING,
  TYPE_ZSET,
  type ValueType,
} from '../../crdt/index.ts';
import { formatHeader, parseHeader } from './header-text.ts';
import { glance } from './register-text.ts';
import { headerTextOf, readState, registerTextsOf, withMark } from './state-text.ts';

const UNMARKED = { marked: false, count: 0, flags: '' };

function texts(s: KeyState): { header: Latin1; registers: Map<Latin1, Latin1> } {
  const registers = registerTextsOf(s);
  return { header: headerTextOf(s, { ...UNMARKED, outside: registers.size }), registers };
}

/** Native data as Redis would hold it: live values without runs. */
function nativeOf(s: KeyState) {
  return (type: ValueType, field: Latin1) => {
    const register = registerOf(s, type, field);
    return typeof register?.value === 'symbol' || register?.runs !== undefined ? undefined : register?.value;
  };
}

test('the short forms', () => {
  const v = makeVersion(0x0102030405, 7, 0xfe);
  const text = '0001020304050007000000fe';
  expect(texts(plainState(v, bytesOf('x'), 0)).header).toBe(`P${text}`);
  expect(texts(plainState(v, bytesOf('x'), 0x0a0b)).header).toBe(`X${text}000000000a0b`);
  expect(texts(deletedState(v)).header).toBe(`D${text}`);
  expect(withMark(`D${text}`, true)).toBe(`d${text}`);
  expect(parseHeader(`d${text}`).marked).toBe(true);
});

test('the general form: references to the version before', () => {
  const s = new KeyState();
  const edit = new Edit(s, makeVersion(1, 0, 2), 0);
  edit.put(TYPE_HASH, 'f', 'x');
  edit.expire(0x1000);
  edit.finish();
  const { header, registers } = texts(s);
  expect(header).toBe('G,000000000001000000000002,2,=,000000001000,,+,,,');
  expect([...registers]).toEqual([['2f', 'V000000000001000000000002']]);
  const counter = new KeyState();
  new Edit(counter, makeVersion(1, 0, 2), 0).add(TYPE_STRING, '', 5n);
  expect(texts(counter).header).toBe(
    'G,000000000001000000000002,1,,,,,,,|1R-;;;000000000001000000000002:000000000001000000000002:5;',
  );
});

test('random states come back equal, and their texts are canonical', () => {
  const random = seededRandom(11);
  const seen = { rich: 0, inline: 0, plain: 0, newest: 0 };
  for (let i = 0; i < 4000; i++) {
    const s = randomState(random);
    const { header, registers } = texts(s);
    const parsed = parseHeader(header);
    if (parsed.form !== 'G') seen.plain++;
    if (parsed.form === 'G' && parsed.register !== undefined) seen.inline++;
    for (const text of registers.values()) if (glance(text).isRich) seen.rich++;
    const back = readState(parsed, registers, nativeOf(s));
    expect(digest(back, 0)).toBe(digest(s, 0));
    for (const at of [900, 1010, 5000]) expect(digest(back, at)).toBe(digest(s, at));
    expect(compareVersions(back.newest, s.newest)).toBe(0);
    expect([back.live, back.high]).toEqual([s.live, s.high]);
    expect(texts(back)).toEqual({ header, registers });
    expect(formatHeader(parsed)).toBe(header);
  }
  for (const count of [seen.rich, seen.inline, seen.plain]) expect(count).toBeGreaterThan(200);
});

function randomState(random: Random): KeyState {
  const s = new KeyState();
  const n = 1 + below(random, 6);
  for (let i = 0; i < n; i++) {
    const edit = new Edit(s, makeVersion(1000 + i * 3, below(random, 3), 1 + below(random, 3)), 1000);
    randomEffect(edit, random);
    edit.finish();
    const other = new KeyState();
    const elsewhere = new Edit(other, makeVersion(1001 + i * 3, 0, 4 + below(random, 3)), 1000);
    randomEffect(elsewhere, random);
    elsewhere.finish();
    merge(s, other);
  }
  return s;
}

function randomEffect(edit: Edit, random: Random): void {
  const field = ['', 'f1', 'a|b,c;d:e', '\xff\0'][below(random, 4)] ?? '';
  const totals = [1n, -1n, 0n, 1n << 70n, 0.5, -0, 1e300, 2 ** 53, Number.POSITIVE_INFINITY];
  const total = totals[below(random, totals.length)] ?? 0n;
  const score = [1.5, -0, Number.NEGATIVE_INFINITY, 0.1][below(random, 4)] ?? 0;
  const effects = [
    () => edit.put(TYPE_STRING, '', bytesOf('12')),
    () => edit.put(TYPE_STRING, '', bytesOf('v;,:|')),
    () => edit.put(TYPE_HASH, field, ';x|\xff'),
    () => edit.put(TYPE_SET, field, true),
    () => edit.put(TYPE_ZSET, field, score),
    () => edit.put(TYPE_LIST, '', bytesOf('e')),
    () => edit.put(TYPE_STREAM, '', bytesOf('e')),
    () => edit.add(TYPE_HASH, field, total),
    () => edit.add(TYPE_STRING, '', total),
    () => edit.add(TYPE_ZSET, field, total),
    () => edit.remove(TYPE_HASH, field),
    () => edit.remove(TYPE_STRING, ''),
    () => edit.overwrite(),
    () => edit.expire(below(random, 2) * 5000),
  ];
  effects[below(random, effects.length)]?.();
}
