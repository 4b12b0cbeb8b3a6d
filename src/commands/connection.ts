// Commands about the connection: PING, AUTH, HELLO, SELECT, RESET, QUIT, ECHO.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Call, CommandHandler } from './call.ts';
import { NOT_INTEGER, SYNTAX, wrongArity } from './errors.ts';
import { parseLong } from './numbers.ts';
import { attached } from './pubsub.ts';
import { endQueue, type Session } from './session.ts';

/** The Redis whose command set, replies and error texts this face speaks; clients look at it. */
export const REDIS_VERSION = '7.0.15';

const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.';
const NO_PASSWORD =
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?';

function ping(c: Call): void {
  if (c.argc > 2) return c.fail(wrongArity('ping'));
  const isPubSub = c.session !== undefined && c.shared?.pubsub.isSubscribed(c.session.connection) === true;
  if (isPubSub && c.reply.protocol === 2) {
    c.reply.array(2);
    c.reply.latin1('pong');
    c.reply.bulk(c.argc > 1 ? c.bytes(1) : Buffer.alloc(0));
  } else if (c.argc > 1) c.reply.bulk(c.bytes(1));
  else c.reply.simple('PONG');
}

function sameSecret(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text, 'latin1').digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** Checks a user and password. `wanted` undefined: the default user needs none. */
function isAllowed(user: string, password: string, wanted: string | undefined): boolean {
  if (user !== 'default') return false;
  return wanted === undefined || sameSecret(password, wanted);
}

function admit(session: Session): void {
  session.authenticated = true;
  session.connection.authenticated = true;
}

function auth(c: Call): void {
  const on = attached(c);
  if (on === undefined) return;
  if (c.argc > 3) return c.fail(SYNTAX);
  const wanted = on.shared.options.password;
  if (c.argc === 2 && wanted === undefined) return c.fail(NO_PASSWORD);
  const [user, password] = c.argc === 2 ? ['default', c.text(1)] : [c.text(1), c.text(2)];
  if (!isAllowed(user, password, wanted)) return c.fail(WRONG_PASSWORD);
  admit(on.session);
  c.reply.ok();
}

interface HelloOptions {
  credentials?: readonly [string, string];
  name?: string;
}

function helloOptions(c: Call): HelloOptions | undefined {
  const options: HelloOptions = {};
  for (let a = 2; a < c.argc; a++) {
    const word = c.word(a);
    if (word === 'AUTH' && a + 2 < c.argc) {
      options.credentials = [c.text(a + 1), c.text(a + 2)];
      a += 2;
    } else if (word === 'SETNAME' && a + 1 < c.argc) {
      options.name = c.text(++a);
      if (!isClientName(options.name)) return c.fail(BAD_NAME);
    } else return c.fail(`ERR Syntax error in HELLO option '${c.text(a)}'`);
  }
  return options;
}

const BAD_NAME = 'ERR Client names cannot contain spaces, newlines or special characters.';

/** Names of clients: printable, no blanks. */
function isClientName(name: string): boolean {
  return /^[!-~]*$/.test(name);
}

/** CLIENT SETNAME. false: an error was replied. */
export function setClientName(c: Call, session: Session, name: string): boolean {
  if (!isClientName(name)) {
    c.fail(BAD_NAME);
    return false;
  }
  session.connection.name = name;
  return true;
}

function hello(c: Call): void {
  const on = attached(c);
  if (on === undefined) return;
  const version = c.argc > 1 ? parseLong(c.text(1)) : c.reply.protocol;
  if (version === undefined) return c.fail('ERR Protocol version is not an integer or out of range');
  if (version !== 2 && version !== 3) return c.fail('NOPROTO unsupported protocol version');
  const options = helloOptions(c);
  if (options === undefined) return;
  const { credentials } = options;
  if (credentials !== undefined) {
    if (!isAllowed(credentials[0], credentials[1], on.shared.options.password)) return c.fail(WRONG_PASSWORD);
    admit(on.session);
  }
  if (!on.session.authenticated)
    return c.fail(
      'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
    );
  if (options.name !== undefined) on.session.connection.name = options.name;
  if (c.argc > 1) setProtocol(c, on.session, version);
  replyHello(c, on.session);
}

function setProtocol(c: Call, session: Session, version: 2 | 3): void {
  session.connection.protocol = version;
  c.reply.protocol = version;
}

function replyHello(c: Call, session: Session): void {
  const { reply } = c;
  reply.map(7);
  reply.latin1('server');
  reply.latin1('redis');
  reply.latin1('version');
  reply.latin1(REDIS_VERSION);
  reply.latin1('proto');
  reply.integer(reply.protocol);
  reply.latin1('id');
  reply.integer(session.connection.id);
  reply.latin1('mode');
  reply.latin1('standalone');
  reply.latin1('role');
  reply.latin1('master');
  reply.latin1('modules');
  reply.array(0);
}

function select(c: Call): void {
  const db = parseLong(c.text(1));
  if (db === undefined) c.fail(NOT_INTEGER);
  else if (db !== 0) c.fail('ERR DB index is out of range');
  else c.reply.ok();
}

function reset(c: Call): void {
  const on = attached(c);
  if (on === undefined) return;
  const { session, shared } = on;
  endQueue(session);
  shared.pubsub.drop(session.connection);
  shared.monitors.delete(session);
  session.isMonitor = false;
  session.replies = 'on';
  session.ack = 'local';
  session.authenticated = shared.options.password === undefined;
  session.connection.authenticated = session.authenticated;
  session.connection.name = '';
  setProtocol(c, session, 2);
  c.reply.simple('RESET');
}

function quit(c: Call): void {
  c.reply.ok();
  c.session?.connection.close(true);
}

export const connectionCommands: Readonly<Record<string, CommandHandler>> = {
  ping,
  auth,
  hello,
  select,
  reset,
  quit,
  echo: (c) => c.reply.bulk(c.bytes(1)),
};
