// CONFIG: the settings that exist, under Redis' names.
import { CLIENTS_MAX, SLOWLOG_ENTRIES_MAX, SLOWLOG_MICROSECONDS, VALUE_BYTES_MAX } from '../base/index.ts';
import { matchesGlob } from '../server/index.ts';
import type { Call, CommandHandler } from './call.ts';
import { wrongArity } from './errors.ts';
import { replyHelp } from './help.ts';
import { parseLong } from './numbers.ts';
import { attached } from './pubsub.ts';
import type { GatewayOptions, Shared } from './shared.ts';

/** The settings a gateway starts with. */
export function openSettings(options: GatewayOptions): Map<string, string> {
  return new Map([
    ['appendonly', 'no'],
    ['databases', '1'],
    ['maxclients', String(CLIENTS_MAX)],
    ['maxmemory', '0'],
    ['maxmemory-policy', 'noeviction'],
    ['notify-keyspace-events', ''],
    ['proto-max-bulk-len', String(options.maxValueBytes ?? VALUE_BYTES_MAX)],
    ['requirepass', ''],
    ['save', ''],
    ['slowlog-log-slower-than', String(SLOWLOG_MICROSECONDS)],
    ['slowlog-max-len', String(SLOWLOG_ENTRIES_MAX)],
    ['timeout', '0'],
    ...Object.entries(options.settings ?? {}),
  ]);
}

function get(c: Call, shared: Shared): void {
  const found = new Map<string, string>();
  for (const pattern of c.rest(2)) {
    const lower = pattern.toLowerCase();
    const exact = shared.settings.get(lower);
    if (exact !== undefined) found.set(pattern, exact);
    else for (const [name, value] of shared.settings) if (matchesGlob(lower, name)) found.set(name, value);
  }
  c.reply.map(found.size);
  for (const [name, value] of found) {
    c.reply.latin1(name);
    c.reply.latin1(value);
  }
}

/** What forbids a change. undefined: nothing. */
function objection(shared: Shared, name: string, value: string): string | undefined {
  const held = shared.settings.get(name);
  if (held === undefined) return `ERR Unknown option or number of arguments for CONFIG SET - '${name}'`;
  if (name !== 'slowlog-log-slower-than')
    return held === value
      ? undefined
      : `ERR CONFIG SET failed (possibly related to argument '${name}') - can't set immutable config`;
  const limit = parseLong(value);
  return limit === undefined || limit < -1
    ? `ERR CONFIG SET failed (possibly related to argument '${name}') - argument must be between -1 and 9223372036854775807 inclusive`
    : undefined;
}

function set(c: Call, shared: Shared): void {
  if (c.argc % 2 !== 0) return c.fail(wrongArity('config|set'));
  for (let a = 2; a < c.argc; a += 2) {
    const refused = objection(shared, c.text(a).toLowerCase(), c.text(a + 1));
    if (refused !== undefined) return c.fail(refused);
  }
  for (let a = 2; a < c.argc; a += 2) shared.settings.set(c.text(a).toLowerCase(), c.text(a + 1));
  c.reply.ok();
}

function config(c: Call): void {
  const on = attached(c);
  if (on === undefined) return;
  const word = c.word(1);
  if (word === 'GET') get(c, on.shared);
  else if (word === 'SET') set(c, on.shared);
  else if (word === 'RESETSTAT') {
    on.shared.statistics.reset();
    c.reply.ok();
  } else replyHelp(c);
}

export const configCommands: Readonly<Record<string, CommandHandler>> = { config };
