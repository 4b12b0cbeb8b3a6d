// What becomes of each command on a Redis store, where its flags and the registers it touches do not tell.

/** How a Redis store treats a command: see `docs/redis-commands.md`. */
export type Via = 'pass' | 'register' | 'whole' | 'local' | 'gateway' | 'refused';

/** Commands in this way, separated by blanks; `container|sub` for one subcommand, `container` for all of its own. */
const NAMES: Readonly<Record<'pass' | 'register' | 'local' | 'gateway', string>> = {
  // The connected Redis answers; mqkv reads nothing of it.
  pass: 'function memory object time xinfo xgroup|help',
  // Each command that they call has its own way.
  register: 'eval evalsha',
  // Executed at the connected Redis, never sent to other sites.
  local: 'xack xautoclaim xclaim xgroup xreadgroup',
  // Answered by mqkv: about its connections, settings and statistics, or hiding what lies under `mqkv:`.
  gateway: 'dbsize keys randomkey scan object|help memory|help',
};

const ONE_DATABASE = 'the store is one database';
const NO_ROLE = 'ask the Redis or its Sentinel';
const NO_STREAM = 'replicate from the Redis itself';
const NO_FUNCTION = 'what functions write could not be recorded; use EVAL';
const ASK_REDIS = 'ask the Redis itself';
const ONE_USER = 'mqkv has one user, whose password is set by --requirepass';
const NO_CLUSTER = 'mqkv hides the nodes of its Redis';
const NO_PAUSE = 'a site answers its clients at all times';

/** Why commands are refused; a container's reason is that of all its own. */
const REFUSED: Readonly<Record<string, string>> = {
  fcall: NO_FUNCTION,
  'function|delete': NO_FUNCTION,
  'function|flush': NO_FUNCTION,
  'function|kill': NO_FUNCTION,
  'function|load': NO_FUNCTION,
  'function|restore': NO_FUNCTION,
  'script|debug': 'it would stop a live site',
  migrate: 'the other server would get the data without its versions',
  move: ONE_DATABASE,
  swapdb: ONE_DATABASE,
  debug: 'it would stop or corrupt a live site',
  pfdebug: 'it would change what no other site sees',
  pfselftest: 'it would stop a live site',
  replicaof: NO_ROLE,
  slaveof: NO_ROLE,
  failover: NO_ROLE,
  psync: NO_STREAM,
  sync: NO_STREAM,
  replconf: NO_STREAM,
  bgrewriteaof: ASK_REDIS,
  bgsave: ASK_REDIS,
  save: ASK_REDIS,
  module: ASK_REDIS,
  'config|rewrite': 'mqkv reads its settings from flags and --config',
  'latency|graph': 'mqkv has the same in LATENCY HISTORY',
  'restore-asking': 'it is for the nodes of a cluster; use RESTORE',
  'acl|deluser': ONE_USER,
  'acl|dryrun': ONE_USER,
  'acl|genpass': ONE_USER,
  'acl|getuser': ONE_USER,
  'acl|load': ONE_USER,
  'acl|log': ONE_USER,
  'acl|save': ONE_USER,
  'acl|setuser': ONE_USER,
  'client|pause': NO_PAUSE,
  'client|unpause': NO_PAUSE,
  asking: NO_CLUSTER,
  readonly: NO_CLUSTER,
  readwrite: NO_CLUSTER,
  cluster: NO_CLUSTER,
};

/** Commands whose nothing is `*-1` in RESP2, where a script can only say false. */
const NULL_ARRAYS: ReadonlySet<string> = new Set(
  'blmpop blpop brpop bzmpop bzpopmax bzpopmin exec lmpop xread xreadgroup zmpop'.split(' '),
);
/** The same of those that got a COUNT. */
const NULL_ARRAYS_WITH_COUNT: ReadonlySet<string> = new Set(['lpop', 'rpop']);

const NAMED: ReadonlyMap<string, Via> = new Map(
  Object.entries(NAMES).flatMap(([via, names]) => names.split(' ').map((name) => [name, via as Via])),
);

/** Whether the nothing of a command is a null array: `false`, always, or with a COUNT only. */
export function nullArrayOf(name: string): boolean | 'count' {
  return NULL_ARRAYS_WITH_COUNT.has(name) ? 'count' : NULL_ARRAYS.has(name);
}

/** Why a command is refused on a Redis store; undefined: it is not. */
export function refusalOf(name: string): string | undefined {
  if (name.endsWith('|help') && name !== 'cluster|help' && name !== 'module|help') return undefined;
  return REFUSED[name] ?? REFUSED[name.split('|')[0]];
}

/** How a Redis store treats a command with these flags that does this to registers. */
export function viaOf(name: string, flags: readonly string[], touches: string): Via {
  if (refusalOf(name) !== undefined) return 'refused';
  const named = NAMED.get(name) ?? NAMED.get(name.split('|')[0]);
  if (named !== undefined) return named;
  if (flags.includes('write')) return touches.startsWith('whole') ? 'whole' : 'register';
  return flags.includes('readonly') ? 'pass' : 'gateway';
}
