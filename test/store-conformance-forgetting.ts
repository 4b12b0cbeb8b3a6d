// What every store must forget, and its origins: part of the store conformance suite.
import assert from 'node:assert/strict';
import { HORIZON_MS, type Latin1, STABLE_MS } from '../src/base/index.ts';
import { decodeDeltas, deletedState, Edit, KeyState, makeVersion, TYPE_HASH } from '../src/crdt/index.ts';
import { eventually } from './brokers/index.ts';
import type { Case, StoreUnderTest, StoreWorld } from './store-conformance.ts';
import { deltaOf, stateOfString, takeAll, takeOne } from './store-conformance-states.ts';

export const forgettingCases: readonly Case[] = [
  { name: 'what shows nothing is forgotten at the horizon', run: forgetting },
  { name: 'what shows nothing is forgotten early when it is stable', run: forgettingEarly },
  { name: 'what is marked is not forgotten', run: forgettingMarked },
  { name: 'a new origin is told, later writes carry it', needs: 'choosesOrigin', run: renewing },
];

/** States older than `ageMs`: one that shows, one deleted, one emptied, and a hash with a tombstone. */
async function mergeOld({ store }: StoreUnderTest, ageMs: number): Promise<void> {
  const ms = Date.now() - ageMs - 3_600_000;
  const edited = (act: (edit: Edit, i: number) => void, times: number): KeyState => {
    const s = new KeyState();
    for (let i = 0; i < times; i++) {
      const edit = new Edit(s, makeVersion(ms + i, 0, 9), ms);
      act(edit, i);
      edit.finish();
    }
    return s;
  };
  const emptied = edited((edit, i) => {
    if (i === 0) edit.put(TYPE_HASH, 'f', 'v');
    else edit.remove(TYPE_HASH, 'f');
  }, 2);
  const holed = edited((edit, i) => {
    if (i === 2) edit.remove(TYPE_HASH, 'f1');
    else edit.put(TYPE_HASH, `f${i}`, 'v');
  }, 3);
  await store.merge(deltaOf('deleted', deletedState(makeVersion(ms, 0, 9))));
  await store.merge(deltaOf('emptied', emptied));
  await store.merge(deltaOf('holed', holed));
  await store.merge(deltaOf('lives', stateOfString(ms, 'v')));
}

/** Those of `mergeOld` that are still held, in full. */
async function oldHeld({ stateOf, allKeys }: StoreUnderTest): Promise<unknown> {
  const fields = (await stateOf('holed'))?.registers.get(TYPE_HASH)?.keys();
  return [[...(await allKeys())].sort(), [...(fields ?? [])].sort()];
}

const ALL_OLD = [
  ['deleted', 'emptied', 'holed', 'lives'],
  ['f0', 'f1'],
];
const LIVING_OLD = [['holed', 'lives'], ['f0']];

async function forgetting(world: StoreWorld): Promise<void> {
  const site = await world.open();
  await mergeOld(site, HORIZON_MS / 2);
  await site.walk();
  assert.deepEqual(await oldHeld(site), ALL_OLD);
  await site.store.discard();
  await mergeOld(site, HORIZON_MS);
  await site.walk();
  assert.deepEqual(await oldHeld(site), LIVING_OLD);
}

async function forgettingEarly(world: StoreWorld): Promise<void> {
  const site = await world.open();
  await mergeOld(site, STABLE_MS);
  site.store.stableBeforeMs = Date.now() - 5 * 3_600_000;
  await site.walk();
  assert.deepEqual(await oldHeld(site), ALL_OLD);
  site.store.stableBeforeMs = Date.now();
  await site.store.merge(deltaOf('lately', deletedState(makeVersion(Date.now() - 60_000, 0, 9))));
  await site.walk();
  const [keys, fields] = (await oldHeld(site)) as [Latin1[], Latin1[]];
  assert.deepEqual([keys, fields], [['holed', 'lately', 'lives'], ['f0']]);
}

async function forgettingMarked(world: StoreWorld): Promise<void> {
  const site = await world.open();
  await mergeOld(site, HORIZON_MS);
  await site.store.outbox.remark(['deleted', 'holed']);
  await eventually('the marks', () => site.store.outbox.pending === 2);
  await site.walk();
  assert.deepEqual(await oldHeld(site), [
    ['deleted', 'holed', 'lives'],
    ['f0', 'f1'],
  ]);
  await takeAll(site.store);
  await eventually('the rest is forgotten', async () => {
    await site.walk();
    return (await site.allKeys()).length === 2;
  });
}

async function renewing(world: StoreWorld): Promise<void> {
  const { store, run } = await world.open();
  let told = 0;
  store.onOrigin = () => told++;
  await run([['INCRBY', 'n', '5']], ['n']);
  const before = store.origin;
  store.renewOrigin();
  assert(told === 1 && store.origin !== before, 'another origin, told');
  assert(store.isOwn(store.origin) && !store.isOwn(before), 'only the new one is its own');
  await run([['INCRBY', 'n', '2']], ['n']);
  const taken = await takeOne(store, 1e9);
  assert.equal(taken?.origin, store.origin);
  const [delta] = [...decodeDeltas(taken?.deltas ?? Buffer.alloc(0))];
  const runs = [...(delta?.state.registers.get(1)?.get('')?.runs ?? [])];
  assert.deepEqual(new Map(runs.map(([origin, run]) => [origin, Number(run.total)])).get(before), 5);
  assert.deepEqual(new Map(runs.map(([origin, run]) => [origin, Number(run.total)])).get(store.origin), 2);
}
