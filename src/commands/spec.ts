// The command table: what each command is, as data. COMMAND, arity checks, key extraction and MULTI work from it.
import { assert } from '../base/index.ts';
import { BITMAPS } from './table/bitmaps.ts';
import { CLUSTER } from './table/cluster.ts';
import { CONNECTION } from './table/connection.ts';
import { GEO } from './table/geo.ts';
import { HASHES } from './table/hashes.ts';
import { HYPERLOGLOGS } from './table/hyperloglog.ts';
import { KEYS } from './table/keys.ts';
import { LISTS } from './table/lists.ts';
import { MQKV, MQKV_ON_REDIS } from './table/mqkv.ts';
import {
  CONNECTION_ON_REDIS,
  KEYS_ON_REDIS,
  SERVER_ON_REDIS,
  SORTED_SETS_ON_REDIS,
} from './table/on-redis.ts';
import { PUBSUB } from './table/pubsub.ts';
import type { Row } from './table/row.ts';
import { SCRIPTING } from './table/scripting.ts';
import { SERVER } from './table/server.ts';
import { SETS } from './table/sets.ts';
import { SORTED_SETS } from './table/sorted-sets.ts';
import { STREAMS } from './table/streams.ts';
import { STRINGS } from './table/strings.ts';
import { TRANSACTIONS } from './table/transactions.ts';
import { nullArrayOf, refusalOf, type Via, viaOf } from './table/via.ts';

/** Where a command's keys stand. */
export interface KeySpec {
  /** Redis' words: RO RW OW RM access update insert delete. */
  readonly flags: readonly string[];
  /** The argument where the search begins; 0 is the command name. With a keyword: where its search begins, negative from the end. */
  readonly begin: number;
  /** Upper case. The keys follow this word; it may be missing, then there are none. */
  readonly keyword?: string;
  /** A range of arguments, or a number of keys followed by them. `limit` 2: the first half of the range. */
  readonly find:
    | { readonly kind: 'range'; readonly last: number; readonly step: number; readonly limit: number }
    | { readonly kind: 'count'; readonly count: number; readonly first: number; readonly step: number };
}

/** What a command is. Frozen data. */
export interface CommandSpec {
  /** Lower case; `container|sub` for a subcommand. */
  readonly name: string;
  /** Arguments with the name; negative: at least so many. */
  readonly arity: number;
  readonly flags: ReadonlySet<string>;
  readonly keys: readonly KeySpec[];
  /** ACL categories, without the `@`. */
  readonly acl: readonly string[];
  /** Version of Redis that it came with. */
  readonly since: string;
  readonly group: string;
  readonly summary: string;
  /** What it does to registers (DESIGN 3); empty: it writes nothing. */
  readonly touches: string;
  readonly subcommands: ReadonlyMap<string, CommandSpec>;
  /** The stores that execute it. */
  readonly stores: 'all' | 'redis';
  /** false: known to Redis, answered with a clear error by the embedded store. */
  readonly supported: boolean;
  /** How a Redis store treats it. */
  readonly via: Via;
  /** Why a Redis store refuses it; '': it does not. */
  readonly reason: string;
  /** Whether its nothing is `*-1` in RESP2; `count`: only with a COUNT. */
  readonly nullArray: boolean | 'count';
  readonly isWrite: boolean;
}

type Group = readonly [name: string, rows: readonly Row[], stores: CommandSpec['stores']];

const GROUPS: readonly Group[] = [
  ['string', STRINGS, 'all'],
  ['generic', KEYS, 'all'],
  ['hash', HASHES, 'all'],
  ['set', SETS, 'all'],
  ['sorted-set', SORTED_SETS, 'all'],
  ['transactions', TRANSACTIONS, 'all'],
  ['pubsub', PUBSUB, 'all'],
  ['connection', CONNECTION, 'all'],
  ['server', SERVER, 'all'],
  ['server', MQKV, 'all'],
  ['generic', KEYS_ON_REDIS, 'redis'],
  ['sorted-set', SORTED_SETS_ON_REDIS, 'redis'],
  ['connection', CONNECTION_ON_REDIS, 'redis'],
  ['server', SERVER_ON_REDIS, 'redis'],
  ['server', MQKV_ON_REDIS, 'redis'],
  ['list', LISTS, 'redis'],
  ['stream', STREAMS, 'redis'],
  ['bitmap', BITMAPS, 'redis'],
  ['hyperloglog', HYPERLOGLOGS, 'redis'],
  ['geo', GEO, 'redis'],
  ['scripting', SCRIPTING, 'redis'],
  ['cluster', CLUSTER, 'redis'],
];

function words(text: string): string[] {
  return text === '' ? [] : text.split(' ');
}

function parseKeySpec(text: string): KeySpec {
  const [flags, place] = text.split('@');
  const [start, rest] = place.split(/[:#]/);
  const [keyword, from] = start.includes('=') ? start.split('=') : [undefined, start];
  const [a, b, c] = rest.split('/').map(Number);
  const find = place.includes(':')
    ? ({ kind: 'range', last: a, step: b, limit: c ?? 0 } as const)
    : ({ kind: 'count', count: a, first: b, step: c } as const);
  return {
    flags: flags.split(','),
    begin: Number(from),
    ...(keyword === undefined ? {} : { keyword }),
    find,
  };
}

function specOf(row: Row, [group, , stores]: Group): CommandSpec {
  const [name, arity, flags, keys, acl, since, touches, summary] = row;
  return {
    name,
    arity,
    flags: new Set(words(flags)),
    keys: words(keys).map(parseKeySpec),
    acl: words(acl),
    since,
    group,
    summary,
    touches,
    subcommands: new Map(),
    stores,
    supported: stores === 'all',
    via: viaOf(name, words(flags), touches),
    reason: refusalOf(name) ?? '',
    nullArray: nullArrayOf(name),
    isWrite: words(flags).includes('write'),
  };
}

/** Order: the container's row has been added. */
function addSubcommand(table: ReadonlyMap<string, CommandSpec>, container: string, spec: CommandSpec): void {
  const parent = table.get(container);
  assert(parent !== undefined, `${spec.name} has a container`);
  (parent.subcommands as Map<string, CommandSpec>).set(spec.name.slice(container.length + 1), spec);
}

function addGroup(table: Map<string, CommandSpec>, group: Group): void {
  const [, rows] = group;
  for (const row of rows) if (!row[0].includes('|')) table.set(row[0], specOf(row, group));
  for (const row of rows) {
    const [container, sub] = row[0].split('|');
    if (sub !== undefined) addSubcommand(table, container, specOf(row, group));
  }
}

function buildTable(): ReadonlyMap<string, CommandSpec> {
  const table = new Map<string, CommandSpec>();
  for (const group of GROUPS) addGroup(table, group);
  return table;
}

/** Every command that mqkv or Redis 7.0 knows, by lower-case name. */
export const commandTable: ReadonlyMap<string, CommandSpec> = buildTable();

/** Arguments of a command by number. */
export interface Arguments {
  readonly argc: number;
  /** Shape: latin1. */
  text(index: number): string;
}

/** The spec whose keys and arity count: the subcommand's where there is one. */
export function resolve(spec: CommandSpec, args: Arguments): CommandSpec {
  if (spec.subcommands.size === 0 || args.argc < 2) return spec;
  return spec.subcommands.get(args.text(1).toLowerCase()) ?? spec;
}

/** Positions of the keys that a spec finds in given arguments. undefined: the arguments make no sense. */
export function keyPositions(spec: CommandSpec, args: Arguments): number[] | undefined {
  const search: Search = { args, positions: [], mayBeNone: spec.flags.has('no_mandatory_keys') };
  for (const key of spec.keys) if (!findKeys(key, search)) return undefined;
  if (spec.name === 'sort') findStore(args, search.positions);
  return search.positions;
}

interface Search {
  readonly args: Arguments;
  /** Found so far. */
  readonly positions: number[];
  /** A number of keys may be 0. */
  readonly mayBeNone: boolean;
}

function findKeys(key: KeySpec, search: Search): boolean {
  if (key.keyword === undefined) return findAt(key.begin, key, search);
  const at = keywordAt(key.keyword, key.begin, search.args);
  return at < 0 || findAt(at + 1, key, search);
}

/** Where the word stands; -1: nowhere. From a negative place on it is looked for towards the front. */
function keywordAt(keyword: string, begin: number, args: Arguments): number {
  const step = begin < 0 ? -1 : 1;
  for (let at = begin < 0 ? args.argc + begin : begin; at > 0 && at < args.argc; at += step)
    if (args.text(at).toUpperCase() === keyword) return at;
  return -1;
}

function findAt(begin: number, { find }: KeySpec, { args, positions, mayBeNone }: Search): boolean {
  if (find.kind === 'range') {
    const end = find.last < 0 ? args.argc + find.last : begin + find.last;
    const last = find.limit > 1 ? begin + Math.floor((end - begin + 1) / find.limit) - 1 : end;
    if (last >= args.argc) return false;
    for (let at = begin; at <= last; at += find.step) positions.push(at);
    return true;
  }
  if (begin + find.count >= args.argc) return false;
  const text = args.text(begin + find.count);
  const count = /^(0|[1-9][0-9]{0,8})$/.test(text) ? Number(text) : -1;
  const first = begin + find.first;
  if (count < (mayBeNone ? 0 : 1) || first + (count - 1) * find.step >= args.argc) return false;
  for (let i = 0; i < count; i++) positions.push(first + i * find.step);
  return true;
}

/** SORT key … STORE destination: the last STORE counts. */
function findStore(args: Arguments, positions: number[]): void {
  let store = 0;
  for (let at = 2; at + 1 < args.argc; at++) {
    const word = args.text(at).toUpperCase();
    if (word === 'LIMIT') at += 2;
    else if (word === 'GET' || word === 'BY') at++;
    else if (word === 'STORE') store = ++at;
  }
  if (store > 0) positions.push(store);
}

/** The keys that a command names. Shape: latin1. Unknown commands and arguments that make no sense name none. */
export function keysOf(args: Arguments): string[] {
  const spec = commandTable.get(args.text(0).toLowerCase());
  if (spec === undefined) return [];
  return (keyPositions(resolve(spec, args), args) ?? []).map((at) => args.text(at));
}
