// The store with its plain forms and fast paths against bare states under random commands, merges and expiry.
import { describe, expect, test, vi } from 'vitest';
import { below, bytesOf, type Random, seededRandom, silentLogger } from '../../base/index.ts';
import type { Edit, ValueType } from '../../crdt/index.ts';
import { type EmbeddedStore, openEmbeddedStore } from './index.ts';
import { heldDigest, ManualClock, ModelSite, viewOf } from './testing.ts';

// Long runs on machines that are busy with others.
vi.setConfig({ testTimeout: 60_000 });

const KEYS = ['a', 'b', 'c', 'd'];
const START = 1_200_000;

interface Site {
  readonly clock: ManualClock;
  readonly store: EmbeddedStore;
  readonly model: ModelSite;
}

function openSite(origin: number): Site {
  const clock = new ManualClock(START);
  const store = openEmbeddedStore({
    clock,
    random: seededRandom(origin),
    logger: silentLogger,
    origin,
    activeExpiry: false,
  });
  return { clock, store, model: new ModelSite(origin) };
}

type Effect = readonly [string, (edit: Edit) => void, (site: Site) => void];

/** A random command on a key that the site may execute now; counted by name. */
function randomEffect(random: Random, site: Site, counts: Map<string, number>): Effect {
  const key = KEYS[below(random, KEYS.length)];
  const { keyspace } = site.store;
  const now = site.clock.time;
  const type = keyspace.type(key);
  const ttl = below(random, 3) === 0 ? now + 1 + below(random, 400) : 0;
  const text = ['1', '7', 'x', 'y'.repeat(below(random, 90)), 'z'.repeat(61_000)][below(random, 20) % 5];
  const value = bytesOf(below(random, 30) === 0 ? text : text.slice(0, 100));
  const field = ['f', 'g', 'h'][below(random, 3)];
  const amount = BigInt(1 + below(random, 9));
  const set: Effect = [
    key,
    (edit) => {
      edit.overwrite();
      edit.put(1, '', value);
      if (ttl !== 0) edit.expire(ttl);
    },
    () => {
      const bytes = Buffer.concat([Buffer.from(key), value]);
      keyspace.setString(bytes, 0, key.length, key.length, bytes.length, ttl);
    },
  ];
  const choices: [string, Effect | undefined][] = [
    ['set', set],
    ['set', set],
    ['set', set],
    ['del', type === 0 ? undefined : [key, (e) => e.overwrite(), () => keyspace.remove(key)]],
    ['overwrite', [key, (e) => e.overwrite(), () => keyspace.overwrite(key)]],
    ['expire', type === 0 ? undefined : [key, (e) => e.expire(ttl), () => keyspace.expire(key, ttl)]],
    ['past', type === 0 ? undefined : [key, (e) => e.expire(now - 1), () => keyspace.expire(key, now - 1)]],
    [
      'append',
      type > 1 ? undefined : [key, (e) => e.put(1, '', value), () => keyspace.putString(key, value)],
    ],
    [
      'incr',
      type > 1 ? undefined : [key, (e) => e.add(1, '', amount), () => keyspace.addString(key, amount)],
    ],
    ...collection(key, field, { site, type, amount }),
  ];
  for (;;) {
    const [name, effect] = choices[below(random, choices.length)];
    if (effect === undefined) continue;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    return effect;
  }
}

function collection(
  key: string,
  field: string,
  { site, type, amount }: { site: Site; type: ValueType | 0; amount: bigint },
): [string, Effect | undefined][] {
  const { keyspace } = site.store;
  return ([2, 3, 4] as const).flatMap((of): [string, Effect | undefined][] => {
    if (type !== 0 && type !== of) return [];
    const value = of === 2 ? 'v' : of === 3 ? true : Number(amount);
    const remove = (): void => {
      keyspace.removeField(key, of, field);
    };
    return [
      [`put${of}`, [key, (e) => e.put(of, field, value), () => keyspace.putField(key, of, field, value)]],
      [`remove${of}`, [key, (e) => e.remove(of, field), remove]],
      [
        `add${of}`,
        of === 3
          ? undefined
          : [key, (e) => e.add(of, field, amount), () => keyspace.addField(key, of, field, amount)],
      ],
    ];
  });
}

function storeView(store: EmbeddedStore, key: string): string {
  const { keyspace } = store;
  const type = keyspace.type(key);
  if (type === 0) return '-';
  const fields: string[] = [];
  if (type === 1) fields.push(`=${keyspace.getString(key)}`);
  if (type === 2)
    for (const [field, value] of keyspace.hash(key)?.entries() ?? []) fields.push(`${field}=${value}`);
  if (type === 3) for (const member of keyspace.set(key)?.members() ?? []) fields.push(`${member}=true`);
  if (type === 4) {
    const view = keyspace.zset(key);
    let last = { member: '', score: Number.NEGATIVE_INFINITY };
    for (const element of view?.range(0, view.size) ?? []) {
      expect(
        last.score < element.score || (last.score === element.score && last.member < element.member),
      ).toBe(true);
      expect(view?.at(view.rank(element.member))).toEqual(element);
      fields.push(`${element.member}=${element.score}`);
      last = element;
    }
  }
  return `${type} ${fields.sort().join(',')} ${keyspace.expiresAt(key)}`;
}

function checkSite({ store, model, clock }: Site): void {
  let shown = 0;
  for (const key of KEYS) {
    expect(heldDigest(store.stateOf(key))).toBe(heldDigest(model.states.get(key)));
    const view = model.view(key, clock.time);
    expect(storeView(store, key)).toBe(view);
    expect(viewOf(store.stateOf(key), clock.time)).toBe(view);
    const found = store.keyspace.findString(Buffer.from(key), 0, key.length);
    const { bytes, start, end } = store.keyspace.found;
    expect(found).toBe(view === '-' ? 0 : view.startsWith('1 ') ? 1 : -1);
    if (found === 1) expect(store.keyspace.getString(key)?.equals(bytes.subarray(start, end))).toBe(true);
    if (view !== '-') shown++;
  }
  expect(store.keyspace.size).toBeGreaterThanOrEqual(shown);
}

function runUnit(random: Random, site: Site, counts: Map<string, number>): void {
  const { store, model, clock } = site;
  if (below(random, 3) > 0) {
    const [key, edit, execute] = randomEffect(random, site, counts);
    execute(site);
    model.unit(clock.time, [key], [[key, edit]]);
    return;
  }
  store.keyspace.begin(clock.time);
  for (const key of KEYS) store.keyspace.name(key);
  const effects: [string, (edit: Edit) => void][] = [];
  for (let n = 2 + below(random, 3); n > 0; n--) {
    const [key, edit, execute] = randomEffect(random, site, counts);
    execute(site);
    effects.push([key, edit]);
  }
  store.keyspace.end();
  model.unit(clock.time, KEYS, effects);
}

function history(seed: number, counts: Map<string, number>): void {
  const random = seededRandom(seed);
  const sites = [openSite(1), openSite(2), openSite(3)];
  const deltas: Buffer[] = [];
  for (let step = 0; step < 40; step++) {
    const site = sites[below(random, sites.length)];
    const what = below(random, 10);
    if (what < 6) runUnit(random, site, counts);
    else if (what === 6) for (const { clock } of sites) clock.time += below(random, 150);
    else if (what === 7 && below(random, 4) === 0) site.clock.time += below(random, 300) - 150;
    else if (what === 8) {
      site.store.freeExpired(site.clock.time);
      site.model.freeAll(site.clock.time);
    } else {
      const taken = site.store.outbox.takeDeltas(below(random, 2) === 0 ? 1 : 1e9);
      if (taken !== undefined) deltas.push(taken);
      const delta = deltas[below(random, Math.max(deltas.length, 1))];
      if (delta !== undefined) deliver(site, delta);
    }
    checkSite(site);
  }
  for (const { store } of sites)
    for (let taken = store.outbox.takeDeltas(100); taken !== undefined; taken = store.outbox.takeDeltas(100))
      deltas.push(taken);
  for (const site of sites) for (const delta of deltas) deliver(site, delta);
  const last = Math.max(...sites.map(({ clock }) => clock.time));
  for (const site of sites) {
    checkSite(site);
    expect(site.store.allKeys().sort()).toEqual([...site.model.states.keys()].sort());
    site.clock.time = last;
  }
}

function deliver(site: Site, delta: Buffer): void {
  site.store.merge(delta);
  site.model.merge(site.clock.time, delta);
}

describe('against bare states', () => {
  test('random histories: same states, same views', () => {
    const counts = new Map<string, number>();
    for (let seed = 1; seed <= 150; seed++) {
      try {
        history(seed, counts);
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    for (const name of ['set', 'del', 'expire', 'incr', 'append', 'put2', 'remove3', 'add4'])
      expect(counts.get(name)).toBeGreaterThan(50);
  });

  test('plain SET and DEL at sites whose versions lie close together, deltas in any order', () => {
    const random = seededRandom(5);
    for (let round = 0; round < 1500; round++) {
      const sites = [openSite(1), openSite(2), openSite(3)];
      const deltas: Buffer[] = [];
      for (let step = 0; step < 12; step++) {
        const site = sites[below(random, 3)];
        const { store, model, clock } = site;
        const ttl = below(random, 2) === 0 ? clock.time + 1 + below(random, 3) : 0;
        const what = below(random, 8);
        if (what === 0) clock.time += below(random, 3) - 1;
        else if (what === 1 && store.keyspace.type('a') !== 0) {
          store.keyspace.remove('a');
          model.unit(clock.time, ['a'], [['a', (edit) => edit.overwrite()]]);
        } else if (what < 5) {
          const value = Buffer.from(`v${step}`);
          store.keyspace.overwriteString('a', value, ttl);
          const effect = (edit: Edit): void => {
            edit.overwrite();
            edit.put(1, '', value);
            if (ttl !== 0) edit.expire(ttl);
          };
          model.unit(clock.time, ['a'], [['a', effect]]);
        } else if (deltas.length > 0) deliver(site, deltas[below(random, deltas.length)]);
        const taken = store.outbox.takeDeltas(1e6);
        if (taken !== undefined) deltas.push(taken);
        if (heldDigest(store.stateOf('a')) !== heldDigest(model.states.get('a')))
          throw new Error(`round ${round}, step ${step}`);
      }
    }
  });

  test('what an outbox gave, merged into an empty store, shows the same', () => {
    const random = seededRandom(77);
    const counts = new Map<string, number>();
    for (let round = 0; round < 200; round++) {
      const site = openSite(1);
      const other = openSite(2);
      for (let i = 0; i < 12; i++) {
        runUnit(random, site, counts);
        site.clock.time += below(random, 60);
        if (below(random, 3) === 0)
          for (let d = site.store.outbox.takeDeltas(1); d; d = site.store.outbox.takeDeltas(1))
            other.store.merge(d);
      }
      for (let d = site.store.outbox.takeDeltas(64); d; d = site.store.outbox.takeDeltas(64))
        other.store.merge(d);
      other.clock.time = site.clock.time;
      for (const key of KEYS) expect(storeView(other.store, key)).toBe(storeView(site.store, key));
    }
  });
});
