// Versions, numbers, reading, editing and freeing one by one; random histories are in test/model.
import { describe, expect, test } from 'vitest';
import { below, bytesOf, latin1Of, seededRandom } from '../base/index.ts';
import {
  above,
  compareVersions,
  copyState,
  counterOf,
  DeltaWriter,
  digest,
  Edit,
  encodeDelta,
  forgetTombstones,
  free,
  isForgettable,
  KeyState,
  makeVersion,
  merge,
  NONE,
  nextVersion,
  originOf,
  parseTotal,
  type Register,
  registerOf,
  shownAt,
  shownTtlAt,
  shownType,
  shownValue,
  totalText,
  TYPE_HASH,
  TYPE_SET,
  TYPE_STRING,
  TYPE_ZSET,
  type Version,
} from './index.ts';

const at = (ms: number, origin = 1): Version => makeVersion(ms, 0, origin);

function edit(s: KeyState, v: Version, now: number, act: (e: Edit) => void): ReturnType<Edit['finish']> {
  const e = new Edit(s, v, now);
  act(e);
  return e.finish();
}

function sorted(s: KeyState): string {
  const writer = new DeltaWriter();
  const fields = [...s.registers].flatMap(([type, held]) =>
    [...held.keys()].map((field) => [type, field] as const),
  );
  encodeDelta(
    writer,
    bytesOf('k'),
    s,
    fields.sort((a, b) => a[0] - b[0] || (a[1] < b[1] ? -1 : 1)),
  );
  return writer.take().toString('hex');
}

function shownText(s: KeyState): string {
  const value = shownValue(registerOf(s, TYPE_STRING, '') as Register, TYPE_STRING);
  return latin1Of(value as Buffer);
}

describe('versions', () => {
  test('order: ms, counter, origin; just above carries into none of them', () => {
    const ordered = [
      NONE,
      at(1, 1),
      above(at(1, 1)),
      at(1, 3),
      makeVersion(1, 1, 1),
      at(2, 1),
      above(at(2, 0xfffffffe)),
    ];
    const versions = [...ordered, makeVersion(2, 1, 0)];
    for (let i = 1; i < versions.length; i++) {
      expect(compareVersions(versions[i - 1] as Version, versions[i] as Version)).toBeLessThan(0);
    }
    expect(originOf(above(at(2, 0xfffffffe)))).toBe(0xffffffff);
  });

  test('the next version: now, or the next counter, which carries into the ms', () => {
    expect(nextVersion(5, 3, NONE)).toEqual(makeVersion(5, 0, 3));
    expect(nextVersion(5, 3, at(5, 2))).toEqual(makeVersion(5, 0, 3));
    expect(nextVersion(5, 3, at(5, 3))).toEqual(makeVersion(5, 1, 3));
    expect(nextVersion(5, 3, makeVersion(9, 7, 1))).toEqual(makeVersion(9, 8, 3));
    expect(nextVersion(5, 3, makeVersion(9, 65535, 1))).toEqual(makeVersion(10, 0, 3));
    expect(counterOf(makeVersion(2 ** 47, 65535, 0xfffffffe))).toBe(65535);
  });
});

describe('numbers', () => {
  test('what counts as one', () => {
    expect(parseTotal('-9223372036854775808')).toBe(-9223372036854775808n);
    expect(parseTotal('9223372036854775808')).toBe(9223372036854775808);
    expect(parseTotal('3.0e3')).toBe(3000);
    expect(parseTotal('0')).toBe(0n);
    expect(parseTotal('01')).toBe(1n);
    for (const text of ['', 'x', ' 1', '1 ', '0x10', 'inf', 'nan', '1e999', '--1', '.', '1e']) {
      expect(parseTotal(text), text).toBeUndefined();
    }
  });

  test('texts of floats have no exponent', () => {
    const texts = [0.1 + 0.2, 1e21, -1.5e22, 1.25e-7, -0, 1e-20, 5.5, 123456789012345680000].map(totalText);
    expect(texts).toEqual([
      '0.30000000000000004',
      '1000000000000000000000',
      '-15000000000000000000000',
      '0.000000125',
      '0',
      '0',
      '5.5',
      '123456789012345680000',
    ]);
  });

  test('integers are exact past 2^53, and clamped once, at the end', () => {
    const s = new KeyState();
    edit(s, at(10, 1), 10, (e) => e.put(TYPE_STRING, '', bytesOf('9007199254740993')));
    edit(s, at(11, 2), 11, (e) => e.add(TYPE_STRING, '', 2n));
    expect(shownText(s)).toBe('9007199254740995');
    edit(s, at(12, 3), 12, (e) => e.add(TYPE_STRING, '', 9223372036854775807n));
    expect(shownText(s)).toBe('9223372036854775807');
    edit(s, at(13, 4), 13, (e) => e.add(TYPE_STRING, '', -9223372036854775807n));
    expect(shownText(s)).toBe('9007199254740995');
  });

  test('a float anywhere makes doubles, added in the order of origins', () => {
    const s = new KeyState();
    edit(s, at(11, 9), 11, (e) => e.add(TYPE_STRING, '', 0.3));
    edit(s, at(12, 2), 12, (e) => e.add(TYPE_STRING, '', 0.1));
    edit(s, at(13, 3), 13, (e) => e.add(TYPE_STRING, '', 0.2));
    expect(shownText(s)).toBe(String(0 + 0.1 + 0.2 + 0.3));
    edit(s, at(14, 1), 14, (e) => e.put(TYPE_STRING, '', bytesOf('x')));
    edit(s, at(15, 2), 15, (e) => e.add(TYPE_STRING, '', 1n));
    expect(shownText(s)).toBe('x');
  });

  test('infinite scores that cancel show as 0', () => {
    const s = new KeyState();
    edit(s, at(10, 1), 10, (e) => e.put(TYPE_ZSET, 'm', Infinity));
    edit(s, at(11, 2), 11, (e) => e.add(TYPE_ZSET, 'm', -Infinity));
    expect(shownValue(registerOf(s, TYPE_ZSET, 'm') as Register, TYPE_ZSET)).toBe(0);
  });
});

describe('reading', () => {
  const s = new KeyState();
  edit(s, at(10), 10, (e) => e.put(TYPE_HASH, 'f', '1'));
  edit(s, at(11), 11, (e) => e.expire(100));

  test('an expiry fires at its time, and nothing is changed by looking', () => {
    const before = sorted(s);
    expect([shownType(s, 99), shownTtlAt(s, 99)]).toEqual([TYPE_HASH, 100]);
    expect([shownType(s, 100), shownTtlAt(s, 100)]).toEqual([0, 0]);
    expect(shownAt(s, 99)).toBe(s);
    expect(shownAt(s, 100).registers.size).toBe(0);
    expect(sorted(s)).toBe(before);
  });

  test('freeing drops the dead and keeps the header; the newest falls back', () => {
    const freed = copyState(s);
    expect(free(freed, 99)).toBe(false);
    expect(free(freed, 100)).toBe(true);
    expect(free(freed, 100)).toBe(false);
    expect(freed.registers.size).toBe(0);
    expect([freed.type, freed.expiryAt, freed.live]).toEqual([TYPE_HASH, 100, 0]);
    expect(digest(freed, 100)).toBe('');
    expect(digest(s, 100)).toBe('');
    expect(digest(s, 99)).not.toBe(digest(freed, 99));
  });
});

describe('editing', () => {
  test('removing what is not shown changes nothing', () => {
    const s = new KeyState();
    edit(s, at(10), 10, (e) => e.put(TYPE_HASH, 'f', '1'));
    const before = sorted(s);
    const done = edit(s, at(11), 11, (e) => {
      expect(e.remove(TYPE_HASH, 'g')).toBe(false);
      expect(e.remove(TYPE_SET, 'f')).toBe(false);
    });
    expect(done).toEqual({ changed: false, whole: false, fields: [] });
    expect(sorted(s)).toBe(before);
    expect(edit(s, at(12), 12, (e) => e.remove(TYPE_HASH, 'f')).fields).toEqual([[TYPE_HASH, 'f']]);
    expect(edit(s, at(13), 13, (e) => e.remove(TYPE_HASH, 'f')).changed).toBe(false);
  });

  test('PERSIST without a TTL changes nothing', () => {
    const s = new KeyState();
    edit(s, at(10), 10, (e) => e.put(TYPE_HASH, 'f', '1'));
    expect(edit(s, at(11), 11, (e) => e.expire(0)).changed).toBe(false);
  });

  test('a change of the expiry carries the whole key up to 16 KB, an overwrite always', () => {
    const s = new KeyState();
    edit(s, at(10), 10, (e) => e.put(TYPE_HASH, 'f', 'x'));
    expect(edit(s, at(11), 11, (e) => e.expire(99)).whole).toBe(true);
    expect(edit(s, at(12), 12, (e) => e.put(TYPE_HASH, 'g', 'x'.repeat(16 * 1024))).whole).toBe(false);
    expect(edit(s, at(13), 13, (e) => e.expire(98)).whole).toBe(false);
    expect(edit(s, at(14), 14, (e) => e.overwrite()).whole).toBe(true);
  });

  test('one field of a large hash costs no scan', () => {
    const s = new KeyState();
    const n = 200_000;
    for (let i = 0; i < n; i++) edit(s, at(10 + i), 10 + i, (e) => e.put(TYPE_HASH, `f${i}`, '1'));
    const now = 10 + n;
    edit(s, at(now), now, (e) => e.expire(now + 1e9));
    const fields = s.registers.get(TYPE_HASH);
    let visited = 0;
    const values = fields?.values.bind(fields);
    if (fields !== undefined && values !== undefined) fields.values = () => ((visited += n), values());
    for (let i = 1; i < 1000; i++) {
      edit(s, at(now + i), now + i, (e) => {
        e.put(TYPE_HASH, `f${i}`, '2');
        e.add(TYPE_HASH, `f${i}`, 2n);
        e.remove(TYPE_HASH, `f${i + 5}`);
      });
      shownType(s, now + i);
    }
    expect(visited).toBe(0);
    expect(s.live).toBe(n - 5);
  });
});

describe('a key made again under a pending TTL', () => {
  test('many old tombstones are not searched at every write', () => {
    const s = new KeyState();
    const n = 10_000;
    edit(s, at(1), 1, (e) => {
      for (let i = 0; i < n; i++) e.put(TYPE_SET, `f${i}`, true);
      e.expire(1e9);
    });
    for (let i = 0; i < n; i++) edit(s, at(2 + i), 2 + i, (e) => e.remove(TYPE_SET, `f${i}`));
    edit(s, at(20_000), 20_000, (e) => e.put(TYPE_SET, 'g', true));
    expect(compareVersions(s.until, at(20_000))).toBe(0);
    const fields = s.registers.get(TYPE_SET);
    let searches = 0;
    const values = fields?.values.bind(fields);
    if (fields !== undefined && values !== undefined) fields.values = () => (searches++, values());
    for (let i = 0; i < 100; i++) {
      const now = 20_001 + i;
      edit(s, at(now), now, (e) => e.put(TYPE_SET, `h${i}`, true));
      expect(shownTtlAt(s, now)).toBe(0);
    }
    expect(searches).toBe(0);
  });
});

describe('merging', () => {
  test('equal versions that differ: the same one wins everywhere, counted; also in threes', () => {
    const random = seededRandom(7);
    let conflicts = 0;
    for (let i = 0; i < 20_000; i++) {
      const [x, y, z] = [0, 1, 2].map(() => colliding(below(random, 1 << 30))) as [
        KeyState,
        KeyState,
        KeyState,
      ];
      const left = copyState(x);
      conflicts += merge(left, y).conflicts;
      merge(left, z);
      const right = copyState(z);
      merge(right, y);
      merge(right, x);
      const inner = copyState(y);
      merge(inner, z);
      merge(inner, x);
      expect(sorted(right)).toBe(sorted(left));
      expect(sorted(inner)).toBe(sorted(left));
      for (const part of [x, y, z]) expect(merge(left, part).changed).toBe(false);
    }
    expect(conflicts).toBeGreaterThan(500);
  });

  /** A hash made of few versions, so that different content meets under the same one. */
  function colliding(seed: number): KeyState {
    const random = seededRandom(seed);
    const s = new KeyState();
    for (let ms = 1; ms <= 2; ms++) {
      if (below(random, 4) === 0) continue;
      const v = at(ms, 1);
      edit(s, v, ms, (e) => {
        const field = `f${below(random, 2)}`;
        const dice = below(random, 5);
        if (dice === 0) e.overwrite();
        else if (dice === 1) e.remove(TYPE_HASH, field);
        else if (dice === 2) e.add(TYPE_HASH, field, BigInt(below(random, 3)));
        else if (dice === 3) e.expire(5 + below(random, 3));
        else e.put(TYPE_HASH, field, String(below(random, 3)));
      });
    }
    return s;
  }

  test('the merged state shares nothing that changes', () => {
    const a = new KeyState();
    edit(a, at(10, 1), 10, (e) => e.add(TYPE_HASH, 'f', 1n));
    const b = new KeyState();
    merge(b, a);
    edit(b, at(11, 2), 11, (e) => e.add(TYPE_HASH, 'f', 1n));
    edit(b, at(12, 2), 12, (e) => e.put(TYPE_HASH, 'f', 'x'));
    expect(registerOf(a, TYPE_HASH, 'f')?.runs?.size).toBe(1);
    expect(registerOf(a, TYPE_HASH, 'f')?.value).toBeUndefined();
  });

  test('what went away is told from what was replaced', () => {
    const a = new KeyState();
    edit(a, at(10, 1), 10, (e) => e.put(TYPE_HASH, 'f', '1'));
    const newer = new KeyState();
    edit(newer, at(11, 2), 11, (e) => e.put(TYPE_HASH, 'f', '2'));
    expect(merge(a, newer)).toEqual({ changed: true, conflicts: 0, dropped: false });
    const deleted = new KeyState();
    edit(deleted, at(12, 2), 12, (e) => e.overwrite());
    expect(merge(a, deleted)).toEqual({ changed: true, conflicts: 0, dropped: true });
    expect(merge(a, deleted)).toEqual({ changed: false, conflicts: 0, dropped: false });
  });
});

test('forgetting drops old tombstones without runs, and whole keys that show nothing', () => {
  const s = new KeyState();
  edit(s, at(10), 10, (e) => {
    e.put(TYPE_HASH, 'f', '1');
    e.put(TYPE_HASH, 'g', '1');
  });
  edit(s, at(11), 11, (e) => e.remove(TYPE_HASH, 'f'));
  expect(forgetTombstones(s, at(11))).toBe(false);
  expect(forgetTombstones(s, at(12))).toBe(true);
  expect([...(s.registers.get(TYPE_HASH)?.keys() ?? [])]).toEqual(['g']);
  expect(compareVersions(s.newest, at(10))).toBe(0);
  expect(isForgettable(s, 100, 50)).toBe(false);
  edit(s, at(12), 12, (e) => e.overwrite());
  expect(isForgettable(s, 100, 12)).toBe(false);
  expect(isForgettable(s, 100, 13)).toBe(true);
});
