// Commands about the server: TIME, WAIT, SLOWLOG, LATENCY, SHUTDOWN, MONITOR, ROLE, ACL, LOLWUT, MQKV.PEER.
import type { Call, CommandHandler } from './call.ts';
import { NOT_INTEGER, SYNTAX } from './errors.ts';
import { replyHelp } from './help.ts';
import { parseLong } from './numbers.ts';
import { attached } from './pubsub.ts';
import type { SlowEntry } from './slow-log.ts';
import { commandTable } from './spec.ts';

const NO_CLUSTER = 'ERR This instance has cluster support disabled';

function time(c: Call): void {
  const now = c.ctx.clock.now();
  c.strings([String(Math.floor(now / 1000)), String((now % 1000) * 1000)]);
}

function wait(c: Call): void | Promise<void> {
  const sites = parseLong(c.text(1));
  const timeoutMs = parseLong(c.text(2));
  if (sites === undefined) return c.fail(NOT_INTEGER);
  if (timeoutMs === undefined) return c.fail('ERR timeout is not an integer or out of range');
  if (timeoutMs < 0) return c.fail('ERR timeout is negative');
  const hook = c.shared?.options.wait;
  if (hook === undefined || c.session === undefined) return c.reply.integer(0);
  const { connection } = c.session;
  const reached = hook(connection, sites, c.isInside ? undefined : timeoutMs);
  if (typeof reached === 'number') return c.reply.integer(reached);
  connection.isWaitOptional = true;
  return reached.then((count) => {
    connection.isWaitOptional = false;
    c.reply.integer(count);
  });
}

function slowlog(c: Call): void {
  const on = attached(c);
  if (on === undefined) return;
  const log = on.shared.slowLog;
  const word = c.word(1);
  if (word === 'LEN') c.reply.integer(log.entries.length);
  else if (word === 'RESET') {
    log.entries = [];
    c.reply.ok();
  } else if (word === 'GET') slowlogGet(c, log.entries);
  else replyHelp(c);
}

function slowlogGet(c: Call, entries: readonly SlowEntry[]): void {
  const count = c.argc > 2 ? parseLong(c.text(2)) : 10;
  if (c.argc > 3) return c.fail("ERR wrong number of arguments for 'slowlog|get' command");
  if (count === undefined || count < -1) return c.fail('ERR count should be greater than or equal to -1');
  const shown = count < 0 ? entries : entries.slice(0, count);
  c.reply.array(shown.length);
  for (const entry of shown) {
    c.reply.array(6);
    c.reply.integer(entry.id);
    c.reply.integer(entry.at);
    c.reply.integer(entry.microseconds);
    c.strings(entry.args);
    c.reply.latin1(entry.address);
    c.reply.latin1(entry.client);
  }
}

function latency(c: Call): void {
  const word = c.word(1);
  if (word === 'LATEST' || word === 'HISTORY') c.reply.array(0);
  else if (word === 'HISTOGRAM') c.reply.map(0);
  else if (word === 'RESET') c.reply.integer(0);
  else if (word === 'DOCTOR')
    c.reply.verbatim('txt', 'No latency events are recorded; SLOWLOG has the slow commands.\n');
  else replyHelp(c);
}

function shutdown(c: Call): void {
  for (const option of c.rest(1))
    if (!['NOSAVE', 'SAVE', 'NOW', 'FORCE'].includes(option.toUpperCase())) return c.fail(SYNTAX);
  const stop = c.shared?.options.shutdown;
  if (stop === undefined) return c.fail('ERR SHUTDOWN is not allowed here');
  stop();
}

function monitor(c: Call): void {
  const on = attached(c);
  if (on === undefined) return;
  on.session.isMonitor = true;
  on.session.connection.keepOpen = true;
  on.shared.monitors.add(on.session);
  c.reply.ok();
}

function role(c: Call): void {
  c.reply.array(3);
  c.reply.latin1('master');
  c.reply.integer(0);
  c.reply.array(0);
}

function acl(c: Call): void {
  const word = c.word(1);
  if (word === 'WHOAMI') c.reply.latin1('default');
  else if (word === 'USERS') c.strings(['default']);
  else if (word === 'LIST') c.strings([aclLine(c)]);
  else if (word === 'CAT') aclCategories(c);
  else replyHelp(c);
}

function aclLine(c: Call): string {
  const hasPassword = c.shared?.options.password !== undefined;
  return `user default on ${hasPassword ? '' : 'nopass '}~* &* +@all`;
}

function aclCategories(c: Call): void {
  const specs = [...commandTable.values()].filter((spec) => spec.supported);
  if (c.argc === 2) return c.strings([...new Set(specs.flatMap((spec) => spec.acl))]);
  const category = c.text(2).toLowerCase();
  const members = specs.filter((spec) => spec.acl.includes(category)).map((spec) => spec.name);
  if (members.length === 0) return c.fail(`ERR Unknown category '${c.text(2)}'`);
  c.strings(members);
}

function lolwut(c: Call): void {
  const site = ['  .-.  ', ' ( o ) ', "  '-'  "];
  const link = ['       ', ' <---> ', '       '];
  const lines = site.map((row, i) => row + link[i] + row + link[i] + row);
  const version = c.shared?.options.version ?? '';
  c.reply.verbatim('txt', `${lines.join('\n')}\n\nmany sites, one key space. mqkv ${version}\n`);
}

function peer(c: Call): void {
  const on = attached(c);
  if (on === undefined) return;
  const hook = on.shared.options.peer;
  if (hook === undefined) return c.fail('ERR this site takes no peer links');
  hook(
    on.session.connection,
    c.rest(1).map((arg) => Buffer.from(arg, 'latin1')),
  );
}

const noCluster: CommandHandler = (c) => c.fail(NO_CLUSTER);

export const serverCommands: Readonly<Record<string, CommandHandler>> = {
  time,
  wait,
  slowlog,
  latency,
  shutdown,
  monitor,
  role,
  acl,
  lolwut,
  debug: (c) =>
    c.fail(`ERR DEBUG ${c.word(1).slice(0, 64)} is refused: it would stop or corrupt a live site`),
  lastsave: (c) => c.reply.integer(Math.floor((c.shared?.startedAtMs ?? 0) / 1000)),
  readonly: noCluster,
  readwrite: noCluster,
  asking: noCluster,
  cluster: noCluster,
  'mqkv.peer': peer,
};
