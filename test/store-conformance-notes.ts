// What every store keeps beside its data, notes and fragments: part of the store conformance suite.
import assert from 'node:assert/strict';
import { FRAGMENTS_MAX, NOTES_BYTES_MAX } from '../src/base/index.ts';
import type { Fragment } from '../src/store/index.ts';
import type { Case, StoreWorld } from './store-conformance.ts';

export const notesCases: readonly Case[] = [
  { name: 'notes are kept, changed and removed, and bounded', run: notes },
  { name: 'notes outlive the process', needs: 'outlives', run: lastingNotes },
  { name: 'fragments are put together in any order, doubled ones too', run: staging },
  { name: 'fragments that several gateways bring are put together', needs: 'shared', run: sharedStaging },
];

async function notes(world: StoreWorld): Promise<void> {
  const { store } = await world.open();
  assert.equal((await store.notes.read()).size, 0);
  await store.notes.write({ a: '1', 'b c': '\xff\0', gone: 'x' });
  await store.notes.write({ a: '2', gone: '' });
  assert.deepEqual(Object.fromEntries(await store.notes.read()), { a: '2', 'b c': '\xff\0' });
  const half = 'x'.repeat(NOTES_BYTES_MAX / 2);
  await store.notes.write({ large: half });
  await assert.rejects(async () => store.notes.write({ more: half }), { code: 'NOTES_FULL' });
  assert.deepEqual([...(await store.notes.read()).keys()].sort(), ['a', 'b c', 'large']);
  await store.notes.write({ large: '' });
  await store.notes.write({ more: half });
  assert.equal((await store.notes.read()).get('more')?.length, half.length);
}

async function lastingNotes(world: StoreWorld): Promise<void> {
  {
    const { store, run } = await world.open();
    await store.notes.write({ complete: '1', gone: '1' });
    await run([['SET', 'k', 'v']], ['k']);
    await store.notes.write({ gone: '', applied: 'x'.repeat(1000) });
    await store.close();
  }
  const { store } = await world.open();
  assert.deepEqual(Object.fromEntries(await store.notes.read()), {
    complete: '1',
    applied: 'x'.repeat(1000),
  });
}

function fragment(name: string, index: number, count: number): Fragment {
  return { name, index, count, bytes: Buffer.from(`<${name}${index}>`.repeat(100)) };
}

function wholeOf(name: string, count: number): string {
  return Array.from({ length: count }, (_, i) => fragment(name, i, count).bytes.toString()).join('');
}

async function staging(world: StoreWorld): Promise<void> {
  const { store } = await world.open();
  const add = async (name: string, index: number, count: number): Promise<string | undefined> =>
    (await store.staging.add(fragment(name, index, count)))?.toString();
  assert.equal(await add('a', 2, 3), undefined);
  assert.equal(await add('b', 0, 2), undefined);
  assert.equal(await add('a', 2, 3), undefined);
  assert.equal(await add('a', 0, 3), undefined);
  assert(store.staging.bytes > 0, 'what is held is counted');
  assert.equal(await add('a', 1, 3), wholeOf('a', 3));
  assert.equal(await add('b', 5, 2), undefined);
  assert.equal(await add('b', 0, FRAGMENTS_MAX + 1), undefined);
  assert.equal(await add('b', 1, 2), wholeOf('b', 2));
  assert.equal(await add('a', 1, 3), undefined, 'it is no longer kept');
}

async function sharedStaging(world: StoreWorld): Promise<void> {
  const one = await world.open();
  const two = await world.open();
  assert.equal(await one.store.staging.add(fragment('a', 0, 3)), undefined);
  assert.equal(await two.store.staging.add(fragment('a', 2, 3)), undefined);
  assert.equal((await one.store.staging.add(fragment('a', 1, 3)))?.toString(), wholeOf('a', 3));
}
