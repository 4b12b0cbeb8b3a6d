// The codec: forms byte by byte, round trips, and input that is cut, flipped or lying.
import { describe, expect, test } from 'vitest';
import { below, bytesOf, MqkvError, type Random, seededRandom } from '../base/index.ts';
import {
  compareVersions,
  type Delta,
  DeltaWriter,
  decodeDeltas,
  deletedState,
  digest,
  Edit,
  encodeDelta,
  KeyState,
  makeVersion,
  merge,
  plainState,
  TYPE_HASH,
  TYPE_LIST,
  TYPE_OTHER,
  TYPE_SET,
  TYPE_STREAM,
  TYPE_STRING,
  TYPE_ZSET,
} from './index.ts';

const KEY = bytesOf('k\xff\0');

function encoded(s: KeyState, key: Uint8Array = KEY): Buffer {
  const writer = new DeltaWriter();
  encodeDelta(writer, key, s, 'whole');
  return writer.take();
}

/** Decodes all; undefined: MALFORMED_DELTA. Anything else thrown fails the test. */
function decoded(bytes: Buffer): Delta[] | undefined {
  try {
    return [...decodeDeltas(bytes)];
  } catch (error) {
    if (error instanceof MqkvError && error.code === 'MALFORMED_DELTA') return undefined;
    throw error;
  }
}

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
  const field = `f${below(random, 3)}`;
  const total = [1n, -1n, 127n, 128n, -128n, -129n, 1n << 70n, 0.5, -0, 0n][below(random, 10)] ?? 0n;
  const effects = [
    () => edit.put(TYPE_STRING, '', bytesOf('v'.repeat(below(random, 300)))),
    () => edit.put(TYPE_HASH, field, 'x\xff'),
    () =>
      edit.put(
        ([TYPE_LIST, TYPE_STREAM, TYPE_OTHER] as const)[below(random, 3)] ?? TYPE_LIST,
        '',
        bytesOf('w'),
      ),
    () => edit.put(TYPE_SET, field, true),
    () => edit.put(TYPE_ZSET, field, 1.5),
    () => edit.add(TYPE_HASH, field, total),
    () => edit.add(TYPE_STRING, '', total),
    () => edit.add(TYPE_ZSET, field, total),
    () => edit.remove(TYPE_HASH, field),
    () => edit.overwrite(),
    () => edit.expire(below(random, 2) * 5000),
  ];
  effects[below(random, effects.length)]?.();
}

describe('forms', () => {
  const v = makeVersion(0x0102030405, 7, 0xfffffffe);
  const version = '050403020100' + '0700' + 'feffffff';

  test('PLAIN is a SET', () => {
    expect(encoded(plainState(v, bytesOf('hi'), 0)).toString('hex')).toBe(
      `010300000002000000${version}6bff006869`,
    );
  });

  test('PLAIN_TTL is a SET EX', () => {
    const bytes = encoded(plainState(v, bytesOf('hi'), 0x0102030406));
    expect(bytes.toString('hex')).toBe(`020300000002000000${version}0604030201006bff006869`);
  });

  test('DELETED is a DEL', () => {
    expect(encoded(deletedState(v)).toString('hex')).toBe(`0303000000${version}6bff00`);
  });

  test('GENERAL is the rest: a hash of one field takes one version', () => {
    const s = new KeyState();
    const edit = new Edit(s, v, 1000);
    edit.put(TYPE_HASH, 'f', 'x');
    edit.finish();
    const body = `02` + `02${version}02` + `0a0166` + `00` + `0178`;
    expect(encoded(s).toString('hex')).toBe(`0403000000${'15000000'}6bff00${body}`);
  });

  test('what Edit leaves of SET, SET PX and DEL takes the plain forms', () => {
    const s = new KeyState();
    const set = new Edit(s, v, 1000);
    set.overwrite();
    set.put(TYPE_STRING, '', bytesOf('hi'));
    set.expire(2000);
    set.finish();
    expect(encoded(s)[0]).toBe(2);
    const del = new Edit(s, makeVersion(v.ms + 1, 0, 1), 1000);
    del.overwrite();
    del.finish();
    expect(encoded(s)[0]).toBe(3);
  });

  test('only the touched registers are sent, and the header', () => {
    const s = new KeyState();
    const edit = new Edit(s, v, 1000);
    edit.put(TYPE_HASH, 'f', 'x');
    edit.put(TYPE_HASH, 'g', 'y');
    edit.finish();
    const writer = new DeltaWriter();
    encodeDelta(writer, KEY, s, [
      [TYPE_HASH, 'g'],
      [TYPE_HASH, 'gone'],
    ]);
    const [delta] = decoded(writer.take()) ?? [];
    expect(delta?.key).toBe('k\xff\0');
    expect([...(delta?.state.registers.get(TYPE_HASH)?.keys() ?? [])]).toEqual(['g']);
    expect(delta?.state.type).toBe(TYPE_HASH);
  });
});

test('random states come back equal, several in a row', () => {
  const random = seededRandom(1);
  let registers = 0;
  for (let i = 0; i < 3000; i++) {
    const states = [randomState(random), randomState(random)];
    const deltas = decoded(Buffer.concat(states.map((s) => encoded(s))));
    expect(deltas?.map(({ state }) => encoded(state).toString('hex'))).toEqual(
      states.map((s) => encoded(s).toString('hex')),
    );
    for (const [j, { state }] of (deltas ?? []).entries()) {
      expect(digest(state, 0)).toBe(digest(states[j] as KeyState, 0));
      expect(compareVersions(state.newest, (states[j] as KeyState).newest)).toBe(0);
      expect(state.live).toBe(states[j]?.live);
      for (const fields of state.registers.values()) registers += fields.size;
    }
  }
  expect(registers).toBeGreaterThan(5000);
});

test('every cut is malformed', () => {
  const random = seededRandom(2);
  for (let i = 0; i < 300; i++) {
    const bytes = encoded(randomState(random));
    for (let cut = 1; cut < bytes.length; cut++) expect(decoded(bytes.subarray(0, cut))).toBeUndefined();
    expect(decoded(Buffer.concat([bytes, Buffer.of(9)]))).toBeUndefined();
  }
});

test('flipped bytes are malformed or another sound state, never a crash', () => {
  const random = seededRandom(3);
  let malformed = 0;
  let sound = 0;
  for (let i = 0; i < 40_000; i++) {
    const bytes = encoded(randomState(random));
    for (let flips = 1 + below(random, 3); flips > 0; flips--) {
      bytes[below(random, bytes.length)] = below(random, 4) === 0 ? 255 : below(random, 256);
    }
    const deltas = decoded(bytes);
    if (deltas === undefined) malformed++;
    else sound++;
    for (const { state } of deltas ?? []) {
      const into = randomState(random);
      merge(into, state);
      expect(merge(into, state).changed).toBe(false);
      expect(decoded(encoded(into))).toHaveLength(1);
    }
  }
  expect(malformed).toBeGreaterThan(10_000);
  expect(sound).toBeGreaterThan(1000);
});

test('random bytes and lying lengths are refused at once', () => {
  const random = seededRandom(4);
  for (let i = 0; i < 20_000; i++) {
    const bytes = Buffer.alloc(1 + below(random, 60), 0xff);
    for (let j = 0; j < bytes.length; j++) if (below(random, 3) > 0) bytes[j] = below(random, 256);
    bytes[0] = 1 + below(random, 4);
    decoded(bytes);
  }
  const lying = encoded(plainState(makeVersion(5, 0, 1), bytesOf('v'), 0));
  for (const at of [1, 5]) {
    const copy = Buffer.from(lying);
    copy.writeUInt32LE(0xffffffff, at);
    expect(decoded(copy)).toBeUndefined();
  }
});

describe('inconsistent bodies are refused', () => {
  const v = (ms: number): string => `02${Buffer.of(ms).toString('hex')}0000000000` + '0000' + '01000000';
  const body = (hex: string): Buffer => {
    const bytes = Buffer.from(hex, 'hex');
    const head = Buffer.alloc(9);
    head[0] = 4;
    head.writeUInt32LE(bytes.length, 5);
    return Buffer.concat([head, bytes]);
  };
  const cases: Record<string, string> = {
    'unknown flags': `20`,
    'until without expiry': `08${v(1)}`,
    'kind below clear': `03${v(9)}${v(8)}02`,
    'unknown type': `02${v(9)}08`,
    'value newer than the kind': `02${v(8)}02` + `0a0166${v(9)}0178`,
    'value of another type': `02${v(8)}02` + `0b016600`,
    'value without a kind': `00` + `0a0166${v(9)}0178`,
    'register below clear': `01${v(9)}` + `1a0166${v(8)}`,
    'register twice': `02${v(8)}02` + `0a0166000178`.repeat(2),
    'empty register': `02${v(8)}02` + `020166`,
    'no runs': `02${v(8)}02` + `42016600`,
    'runs of a set': `02${v(8)}03` + `430166` + `01` + `00` + `00` + `0101`,
    'runs of a list': `02${v(8)}05` + `45` + `01` + `00` + `00` + `0101`,
    'run that begins after its end': `02${v(8)}02` + `420166` + `01` + `00` + v(9) + `0101`,
    'run older than its value': `02${v(8)}02` + `4a0166${v(8)}0178` + `01` + v(7) + `00` + `0101`,
    'overlong integer': `02${v(8)}02` + `420166` + `01` + `00` + `00` + `020100`,
    'overlong length': `02${v(8)}02` + `0a8100` + `66` + `000178`,
    'version missing': `0100`,
  };
  test.each(Object.entries(cases))('%s', (_, hex) => expect(decoded(body(hex))).toBeUndefined());
  test('... while the sound ones of the same make are not', () => {
    expect(decoded(body(`02${v(8)}02` + `0a0166000178`))).toHaveLength(1);
    expect(decoded(body(`02${v(8)}02` + `420166` + `01` + `00` + `00` + `0101`))).toHaveLength(1);
    expect(decoded(body(`02${v(8)}05` + `0d000178`))).toHaveLength(1);
    expect(decoded(body(`00`))).toHaveLength(1);
  });
});
