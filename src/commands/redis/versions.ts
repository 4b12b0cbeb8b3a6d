// The newest version that keys hold, read from their headers: what WATCH remembers and EXEC compares.
import { type Latin1, MqkvError } from '../../base/index.ts';
import { compareVersions, endOf, laterOf, NONE, TYPE_STRING, type Version } from '../../crdt/index.ts';
import { newestOfHeader, parseHeader } from '../../store/redis/header-text.ts';
import { parseRegister } from '../../store/redis/register-text.ts';
import { slotKey, slotOf } from '../../store/redis/slots.ts';
import { versionText } from '../../store/redis/version-text.ts';
import type { Session } from '../session.ts';
import type { Port } from './port.ts';
import { elementsOf, errorText, isErrorReply, parsedReply } from './raw-reply.ts';

const SHORT_KEY_BYTES = 64;
const STUB = 'L';
/** What a watch remembers of a header: its newest version, or the end of its expiry if that has fired and is larger. Units: `now` Unix ms. */
function watchToken(text: Latin1, now: number): string {
  const header = parseHeader(text);
  const { expiryAt, newest, register, clear } = header;
  const inRegister = register === undefined ? NONE : newestInRegister(register);
  const known = compareVersions(newest, NONE) > 0 ? newest : laterOf(newestOfHeader(header), inRegister);
  const floor = expiryAt !== 0 && expiryAt <= now ? laterOf(clear, endOf(header)) : clear;
  return versionText(laterOf(known, floor));
}

/** The text may begin with the digit of its type. The value itself does not matter. */
function newestInRegister(text: Latin1): Version {
  const register = parseRegister(/^\d/.test(text) ? text.slice(1) : text, TYPE_STRING, NO_VALUE);
  const runs = [...(register?.runs?.values() ?? [])];
  return runs.reduce((newest, run) => laterOf(newest, run.v), register?.v ?? NONE);
}

const NO_VALUE = Buffer.alloc(0);

/** What to remember of each watched key. Errors: MqkvError with the store's own error text. */
export function versionsOf(port: Port, session: Session, keys: readonly Latin1[]): Promise<string[]> {
  return Promise.all(keys.map((key) => versionOf(port, session, key)));
}

async function versionOf(port: Port, session: Session, key: Latin1): Promise<string> {
  const slot = slotOf(key);
  const place = { slot, protocol: session.connection.protocol };
  const small = key.length <= SHORT_KEY_BYTES ? ['HGET', slotKey(slot), key] : undefined;
  const large = ['HGET', `${slotKey(slot)}.`, key];
  const headers = small === undefined ? [large] : [small, large];
  const [time, ...replies] = await port.ask(session, [['TIME'], ...headers], place);
  const texts = replies.map(textOf);
  const text = texts[0] === STUB ? texts[1] : texts[0];
  return text === undefined ? '' : watchToken(text, unixMs(time));
}

function unixMs(raw: Buffer): number {
  if (isErrorReply(raw)) throw new MqkvError('STORE_REFUSED', errorText(raw));
  const [seconds, microseconds] = (elementsOf(raw) ?? []).map((part) => Number(textOf(part)));
  return seconds * 1000 + Math.floor(microseconds / 1000);
}

function textOf(raw: Buffer): Latin1 | undefined {
  if (isErrorReply(raw)) throw new MqkvError('STORE_REFUSED', errorText(raw));
  const reply = parsedReply(raw);
  return reply.kind === 'bulk' ? reply.bytes.toString('latin1') : undefined;
}
