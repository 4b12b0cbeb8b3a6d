// Commands about the server over a Redis store, where they differ from the embedded store's.
import { type Latin1, messageOf } from '../../base/index.ts';
import type { Call } from '../call.ts';
import { NOT_INTEGER, SYNTAX } from '../errors.ts';
import { parseLong } from '../numbers.ts';
import type { Session } from '../session.ts';
import { extrasOf } from './extras.ts';
import type { Port } from './port.ts';

/** SELECT: the store's own database only. */
export function select(c: Call, port: Port): void {
  const db = parseLong(c.text(1));
  if (db === undefined) c.fail(NOT_INTEGER);
  else if (db !== (port.db ?? 0)) c.fail('ERR DB index is out of range');
  else c.reply.ok();
}

/** CLIENT UNBLOCK. */
function unblock(c: Call, session: Session, port: Port): void {
  const id = parseLong(c.text(2));
  const how = c.argc > 3 ? c.word(3) : 'TIMEOUT';
  if (c.argc > 4 || (how !== 'TIMEOUT' && how !== 'ERROR'))
    return c.fail('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR');
  if (id === undefined) return c.fail(NOT_INTEGER);
  const other = port.shared.sessions.get(id);
  const waiter = other === undefined || other === session ? undefined : extrasOf(other).waiter;
  waiter?.end({ kind: how === 'ERROR' ? 'unblocked' : 'timeout' });
  c.reply.integer(waiter === undefined ? 0 : 1);
}

function noTouch(c: Call, session: Session): void {
  const word = c.word(2);
  if (word !== 'ON' && word !== 'OFF') return c.fail(SYNTAX);
  extrasOf(session).noTouch = word === 'ON';
  c.reply.ok();
}

/** Subcommands of CLIENT that only this gateway has. false: another one. */
export function clientCommand(c: Call, session: Session, port: Port): boolean {
  const word = c.word(1);
  if (word === 'UNBLOCK' && c.argc > 2) unblock(c, session, port);
  else if (word === 'NO-TOUCH' && c.argc === 3) noTouch(c, session);
  else if (word === 'PAUSE' || word === 'UNPAUSE')
    c.fail('ERR CLIENT PAUSE is refused: a site answers its clients at all times');
  else return false;
  return true;
}

/** What a gateway may offer besides `GatewayOptions` over a Redis store. */
interface Verifies {
  verify?(): Promise<Readonly<Record<string, number | string>>>;
}

/** MQKV.VERIFY: looks for what was written behind mqkv's back. */
export async function verify(c: Call, port: Port): Promise<void> {
  const hook = (port.shared.options as Verifies).verify;
  if (hook === undefined) return c.fail('ERR MQKV.VERIFY needs a Redis store');
  try {
    const found = Object.entries(await hook());
    c.reply.map(found.length);
    for (const [name, value] of found) reply(c, name, value);
  } catch (error) {
    c.fail(`ERR ${messageOf(error)}`);
  }
}

function reply(c: Call, name: Latin1, value: number | string): void {
  c.reply.latin1(name);
  if (typeof value === 'number') c.reply.integer(value);
  else c.reply.latin1(value);
}
