// Commands on streams, without what consumer groups read.
import { type Command, commands, type Context, lower } from '../command.ts';
import { int64Of, integerOf, SYNTAX } from '../numbers.ts';
import { fail, notSimulated, NULL_ARRAY, OK, Pairs, type RedisReply } from '../replies.ts';
import { compareIds, idOf, idText, Stream, type StreamEntry, type StreamId } from '../stream.ts';

const SMALL = 'ERR The ID specified in XADD is equal or smaller than the target stream top item';
const MOST = (1n << 64n) - 1n;

interface Trim {
  /** Behind the options. */
  readonly at: number;
  readonly isCreating: boolean;
  readonly keep: ((entry: StreamEntry, left: number) => boolean) | undefined;
}

/** NOMKSTREAM, MAXLEN or MINID with `~` (here taken as exact with a limit of nothing: it keeps all) and LIMIT. */
function trimOf(args: readonly string[], from: number): Trim {
  let [at, isCreating, keep, isNear]: [number, boolean, Trim['keep'], boolean] = [
    from,
    true,
    undefined,
    false,
  ];
  for (; at < args.length; at++) {
    const option = lower(args, at);
    if (option === 'nomkstream') isCreating = false;
    else if (option === 'maxlen' || option === 'minid') {
      if (keep !== undefined)
        fail('ERR syntax error, MAXLEN and MINID options at the same time are not compatible');
      const sign = args[at + 1];
      isNear = sign === '~';
      at += sign === '~' || sign === '=' ? 2 : 1;
      keep = option === 'maxlen' ? keepLength(args[at]) : keepFrom(args[at]);
    } else if (option === 'limit' && keep !== undefined) {
      if (!isNear) fail('ERR syntax error, LIMIT cannot be used without the special ~ option');
      at++;
    } else break;
  }
  // A near trim takes whole nodes of a hundred entries: small streams lose nothing.
  return { at, isCreating, keep: isNear ? (_entry, left) => left <= 100 : keep };
}

function keepLength(text: string | undefined): (entry: StreamEntry, left: number) => boolean {
  const most = integerOf(text);
  if (most < 0) fail('ERR The MAXLEN argument must be >= 0.');
  return (_entry, left) => left <= most;
}

function keepFrom(text: string | undefined): (entry: StreamEntry) => boolean {
  const first = idOf(text ?? '');
  return ({ id }) => compareIds(id, first) >= 0;
}

function positiveId(text: string): StreamId {
  const id = idOf(text);
  return id[0] === 0n && id[1] === 0n ? fail('ERR The ID specified in XADD must be greater than 0-0') : id;
}

function nextId(text: string, { last, entries, added }: Stream, now: number): StreamId {
  const isEmpty = entries.length === 0 && added === 0n && last[0] === 0n && last[1] === 0n;
  const after: StreamId = last[1] === MOST ? [last[0] + 1n, 0n] : [last[0], last[1] + 1n];
  if (text === '*') return BigInt(now) > last[0] ? [BigInt(now), 0n] : after;
  const open = /^(\d+)-\*$/.exec(text);
  if (open !== null) {
    const ms = BigInt(open[1]);
    if (ms < last[0]) fail(SMALL);
    return ms === last[0] ? [ms, isEmpty ? (ms === 0n ? 1n : 0n) : last[1] + 1n] : [ms, 0n];
  }
  const id = positiveId(text);
  return compareIds(id, last) > 0 ? id : fail(SMALL);
}

function add(args: readonly string[], { db, now }: Context): RedisReply {
  const { at, isCreating, keep } = trimOf(args, 2);
  const words = args.slice(at + 1);
  if (words.length < 2 || words.length % 2 === 1) fail("ERR wrong number of arguments for 'xadd' command");
  const text = args[at];
  if (text !== '*' && !text.endsWith('-*')) positiveId(text);
  const held = db.stream(args[1]);
  if (held === undefined && !isCreating) return null;
  const stream = held ?? new Stream();
  const id = nextId(text, stream, now);
  db.hold(args[1], held, () => stream);
  stream.entries.push({ id, fields: words });
  stream.last = id;
  stream.added++;
  if (keep !== undefined) stream.trim(keep);
  return idText(id);
}

function bound(text: string, isStart: boolean): StreamId {
  if (text === '-') return [0n, 0n];
  if (text === '+') return [MOST, MOST];
  if (!text.startsWith('(')) return idOf(text, isStart ? 0n : MOST);
  const id = idOf(text.slice(1), isStart ? 0n : MOST);
  if (isStart) return id[1] === MOST ? [id[0] + 1n, 0n] : [id[0], id[1] + 1n];
  return id[1] === 0n ? [id[0] - 1n, MOST] : [id[0], id[1] - 1n];
}

const shown = ({ id, fields }: StreamEntry): RedisReply => [idText(id), fields];

function range(isDown: boolean) {
  return (args: readonly string[], { db }: Context): RedisReply => {
    const [start, end] = isDown ? [args[3], args[2]] : [args[2], args[3]];
    const [first, last] = [bound(start, true), bound(end, false)];
    let count = -1;
    if (args.length > 4) {
      if (args.length !== 6 || lower(args, 4) !== 'count') fail(SYNTAX);
      count = integerOf(args[5]);
    }
    const stream = db.stream(args[1]);
    if (stream === undefined) return [];
    const found = stream.entries.filter(({ id }) => compareIds(id, first) >= 0 && compareIds(id, last) <= 0);
    if (isDown) found.reverse();
    if (count === 0) return NULL_ARRAY;
    return (count < 0 ? found : found.slice(0, count)).map(shown);
  };
}

function remove([, key, ...texts]: readonly string[], { db }: Context): RedisReply {
  const stream = db.stream(key);
  if (stream === undefined) return 0;
  const ids = texts.map((text) => idOf(text));
  let gone = 0;
  for (const id of ids) {
    const at = stream.entries.findIndex((entry) => compareIds(entry.id, id) === 0);
    if (at < 0) continue;
    stream.entries.splice(at, 1);
    if (compareIds(id, stream.maxDeleted) > 0) stream.maxDeleted = id;
    gone++;
  }
  return gone;
}

function trim(args: readonly string[], { db }: Context): RedisReply {
  const { at, keep } = trimOf(args, 2);
  if (keep === undefined || at < args.length) fail(SYNTAX);
  return db.stream(args[1])?.trim(keep ?? (() => true)) ?? 0;
}

function setId(args: readonly string[], { db }: Context): RedisReply {
  const id = idOf(args[2]);
  let [added, deleted]: [bigint | undefined, StreamId | undefined] = [undefined, undefined];
  for (let i = 3; i < args.length; i += 2) {
    const option = lower(args, i);
    if (option === 'entriesadded' && i + 1 < args.length) added = int64Of(args[i + 1]);
    else if (option === 'maxdeletedid' && i + 1 < args.length) deleted = idOf(args[i + 1]);
    else fail(SYNTAX);
  }
  if (added !== undefined && added < 0n) fail('ERR entries_added must be positive');
  if (deleted !== undefined && compareIds(id, deleted) < 0)
    fail('ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id');
  const stream = db.stream(args[1]) ?? fail('ERR no such key');
  const top = stream.entries.at(-1)?.id;
  if (top !== undefined && compareIds(id, top) < 0)
    fail('ERR The ID specified in XSETID is smaller than the target stream top item');
  if (added !== undefined && added < BigInt(stream.entries.length))
    fail('ERR The entries_added specified in XSETID is smaller than the target stream length');
  stream.last = id;
  if (added !== undefined) stream.added = added;
  if (deleted !== undefined && (deleted[0] !== 0n || deleted[1] !== 0n)) stream.maxDeleted = deleted;
  return OK;
}

function info(args: readonly string[], { db }: Context): RedisReply {
  if (lower(args, 1) !== 'stream' || args.length !== 3) notSimulated(`XINFO ${args[1]}`);
  const stream = db.stream(args[2]) ?? fail('ERR no such key');
  const { entries } = stream;
  const [first, last] = [entries.at(0), entries.at(-1)];
  const facts: Readonly<Record<string, RedisReply>> = {
    length: entries.length,
    'radix-tree-keys': 1,
    'radix-tree-nodes': 2,
    'last-generated-id': idText(stream.last),
    'max-deleted-entry-id': idText(stream.maxDeleted),
    'entries-added': stream.added,
    'recorded-first-entry-id': first === undefined ? '0-0' : idText(first.id),
    groups: stream.groups.size,
    'first-entry': first === undefined ? null : shown(first),
    'last-entry': last === undefined ? null : shown(last),
  };
  return new Pairs(Object.entries(facts).flat());
}

function group(args: readonly string[], { db }: Context): RedisReply {
  const [, , key, name] = args;
  const what = lower(args, 1);
  if (what !== 'create' && what !== 'destroy') notSimulated(`XGROUP ${args[1]}`);
  const held = db.stream(key);
  const isMaking = what === 'create' && args.slice(5).some((_, i) => lower(args, i + 5) === 'mkstream');
  if (held === undefined && !isMaking)
    fail(
      'ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.',
    );
  const { groups } = db.hold(key, held, () => new Stream());
  if (what === 'destroy') return groups.delete(name) ? 1 : 0;
  if (groups.has(name)) fail('BUSYGROUP Consumer Group name already exists');
  groups.add(name);
  return OK;
}

function read(args: readonly string[], { db, protocol }: Context): RedisReply {
  let [count, at] = [-1, 1];
  for (; at < args.length && lower(args, at) !== 'streams'; at += 2) {
    if (lower(args, at) === 'count') count = integerOf(args[at + 1]);
    else if (lower(args, at) !== 'block') fail(SYNTAX);
  }
  const rest = args.slice(at + 1);
  if (rest.length === 0 || rest.length % 2 === 1)
    fail("ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.");
  const keys = rest.slice(0, rest.length / 2);
  const found = keys.flatMap((key, i): (readonly RedisReply[])[] => {
    const stream = db.stream(key);
    const text = rest[keys.length + i];
    const after = text === '$' ? (stream?.last ?? ([0n, 0n] as const)) : idOf(text);
    const entries = (stream?.entries ?? []).filter(({ id }) => compareIds(id, after) > 0);
    return entries.length === 0 ? [] : [[key, (count > 0 ? entries.slice(0, count) : entries).map(shown)]];
  });
  if (found.length === 0) return NULL_ARRAY;
  return protocol === 3 ? new Pairs(found.flat()) : found;
}

export const STREAMS: readonly Command[] = [
  ...commands('read', {
    'xlen 2': ([, key], { db }) => db.stream(key)?.entries.length ?? 0,
    'xrange -4': range(false),
    'xrevrange -4': range(true),
    'xinfo -2': info,
    'xread -4': read,
  }),
  ...commands('write', { 'xdel -3': remove, 'xtrim -4': trim }),
  ...commands('grow', { 'xadd -5': add, 'xsetid -3': setId, 'xgroup -2': group }),
];
