// Values that travel whole as read.lua gives them, and the native commands that make a key hold one.
//
// A stream that exists is changed rather than made anew, since its consumer groups are this Redis' own and would go with
// the key: what the new value lacks is removed, what it has more is added, and XSETID sets the rest. An entry that belongs
// before one that stays cannot be added (ids only grow): then XTRIM empties the stream, which keeps its groups. Only where
// the new value says that nothing was ever deleted from it, and this one had deletions, the key is made anew: XSETID
// cannot take that back.
import { type Latin1, MqkvError } from '../../base/index.ts';
import { TYPE_LIST, TYPE_OTHER, TYPE_STREAM, type ValueType } from '../../crdt/index.ts';
import type { Reply } from '../../resp/index.ts';
import type { Arg } from './access.ts';
import {
  decodeList,
  decodeStream,
  encodeList,
  encodeStream,
  idText,
  parseId,
  type StreamEntry,
  type StreamId,
  type StreamValue,
} from './whole-value.ts';

/** Elements or ids in one native command: Lua's unpack ends near 8,000. */
const CHUNK = 1000;
/** A group that exists for a moment: the only way to make an empty stream. */
const GROUP = 'mqkv';

/** Bytes of a list (its elements) or stream (its entries and XINFO STREAM). undefined: neither. */
export function wholeValueOf(type: ValueType | 0, reply: Reply | undefined): Buffer | undefined {
  if (reply?.kind !== 'array') return undefined;
  if (type === TYPE_LIST) return encodeList(reply.items.map(bytesOf));
  return type === TYPE_STREAM ? encodeStream(streamOf(reply.items)) : undefined;
}

/** Whether the bytes of a value are what its type says; Redis itself checks those of modules. */
export function isSound(type: ValueType, bytes: Buffer): boolean {
  if (type === TYPE_LIST) return (decodeList(bytes)?.length ?? 0) > 0;
  return type !== TYPE_STREAM || decodeStream(bytes) !== undefined;
}

/** The commands after which the key holds the value. `held`: what it holds of the same type now; undefined: nothing. Errors: MALFORMED_VALUE. */
export function wholeValueCommands(
  type: ValueType,
  key: Latin1,
  { bytes, held }: { readonly bytes: Buffer; readonly held: Buffer | undefined },
): Arg[][] {
  if (type === TYPE_OTHER) return [['RESTORE', key, '0', bytes, 'REPLACE']];
  if (type === TYPE_LIST) return listCommands(key, wellFormed(decodeList(bytes), key), heldList(held));
  const next = wellFormed(decodeStream(bytes), key);
  const old = held === undefined ? undefined : decodeStream(held);
  return old === undefined ? newStream(key, next) : changedStream(key, old, next);
}

function wellFormed<T>(value: T | undefined, key: Latin1): T {
  if (value !== undefined) return value;
  throw new MqkvError(
    'MALFORMED_VALUE',
    `the value of ${JSON.stringify(key)} from another site is malformed`,
  );
}

function bytesOf(reply: Reply | undefined): Buffer {
  return reply?.kind === 'bulk' ? reply.bytes : Buffer.alloc(0);
}

function heldList(held: Buffer | undefined): Buffer[] {
  return (held === undefined ? undefined : decodeList(held)) ?? [];
}

// ---- lists

/** What was pushed at one end goes there; anything else makes the list anew. */
function listCommands(key: Latin1, next: readonly Buffer[], old: readonly Buffer[]): Arg[][] {
  const more = next.length - old.length;
  if (old.length > 0 && more >= 0) {
    if (isPart(old, next, 0)) return pushes('RPUSH', key, next.slice(old.length));
    if (isPart(old, next, more)) return pushes('LPUSH', key, next.slice(0, more).reverse());
  }
  return [['DEL', key], ...pushes('RPUSH', key, next)];
}

function isPart(part: readonly Buffer[], whole: readonly Buffer[], from: number): boolean {
  return part.every((element, i) => whole[from + i]?.equals(element) === true);
}

function pushes(command: string, key: Latin1, elements: readonly Buffer[]): Arg[][] {
  return chunks([command, key], elements);
}

function chunks(head: readonly Arg[], args: readonly Arg[]): Arg[][] {
  const commands: Arg[][] = [];
  for (let at = 0; at < args.length; at += CHUNK) commands.push([...head, ...args.slice(at, at + CHUNK)]);
  return commands;
}

// ---- streams

/** Shape: XRANGE's reply and that of XINFO STREAM (a map or pairs; Redis 6.2 has not all of it). */
function streamOf([range, info]: readonly Reply[]): StreamValue {
  const entries = range?.kind === 'array' ? range.items.map(entryOf) : [];
  const facts = new Map<string, Reply>();
  const pairs = info?.kind === 'map' ? info.entries.flat() : info?.kind === 'array' ? info.items : [];
  for (let i = 0; i + 1 < pairs.length; i += 2) facts.set(bytesOf(pairs[i]).toString('latin1'), pairs[i + 1]);
  const idIn = (name: string): StreamId => parseId(bytesOf(facts.get(name)).toString('latin1')) ?? 0n;
  const added = facts.get('entries-added');
  return {
    lastId: idIn('last-generated-id'),
    entriesAdded: added?.kind === 'integer' ? BigInt(added.value) : BigInt(entries.length),
    maxDeletedId: idIn('max-deleted-entry-id'),
    entries,
  };
}

function entryOf(reply: Reply): StreamEntry {
  const [id, words] = reply.kind === 'array' ? reply.items : [];
  return {
    id: parseId(bytesOf(id).toString('latin1')) ?? 0n,
    words: words?.kind === 'array' ? words.items.map(bytesOf) : [],
  };
}

function newStream(key: Latin1, next: StreamValue): Arg[][] {
  const making: Arg[][] =
    next.entries.length > 0
      ? [['DEL', key]]
      : [
          ['DEL', key],
          ['XGROUP', 'CREATE', key, GROUP, '0', 'MKSTREAM'],
          ['XGROUP', 'DESTROY', key, GROUP],
        ];
  return [...making, ...additions(key, next.entries), ...settings(key, next)];
}

function changedStream(key: Latin1, old: StreamValue, next: StreamValue): Arg[][] {
  if (next.maxDeletedId === 0n && old.maxDeletedId !== 0n) return newStream(key, next);
  const wanted = new Map(next.entries.map((entry) => [entry.id, entry]));
  const kept = new Set<StreamId>();
  for (const entry of old.entries) if (sameEntry(entry, wanted.get(entry.id))) kept.add(entry.id);
  const lastKept = [...kept].at(-1) ?? 0n;
  const missing = next.entries.filter(({ id }) => !kept.has(id));
  const { front, others } = removals(old, kept);
  const isAppended = (missing[0]?.id ?? lastKept + 1n) > lastKept;
  if (!isAppended || (others.length > 0 && next.maxDeletedId === 0n)) return refilledStream(key, next);
  return [
    ...(front === undefined ? [] : [['XTRIM', key, 'MINID', idText(front)]]),
    ...chunks(['XDEL', key], others.map(idText)),
    ...(missing.length > 0 && old.lastId >= (missing[0]?.id ?? 0n)
      ? [['XSETID', key, idText(lastKept)]]
      : []),
    ...additions(key, missing),
    ...settings(key, next),
  ];
}

/** What goes: all before the first that stays, by XTRIM (which does not count as deletion), and the others by XDEL. */
function removals(
  old: StreamValue,
  kept: ReadonlySet<StreamId>,
): { readonly front: StreamId | undefined; readonly others: readonly StreamId[] } {
  const first = old.entries.findIndex(({ id }) => kept.has(id));
  const last = old.entries.at(-1)?.id ?? 0n;
  if (first < 0) return { front: old.entries.length > 0 ? last + 1n : undefined, others: [] };
  const others = old.entries.slice(first).filter(({ id }) => !kept.has(id));
  return { front: first > 0 ? old.entries[first].id : undefined, others: others.map(({ id }) => id) };
}

function refilledStream(key: Latin1, next: StreamValue): Arg[][] {
  return [
    ['XTRIM', key, 'MAXLEN', '0'],
    ['XSETID', key, '0-0'],
    ...additions(key, next.entries),
    ...settings(key, next),
  ];
}

function sameEntry(a: StreamEntry, b: StreamEntry | undefined): boolean {
  return b !== undefined && a.words.length === b.words.length && isPart(a.words, b.words, 0);
}

function additions(key: Latin1, entries: readonly StreamEntry[]): Arg[][] {
  return entries.map(({ id, words }) => ['XADD', key, idText(id), ...words]);
}

/** Last id and counts. The last id may lie below the largest deleted one, which XSETID refuses in one command. */
function settings(key: Latin1, { lastId, entriesAdded, maxDeletedId }: StreamValue): Arg[][] {
  const counts: Arg[] = ['ENTRIESADDED', String(entriesAdded), 'MAXDELETEDID', idText(maxDeletedId)];
  if (maxDeletedId <= lastId) return [['XSETID', key, idText(lastId), ...counts]];
  return [
    ['XSETID', key, idText(maxDeletedId), ...counts],
    ['XSETID', key, idText(lastId)],
  ];
}
