// The newest version that keys hold, read from their headers: what WATCH remembers and EXEC compares.
import { type Latin1, MqkvError } from '../../base/index.ts';
import { slotKey, slotOf } from '../../store/redis/slots.ts';
import type { Session } from '../session.ts';
import type { Port } from './port.ts';
import { errorText, isErrorReply, parsedReply } from './raw-reply.ts';

const SHORT_KEY_BYTES = 64;
const STUB = 'L';
/** A version in a text: 24 hexadecimal digits. */
const VERSION_LENGTH = 24;

/** The boundary just above a version: its origin + 1. */
function above(version: string): string {
  return (BigInt(`0x${version}`) + 1n).toString(16).padStart(VERSION_LENGTH, '0');
}

/** The greatest version in a header's text (grammar: `store/redis/lua/common.lua`). Empty: it holds none. */
export function newestInHeader(text: Latin1): string {
  const form = text[0]?.toUpperCase();
  const first = text.slice(1, 1 + VERSION_LENGTH);
  if (form === 'P' || form === 'D') return first;
  if (form === 'X') return above(first);
  return form === 'G' ? newestInGeneral(text.slice(1)) : '';
}

/** Of `clear,kind,type,ev,at,until,reach,newest,count,flags[|type register]`: a field `=` or `+` refers to the last version. */
function newestInGeneral(text: Latin1): string {
  const bar = text.indexOf('|');
  const fields = (bar < 0 ? text : text.slice(0, bar)).split(',');
  let last = '';
  const [clear, kind, ev, , reach, newest] = [0, 1, 3, 5, 6, 7].map((at) => {
    const field = fields[at] ?? '';
    if (field === '') return '';
    if (field === '+') last = above(last);
    else if (field !== '=') last = field;
    return last;
  });
  if (newest !== '') return newest;
  return [clear, kind, ev, reach, bar < 0 ? '' : newestInRegister(text.slice(bar + 2))].reduce((a, b) =>
    a > b ? a : b,
  );
}

function newestInRegister(text: Latin1): string {
  const form = text[0]?.toUpperCase();
  if (form !== 'R') return text.slice(1, 1 + VERSION_LENGTH);
  const [, version, , runs] = text.split(';', 4);
  const versions = runs.split(',').map((run) => run.slice(0, VERSION_LENGTH));
  return [version, ...versions].reduce((a, b) => (a > b ? a : b));
}

/** The newest version of each key; empty: none. Errors: MqkvError with the store's own error text. */
export function versionsOf(port: Port, session: Session, keys: readonly Latin1[]): Promise<string[]> {
  return Promise.all(keys.map((key) => versionOf(port, session, key)));
}

async function versionOf(port: Port, session: Session, key: Latin1): Promise<string> {
  const slot = slotOf(key);
  const place = { slot, protocol: 2 } as const;
  const small = key.length <= SHORT_KEY_BYTES ? ['HGET', slotKey(slot), key] : undefined;
  const large = ['HGET', `${slotKey(slot)}.`, key];
  const replies = await port.ask(session, small === undefined ? [large] : [small, large], place);
  const texts = replies.map(textOf);
  const text = texts[0] === STUB ? texts[1] : texts[0];
  return text === undefined ? '' : newestInHeader(text);
}

function textOf(raw: Buffer): Latin1 | undefined {
  if (isErrorReply(raw)) throw new MqkvError('STORE_REFUSED', errorText(raw));
  const reply = parsedReply(raw);
  return reply.kind === 'bulk' ? reply.bytes.toString('latin1') : undefined;
}
