// Fingerprints: the same whatever way a state was built, another one for whatever must be repaired.
import { describe, expect, test } from 'vitest';
import { below, bytesOf, type Random, seededRandom, STABLE_MS, YOUNG_MS } from '../base/index.ts';
import {
  copyState,
  DEAD,
  decodeDeltas,
  DeltaWriter,
  deletedState,
  Edit,
  encodeDelta,
  Fingerprint,
  fingerprintOf,
  forgetSeen,
  forgetTombstones,
  free,
  keyHash,
  KeyState,
  makeVersion,
  merge,
  plainState,
  SETTLED,
  shownAt,
  shownType,
  TYPE_HASH,
  TYPE_SET,
  TYPE_STRING,
  TYPE_ZSET,
  YOUNG,
} from './index.ts';

const NOW = 10_000_000_000;
/** Long ago, but not so long that it may be forgotten. */
const SETTLED_MS = NOW - 60_000;
const OLD_MS = NOW - STABLE_MS - 1;

function edited(s: KeyState, ms: number, act: (edit: Edit) => void, origin = 1): KeyState {
  const edit = new Edit(s, makeVersion(ms, 0, origin), ms);
  act(edit);
  edit.finish();
  return s;
}

function print(s: KeyState, atMs = NOW, key = 'key'): string {
  const { low, high, standing } = fingerprintOf(key, s, atMs);
  return `${low} ${high} ${standing}`;
}

function encoded(s: KeyState): Buffer {
  const writer = new DeltaWriter();
  encodeDelta(writer, bytesOf('key'), s, 'whole');
  return writer.take();
}

function randomEdit(random: Random, now: number): (edit: Edit) => void {
  const field = ['', 'f', 'g', 'h'][below(random, 4)];
  const number = 1 + below(random, 9);
  const effects: ((edit: Edit) => void)[] = [
    (edit) => edit.put(TYPE_HASH, field, `v${number}`),
    (edit) => edit.put(TYPE_HASH, field, 'x'),
    (edit) => edit.add(TYPE_HASH, field, BigInt(number)),
    (edit) => edit.add(TYPE_HASH, field, BigInt(number)),
    (edit) => void edit.remove(TYPE_HASH, field),
    (edit) => edit.put(TYPE_SET, field, true),
    (edit) => edit.put(TYPE_ZSET, field, number / 3),
    (edit) => edit.put(TYPE_STRING, '', Buffer.from(`${number}`)),
    (edit) => edit.overwrite(),
    (edit) => edit.expire(now + 1 + below(random, 3000)),
    (edit) => edit.expire(0),
  ];
  return effects[below(random, effects.length)] as (edit: Edit) => void;
}

interface History {
  readonly deltas: KeyState[];
  readonly endMs: number;
}

/** Deltas of three sites, each of which saw some of the others' before. */
function randomHistory(random: Random): History {
  const sites = [new KeyState(), new KeyState(), new KeyState()];
  const deltas: KeyState[] = [];
  let now = NOW - below(random, 2 * STABLE_MS);
  for (let i = 0; i < 4 + below(random, 12); i++) {
    now += below(random, below(random, 8) === 0 ? STABLE_MS : 2000);
    const site = below(random, 3);
    const state = sites[site] as KeyState;
    for (const delta of deltas) if (below(random, 3) === 0) merge(freed(state, now), delta);
    const ms = Math.max(now, state.newest.ms + 1);
    edited(state, ms, randomEdit(random, now), site + 1);
    deltas.push(copyState(state));
  }
  return { deltas, endMs: now };
}

function freed(s: KeyState, now: number): KeyState {
  free(s, now);
  return s;
}

describe('equal states', () => {
  test('merged in any order, freed before or not, through bytes: one fingerprint', () => {
    const random = seededRandom(41);
    const seen = new Set<string>();
    for (let round = 0; round < 3000; round++) {
      const { deltas, endMs } = randomHistory(random);
      const atMs = endMs + below(random, below(random, 2) === 0 ? 4000 : 2 * STABLE_MS);
      const prints = [0, 1, 2].map((way) => {
        const state = new KeyState();
        const shuffled = deltas.map((delta) => ({ delta, order: random.uint32() }));
        for (const { delta } of shuffled.sort((a, b) => a.order - b.order)) {
          merge(state, delta);
        }
        if (way === 1) free(state, endMs);
        const [through] = way === 2 ? decodeDeltas(encoded(state)) : [];
        return print(through?.state ?? state, atMs);
      });
      expect(new Set(prints).size, `round ${round}`).toBe(1);
      seen.add(prints[0] as string);
    }
    expect(seen.size).toBeGreaterThan(1500);
  });

  test('what may be forgotten does not count, and forgetting it changes nothing that shows', () => {
    const random = seededRandom(42);
    let forgot = 0;
    for (let round = 0; round < 3000; round++) {
      const { deltas, endMs } = randomHistory(random);
      const state = new KeyState();
      for (const delta of deltas) merge(state, delta);
      const atMs = endMs + below(random, 2 * STABLE_MS);
      const before = { ms: atMs - STABLE_MS, tail: 0 };
      const less = copyState(state);
      const went = [forgetTombstones(less, before), forgetSeen(less, before)];
      if (went.includes(true)) forgot++;
      expect(print(less, atMs), `round ${round}`).toBe(print(state, atMs));
      const shown = (s: KeyState): unknown => [shownType(s, atMs), liveOf(shownAt(s, atMs))];
      expect(shown(less)).toEqual(shown(state));
    }
    expect(forgot).toBeGreaterThan(100);
  });

  test('a site that still holds what a register has seen, and one that let it go: no conflict', () => {
    const held = edited(new KeyState(), OLD_MS - 5, (edit) => edit.add(TYPE_HASH, 'n', 5n), 2);
    edited(held, OLD_MS - 2, (edit) => edit.put(TYPE_HASH, 'n', '1'));
    const released = copyState(held);
    expect(forgetSeen(released, { ms: OLD_MS, tail: 0 })).toBe(true);
    expect(print(released)).toBe(print(held));
    expect(merge(copyState(released), held).conflicts).toBe(0);
    expect(merge(copyState(held), released)).toMatchObject({ changed: false, conflicts: 0 });
    const other = copyState(released);
    const register = other.registers.get(TYPE_HASH)?.get('n');
    if (register !== undefined) register.value = '2';
    expect(merge(copyState(held), other).conflicts).toBe(1);
  });

  test('a plain delta: as bytes and as a state, at every place in a buffer', () => {
    const fingerprint = new Fingerprint();
    const v = makeVersion(SETTLED_MS, 7, 99);
    const states = [
      plainState(v, Buffer.from('value'), 0),
      plainState(v, Buffer.alloc(0), 0),
      plainState(v, Buffer.from('\xff\0abc', 'latin1'), NOW + 5),
      plainState(v, Buffer.from('gone'), NOW - 5),
      deletedState(v),
      deletedState(makeVersion(OLD_MS, 0, 3)),
      plainState(makeVersion(NOW - 1, 0, 3), Buffer.from('young'), 0),
    ];
    for (const state of states)
      for (let pad = 0; pad < 5; pad++) {
        const delta = encoded(state);
        const bytes = Buffer.concat([Buffer.alloc(pad, 7), delta, Buffer.alloc(3, 9)]);
        fingerprint.ofPlainDelta(bytes, pad, pad + delta.length, NOW);
        const { low, high, standing } = fingerprint;
        expect(`${low} ${high} ${standing}`).toBe(print(state));
      }
  });

  test('the state is not changed by looking at it', () => {
    const state = edited(new KeyState(), OLD_MS, (edit) => edit.put(TYPE_HASH, 'f', 'v'));
    edited(state, OLD_MS + 1, (edit) => edit.put(TYPE_HASH, 'g', 'v'));
    edited(state, OLD_MS + 2, (edit) => void edit.remove(TYPE_HASH, 'f'));
    edited(state, OLD_MS + 3, (edit) => edit.expire(NOW - 10));
    const before = encoded(state).toString('hex');
    const { newest } = state;
    print(state, NOW + STABLE_MS * 3);
    expect(encoded(state).toString('hex')).toBe(before);
    expect(state.newest).toEqual(newest);
  });
});

/** What is live: registers without tombstones. */
function liveOf(s: KeyState): unknown {
  const live: unknown[] = [];
  for (const [type, fields] of s.registers)
    for (const [field, { v, value, runs }] of fields)
      if (typeof value !== 'symbol' || runs !== undefined) live.push([type, field, v, String(value), runs]);
  return live;
}

describe('states that must be repaired', () => {
  test('differ in every part', () => {
    const base = (): KeyState => {
      const s = edited(new KeyState(), SETTLED_MS, (edit) => edit.put(TYPE_HASH, 'f', 'v'));
      edited(s, SETTLED_MS + 1, (edit) => edit.add(TYPE_HASH, 'n', 5n), 2);
      edited(s, SETTLED_MS + 2, (edit) => edit.put(TYPE_HASH, 'n', '1'));
      edited(s, SETTLED_MS + 3, (edit) => edit.add(TYPE_HASH, 'n', 6n), 2);
      edited(s, SETTLED_MS + 4, (edit) => edit.expire(NOW + 1000));
      edited(s, SETTLED_MS + 5, (edit) => edit.put(TYPE_HASH, 'gone', 'v'));
      return edited(s, SETTLED_MS + 6, (edit) => void edit.remove(TYPE_HASH, 'gone'));
    };
    const register = (s: KeyState, field: string) => {
      const held = s.registers.get(TYPE_HASH)?.get(field);
      if (held === undefined) throw new Error('no such register');
      return held;
    };
    const v = makeVersion(SETTLED_MS, 0, 1);
    const changes: Record<string, (s: KeyState) => void> = {
      nothing: () => {},
      clear: (s) => Object.assign(s, { clear: makeVersion(1, 0, 1) }),
      'clear counter': (s) => Object.assign(s, { clear: makeVersion(1, 1, 1) }),
      'clear origin': (s) => Object.assign(s, { clear: makeVersion(1, 0, 2) }),
      kind: (s) => Object.assign(s, { kindV: makeVersion(SETTLED_MS + 9, 0, 1) }),
      'expiry version': (s) => Object.assign(s, { expiryV: makeVersion(SETTLED_MS + 9, 0, 1) }),
      'expiry time': (s) => Object.assign(s, { expiryAt: NOW + 1001 }),
      'no expiry': (s) => Object.assign(s, { expiryAt: 0 }),
      until: (s) => Object.assign(s, { until: makeVersion(SETTLED_MS + 5, 0, 1) }),
      reach: (s) => Object.assign(s, { reach: makeVersion(SETTLED_MS + 9, 0, 1) }),
      'another value': (s) => void (register(s, 'f').value = 'w'),
      'another version': (s) => void (register(s, 'f').v = makeVersion(SETTLED_MS - 1, 0, 1)),
      'a field less': (s) => void s.registers.get(TYPE_HASH)?.delete('f'),
      'a field more': (s) =>
        void s.registers.get(TYPE_HASH)?.set('more', { ...register(s, 'f'), runs: undefined }),
      'a tombstone less': (s) => void s.registers.get(TYPE_HASH)?.delete('gone'),
      'a run less': (s) => void (register(s, 'n').runs = undefined),
      'another total': (s) => void register(s, 'n').runs?.set(2, { v, start: v, total: 7n }),
      'another start': (s) =>
        void register(s, 'n').runs?.set(2, {
          ...(register(s, 'n').runs?.get(2) ?? { v, total: 0n }),
          start: v,
        }),
      'a double for an integer': (s) => {
        const run = register(s, 'n').runs?.get(2);
        if (run !== undefined) register(s, 'n').runs?.set(2, { ...run, total: 6 });
      },
      'seen less': (s) => void (register(s, 'n').seen = undefined),
      'seen other': (s) => void (register(s, 'n').seen = new Map([[2, { start: v, total: 4n }]])),
    };
    const prints = new Map<string, string>();
    for (const [name, change] of Object.entries(changes)) {
      const state = base();
      change(state);
      prints.set(print(state), name);
    }
    expect(prints.size).toBe(Object.keys(changes).length);
    expect(print(base(), NOW, 'kez')).not.toBe(print(base()));
  });

  test('a plain value differs from every other near it', () => {
    const prints = new Set<string>();
    let made = 0;
    const note = (s: KeyState, key = 'key'): void => {
      prints.add(print(s, NOW, key));
      made++;
    };
    const v = makeVersion(SETTLED_MS, 0, 1);
    for (let i = 0; i < 256; i++) note(plainState(v, Buffer.from([i]), 0));
    for (let i = 2; i < 40; i++) note(plainState(v, Buffer.alloc(i), 0));
    for (let i = 1; i < 200; i++) note(plainState(makeVersion(SETTLED_MS - i, 0, 1), Buffer.from('v'), 0));
    for (let i = 1; i < 200; i++) note(plainState(makeVersion(SETTLED_MS, i, 1), Buffer.from('v'), 0));
    for (let i = 2; i < 200; i++) note(plainState(makeVersion(SETTLED_MS, 0, i), Buffer.from('v'), 0));
    for (let i = 1; i < 200; i++) note(plainState(v, Buffer.from('v'), NOW + i));
    for (let i = 0; i < 200; i++) note(plainState(v, Buffer.from('v'), 0), `k${i}`);
    note(plainState(v, Buffer.from('yv'), 0), 'ke');
    note(deletedState(v));
    expect(prints.size).toBe(made);
  });
});

describe('standing', () => {
  const hash = (ms: number): KeyState => edited(new KeyState(), ms, (edit) => edit.put(TYPE_HASH, 'f', 'v'));
  const gone = (ms: number): KeyState => edited(hash(ms - 1), ms, (edit) => void edit.remove(TYPE_HASH, 'f'));
  const text = (ms: number, at: number): KeyState => plainState(makeVersion(ms, 0, 1), Buffer.from('v'), at);
  const cases: [string, KeyState, number][] = [
    ['shows and is old', hash(OLD_MS), SETTLED],
    ['shows and was just written', hash(NOW - YOUNG_MS + 1), YOUNG],
    ['shows and was written YOUNG_MS ago', hash(NOW - YOUNG_MS), SETTLED],
    ['was written a little later by another clock', hash(NOW + YOUNG_MS - 1), YOUNG],
    ['was written by a clock far ahead', hash(NOW + YOUNG_MS), SETTLED],
    ['deleted lately', gone(SETTLED_MS), SETTLED],
    ['deleted just now', gone(NOW - 1), YOUNG],
    ['deleted STABLE_MS ago', gone(NOW - STABLE_MS), SETTLED],
    ['deleted before that', gone(OLD_MS), DEAD],
    ['a header of a deletion, old', deletedState(makeVersion(OLD_MS, 0, 1)), DEAD],
    ['a header of a deletion, lately', deletedState(makeVersion(SETTLED_MS, 0, 1)), SETTLED],
    ['expired, however young', text(NOW - 2, NOW), DEAD],
    ['expires next', text(SETTLED_MS, NOW + 1), SETTLED],
    ['nothing', new KeyState(), DEAD],
  ];
  for (const [name, state, standing] of cases)
    test(name, () => {
      const found = fingerprintOf('key', state, NOW);
      expect(found.standing).toBe(standing);
      if (standing === DEAD) expect([found.low, found.high]).toEqual([0, 0]);
      else expect(found.low).not.toBe(0);
    });
});

describe('the hash', () => {
  test('every bit of a key reaches every bit of its hash', () => {
    const random = seededRandom(5);
    const flips = new Array<number>(32).fill(0);
    let tries = 0;
    for (let round = 0; round < 400; round++) {
      const key = Buffer.from(Array.from({ length: 1 + below(random, 24) }, () => below(random, 256)));
      const hash = keyHash(key, 0, key.length);
      for (let bit = 0; bit < key.length * 8; bit++) {
        const other = Buffer.from(key);
        other[bit >> 3] = (other[bit >> 3] as number) ^ (1 << (bit & 7));
        const difference = hash ^ keyHash(other, 0, other.length);
        for (let i = 0; i < 32; i++) flips[i] = (flips[i] as number) + ((difference >>> i) & 1);
        tries++;
      }
    }
    for (const count of flips) expect(Math.abs(count / tries - 0.5)).toBeLessThan(0.02);
  });

  test('names in a row spread over all parts, and the lanes of their states never meet', () => {
    const parts = new Array<number>(256).fill(0);
    const lanes = new Set<string>();
    const lows = new Set<number>();
    const fingerprint = new Fingerprint();
    const count = 50_000;
    for (let i = 0; i < count; i++) {
      const key = Buffer.from(`stream:${i}`);
      const part = keyHash(key, 0, key.length) >>> 24;
      parts[part] = (parts[part] as number) + 1;
      fingerprint.of(key, plainState(makeVersion(SETTLED_MS + (i >> 4), 0, 1), Buffer.from('v'), 0), NOW);
      lanes.add(`${fingerprint.low} ${fingerprint.high}`);
      lows.add(fingerprint.low);
    }
    for (const found of parts) expect(Math.abs(found - count / 256)).toBeLessThan(80);
    expect(lanes.size).toBe(count);
    expect(lows.size).toBeGreaterThan(count - 5);
  });

  test('is the same on every machine and in every release', () => {
    expect(keyHash(bytesOf('key'), 0, 3)).toBe(148_626_495);
  });
});
