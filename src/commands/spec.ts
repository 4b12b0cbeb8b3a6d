// The command table: what each command is, as data. COMMAND, arity checks, key extraction and MULTI work from it.
import { assert } from '../base/index.ts';
import { CONNECTION } from './table/connection.ts';
import { HASHES } from './table/hashes.ts';
import { KEYS } from './table/keys.ts';
import { MQKV } from './table/mqkv.ts';
import { PUBSUB } from './table/pubsub.ts';
import type { Row } from './table/row.ts';
import { SERVER } from './table/server.ts';
import { SETS } from './table/sets.ts';
import { SORTED_SETS } from './table/sorted-sets.ts';
import { STRINGS } from './table/strings.ts';
import { TRANSACTIONS } from './table/transactions.ts';
import { UNSUPPORTED } from './table/unsupported.ts';

/** Where a command's keys stand. */
export interface KeySpec {
  /** Redis' words: RO RW OW RM access update insert delete. */
  readonly flags: readonly string[];
  /** The argument where the search begins; 0 is the command name. */
  readonly begin: number;
  /** A range of arguments, or a number of keys followed by them. */
  readonly find:
    | { readonly kind: 'range'; readonly last: number; readonly step: number }
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
  /** false: known to Redis, answered with a clear error here. */
  readonly supported: boolean;
  readonly isWrite: boolean;
}

const GROUPS: readonly (readonly [string, readonly Row[]])[] = [
  ['string', STRINGS],
  ['generic', KEYS],
  ['hash', HASHES],
  ['set', SETS],
  ['sorted-set', SORTED_SETS],
  ['transactions', TRANSACTIONS],
  ['pubsub', PUBSUB],
  ['connection', CONNECTION],
  ['server', SERVER],
  ['server', MQKV],
];

function words(text: string): string[] {
  return text === '' ? [] : text.split(' ');
}

function parseKeySpec(text: string): KeySpec {
  const [flags, place] = text.split('@');
  const [begin, rest] = place.split(/[:#]/);
  const [a, b, c] = rest.split('/').map(Number);
  const find = place.includes(':')
    ? ({ kind: 'range', last: a, step: b } as const)
    : ({ kind: 'count', count: a, first: b, step: c } as const);
  return { flags: flags.split(','), begin: Number(begin), find };
}

function specOf(row: Row, group: string): CommandSpec {
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
    supported: true,
    isWrite: words(flags).includes('write'),
  };
}

/** Order: the container's row has been added. */
function addSubcommand(table: ReadonlyMap<string, CommandSpec>, container: string, spec: CommandSpec): void {
  const parent = table.get(container);
  assert(parent !== undefined, `${spec.name} has a container`);
  (parent.subcommands as Map<string, CommandSpec>).set(spec.name.slice(container.length + 1), spec);
}

function addGroup(table: Map<string, CommandSpec>, group: string, rows: readonly Row[]): void {
  for (const row of rows) if (!row[0].includes('|')) table.set(row[0], specOf(row, group));
  for (const row of rows) {
    const [container, sub] = row[0].split('|');
    if (sub !== undefined) addSubcommand(table, container, specOf(row, group));
  }
}

function buildTable(): ReadonlyMap<string, CommandSpec> {
  const table = new Map<string, CommandSpec>();
  for (const [group, rows] of GROUPS) addGroup(table, group, rows);
  for (const [name, arity] of UNSUPPORTED) {
    const spec = { ...specOf([name, arity, '', '', '', '', '', ''], ''), supported: false };
    const [container, sub] = name.split('|');
    if (sub === undefined) table.set(name, spec);
    else addSubcommand(table, container, spec);
  }
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
  const positions: number[] = [];
  for (const key of spec.keys) if (!findKeys(key, args, positions)) return undefined;
  if (spec.name === 'sort') findStore(args, positions);
  return positions;
}

function findKeys(key: KeySpec, args: Arguments, positions: number[]): boolean {
  const { begin, find } = key;
  if (find.kind === 'range') {
    const last = find.last < 0 ? args.argc + find.last : begin + find.last;
    if (last >= args.argc) return false;
    for (let at = begin; at <= last; at += find.step) positions.push(at);
    return true;
  }
  if (begin + find.count >= args.argc) return false;
  const text = args.text(begin + find.count);
  const count = /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : 0;
  const first = begin + find.first;
  if (count === 0 || first + (count - 1) * find.step >= args.argc) return false;
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
