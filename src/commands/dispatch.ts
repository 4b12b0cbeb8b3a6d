// From a name to its spec and handler; the checks before a command runs; one command as one unit.
import type { Call, CommandHandler } from './call.ts';
import { clientCommands } from './client.ts';
import { commandCommands } from './command-info.ts';
import { configCommands } from './config.ts';
import { connectionCommands } from './connection.ts';
import { counterCommands } from './counters.ts';
import { RESERVED, unknownSubcommand, wrongArity } from './errors.ts';
import { expiryCommands } from './expiry.ts';
import { hashCommands } from './hashes.ts';
import { hashPicks } from './hash-pick.ts';
import { infoCommands } from './info.ts';
import { allKeys, keyCommands } from './keys.ts';
import { objectCommands } from './object.ts';
import { pubsubCommands } from './pubsub.ts';
import { replicationCommands } from './replication.ts';
import { trace } from './redis/trace.ts';
import { scanCommands } from './scan.ts';
import { serverCommands } from './server-commands.ts';
import { setAlgebra } from './set-algebra.ts';
import { setCommands } from './sets.ts';
import { sortCommands } from './sort.ts';
import { type Arguments, type CommandSpec, commandTable, keyPositions, resolve } from './spec.ts';
import { stringReaders } from './string-read.ts';
import { stringWriters } from './string-write.ts';
import { zsetAdd } from './zset-add.ts';
import { zsetAlgebra } from './zset-algebra.ts';
import { zsetPops } from './zset-pop.ts';
import { zsetRanges } from './zset-range.ts';
import { zsetCommands } from './zsets.ts';

const handlers = new Map<string, CommandHandler>(
  Object.entries({
    ...stringReaders,
    ...stringWriters,
    ...counterCommands,
    ...keyCommands,
    ...expiryCommands,
    ...scanCommands,
    ...objectCommands,
    ...sortCommands,
    ...hashCommands,
    ...hashPicks,
    ...setCommands,
    ...setAlgebra,
    ...zsetCommands,
    ...zsetAdd,
    ...zsetRanges,
    ...zsetAlgebra,
    ...zsetPops,
    ...pubsubCommands,
    ...connectionCommands,
    ...clientCommands,
    ...commandCommands,
    ...configCommands,
    ...infoCommands,
    ...serverCommands,
    ...replicationCommands,
    'mqkv.trace': trace,
  }),
);

/** The handler of a command; undefined: MULTI and its family, which the gateway executes itself. */
export function handlerOf(spec: CommandSpec): CommandHandler | undefined {
  return handlers.get(spec.name.split('|')[0]);
}

/** A command found and checked, or the error to reply. */
export type Checked =
  | { readonly spec: CommandSpec; readonly error?: undefined }
  | { readonly spec?: undefined; readonly error: string };

/**
 * Finds a command and checks its subcommand and arity, and whether the store executes it. `more`: commands beside the
 * table's, by name in any case.
 */
export function check(
  args: Arguments,
  store: 'embedded' | 'redis' = 'embedded',
  more?: (name: string) => CommandSpec | undefined,
): Checked {
  const given = args.text(0);
  const container = commandTable.get(given) ?? commandTable.get(given.toLowerCase()) ?? more?.(given);
  if (container === undefined) return { error: unknownCommand(args) };
  const isWhole = container.name === 'cluster';
  const spec = isWhole ? container : resolve(container, args);
  if (container.subcommands.size > 0 && spec === container && args.argc > 1 && !isWhole)
    return { error: unknownSubcommand(given, args.text(1)) };
  const { arity } = spec;
  if (arity > 0 ? args.argc !== arity : args.argc < -arity) return { error: wrongArity(spec.name) };
  const refused = refusalBy(store, spec);
  return refused === undefined ? { spec } : { error: refused };
}

/** Refused in the words of a Redis with one database that is no cluster, by handlers. */
const REFUSED_LIKE_REDIS: ReadonlySet<string> = new Set([
  'move',
  'swapdb',
  'cluster',
  'asking',
  'readonly',
  'readwrite',
]);

/** Whether a refused command is answered as by a Redis that cannot execute it either. */
export function isRefusedLikeRedis({ via, name }: CommandSpec): boolean {
  return via === 'refused' && REFUSED_LIKE_REDIS.has(name.split('|')[0]);
}

function refusalBy(store: 'embedded' | 'redis', spec: CommandSpec): string | undefined {
  const name = spec.name.toUpperCase().replace('|', ' ');
  if (store === 'redis')
    return spec.via === 'refused' && !isRefusedLikeRedis(spec)
      ? `ERR ${name} is refused: ${spec.reason}`
      : undefined;
  if (spec.name === 'mqkv.verify') return 'ERR MQKV.VERIFY needs a Redis store';
  return spec.supported ? undefined : `ERR '${name}' is not supported by the embedded store yet`;
}

function unknownCommand(args: Arguments): string {
  let rest = '';
  for (let a = 1; a < args.argc && rest.length < 128; a++)
    rest += `'${printable(args.text(a)).slice(0, 128 - rest.length)}' `;
  return `ERR unknown command '${printable(args.text(0)).slice(0, 128)}', with args beginning with: ${rest}`;
}

/** What C's printf shows of bytes: nothing after a NUL. */
function printable(text: string): string {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/** The keys that a checked command names. */
export function namedKeys(spec: CommandSpec, args: Arguments): string[] {
  if (spec.keys.length === 0) return [];
  return (keyPositions(spec, args) ?? []).map((at) => args.text(at));
}

/** The keys that a command of a unit names; FLUSHALL names what there is. */
export function unitKeys(call: Call): readonly string[] {
  const isFlush = call.spec.name === 'flushall' || call.spec.name === 'flushdb';
  return isFlush ? allKeys(call.keyspace, '*') : namedKeys(call.spec, call);
}

/** The error of a write to a reserved name. undefined: none. */
export function reservedError(spec: CommandSpec, keys: readonly string[]): string | undefined {
  return spec.isWrite && keys.some((key) => key.startsWith('mqkv:')) ? RESERVED : undefined;
}

/** Runs a checked command inside a unit that has begun. Reserved names have been refused. */
export function run(call: Call): void | Promise<void> {
  const handler = handlerOf(call.spec);
  if (handler === undefined) return call.fail(`ERR '${call.spec.name}' needs a connection`);
  return handler(call);
}

/** Runs a checked command as a unit of its own. */
export function runAlone(call: Call, now: number): void | Promise<void> {
  const { keyspace, spec } = call;
  const keys = namedKeys(spec, call);
  const refused = reservedError(spec, keys);
  if (refused !== undefined) return call.fail(refused);
  keyspace.begin(now);
  try {
    if (spec.isWrite && keys.length > 1) for (const key of keys) keyspace.name(key);
    return run(call);
  } finally {
    keyspace.end();
  }
}
