// CLIENT: the connections of this gateway.
import type { Call, CommandHandler } from './call.ts';
import { setClientName } from './connection.ts';
import { SYNTAX } from './errors.ts';
import { replyHelp } from './help.ts';
import { parseLong } from './numbers.ts';
import { attached } from './pubsub.ts';
import type { Session } from './session.ts';
import type { Shared } from './shared.ts';

interface On {
  readonly session: Session;
  readonly shared: Shared;
}

/** A client's line in CLIENT LIST. */
function line(session: Session, { shared }: On, now: number): string {
  const { connection } = session;
  const { pubsub } = shared;
  const seconds = (since: number): number => Math.max(0, Math.floor((now - since) / 1000));
  return [
    `id=${connection.id}`,
    `addr=${connection.remoteAddress}`,
    `laddr=${connection.localAddress}`,
    'fd=-1',
    `name=${connection.name}`,
    `age=${seconds(connection.openedAtMs)}`,
    `idle=${seconds(session.lastCommandAtMs)}`,
    `flags=${flags(session, shared)}`,
    'db=0',
    `sub=${pubsub.count(connection)}`,
    `ssub=${pubsub.count(connection, 'shard')}`,
    `multi=${session.queue?.length ?? -1}`,
    `omem=${connection.bytesQueued}`,
    'events=r',
    `cmd=${connection.lastCommand === '' ? 'NULL' : connection.lastCommand}`,
    'user=default',
    'redir=-1',
    `resp=${connection.protocol}`,
    `lib-name=${session.libraryName}`,
    `lib-ver=${session.libraryVersion}`,
  ].join(' ');
}

function flags(session: Session, shared: Shared): string {
  let text = '';
  if (session.isMonitor) text += 'O';
  if (shared.pubsub.isSubscribed(session.connection)) text += 'P';
  if (session.queue !== undefined) text += 'x';
  if (session.watchBroken) text += 'd';
  if (session.noEvict) text += 'e';
  return text === '' ? 'N' : text;
}

function typeOf(session: Session, shared: Shared): string {
  return shared.pubsub.isSubscribed(session.connection) ? 'pubsub' : 'normal';
}

const TYPES: readonly string[] = ['normal', 'master', 'replica', 'slave', 'pubsub'];

function list(c: Call, on: On): void {
  let shown = [...on.shared.sessions.values()];
  if (c.argc === 4 && c.word(2) === 'TYPE') {
    const type = c.text(3).toLowerCase();
    if (!TYPES.includes(type)) return c.fail(`ERR Unknown client type '${c.text(3)}'`);
    shown = shown.filter((session) => typeOf(session, on.shared) === type);
  } else if (c.argc > 3 && c.word(2) === 'ID') {
    const ids = c.rest(3).map(parseLong);
    if (ids.some((id) => id === undefined || id < 1)) return c.fail('ERR Invalid client ID');
    shown = shown.filter((session) => ids.includes(session.connection.id));
  } else if (c.argc !== 2) return c.fail(SYNTAX);
  const now = c.ctx.clock.now();
  c.reply.verbatim('txt', shown.map((session) => `${line(session, on, now)}\n`).join(''));
}

type Filter = (session: Session) => boolean;

function filterOf(name: string, value: string, shared: Shared): Filter | string {
  if (name === 'ID') {
    const id = parseLong(value);
    return id === undefined || id < 1
      ? 'ERR client-id should be greater than 0'
      : (s) => s.connection.id === id;
  }
  if (name === 'ADDR') return (s) => s.connection.remoteAddress === value;
  if (name === 'LADDR') return (s) => s.connection.localAddress === value;
  if (name === 'USER') return value === 'default' ? () => true : `ERR No such user '${value}'`;
  if (name !== 'TYPE') return SYNTAX;
  const type = value.toLowerCase();
  return TYPES.includes(type) ? (s) => typeOf(s, shared) === type : `ERR Unknown client type '${value}'`;
}

function kill(c: Call, on: On): void {
  if (c.argc === 3) {
    const victim = [...on.shared.sessions.values()].find((s) => s.connection.remoteAddress === c.text(2));
    if (victim === undefined) return c.fail('ERR No such client');
    c.reply.ok();
    return victim.connection.close(victim === on.session);
  }
  let skipMe = true;
  const filters: Filter[] = [];
  if (c.argc % 2 !== 0) return c.fail(SYNTAX);
  for (let a = 2; a < c.argc; a += 2) {
    const word = c.word(a);
    const choice = c.word(a + 1);
    if (word === 'SKIPME') {
      if (choice !== 'YES' && choice !== 'NO') return c.fail(SYNTAX);
      skipMe = choice === 'YES';
      continue;
    }
    const filter = filterOf(word, c.text(a + 1), on.shared);
    if (typeof filter === 'string') return c.fail(filter);
    filters.push(filter);
  }
  const victims = [...on.shared.sessions.values()].filter(
    (s) => !(skipMe && s === on.session) && filters.every((matches) => matches(s)),
  );
  c.reply.integer(victims.length);
  for (const victim of victims) victim.connection.close(victim === on.session);
}

function replies(c: Call, { session }: On): void {
  const word = c.word(2);
  if (word === 'ON') {
    session.replies = 'on';
    c.reply.ok();
  } else if (word === 'OFF') session.replies = 'off';
  else if (word === 'SKIP') {
    if (session.replies === 'on') session.replies = 'skip';
  } else c.fail(SYNTAX);
}

function setInfo(c: Call, { session }: On): void {
  const option = c.text(2).toLowerCase();
  const value = c.text(3);
  if (option !== 'lib-name' && option !== 'lib-ver') return c.fail(`ERR Unrecognized option '${c.text(2)}'`);
  if (!/^[!-~]*$/.test(value))
    return c.fail(`ERR ${option} cannot contain spaces, newlines or special characters.`);
  if (option === 'lib-name') session.libraryName = value;
  else session.libraryVersion = value;
  c.reply.ok();
}

function noEvict(c: Call, { session }: On): void {
  const word = c.word(2);
  if (word !== 'ON' && word !== 'OFF') return c.fail(SYNTAX);
  session.noEvict = word === 'ON';
  c.reply.ok();
}

function getName(c: Call, { session }: On): void {
  const { name } = session.connection;
  if (name === '') c.reply.null();
  else c.reply.latin1(name);
}

const SUBCOMMANDS: Readonly<Record<string, (c: Call, on: On) => void>> = {
  ID: (c, { session }) => c.reply.integer(session.connection.id),
  GETNAME: getName,
  SETNAME: (c, { session }) => {
    if (setClientName(c, session, c.text(2))) c.reply.ok();
  },
  SETINFO: setInfo,
  LIST: list,
  INFO: (c, on) => c.reply.verbatim('txt', `${line(on.session, on, c.ctx.clock.now())}\n`),
  KILL: kill,
  'NO-EVICT': noEvict,
  REPLY: replies,
  GETREDIR: (c) => c.reply.integer(-1),
  HELP: replyHelp,
};

function client(c: Call): void {
  const on = attached(c);
  if (on !== undefined) SUBCOMMANDS[c.word(1)](c, on);
}

export const clientCommands: Readonly<Record<string, CommandHandler>> = { client };
