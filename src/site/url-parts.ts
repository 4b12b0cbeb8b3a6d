// What the URLs of stores and queues have in common: schemes, address lists, parameters.
import { formatAddress, type HostPort } from './addresses.ts';
import { badValue } from './quantities.ts';
import { suggestion } from './suggest.ts';

/** Addresses of one URL: more are a mistake, and each costs a connection. */
const ADDRESSES_MAX = 64;

/** The addresses of a comma-separated list. Errors: MqkvError `BAD_VALUE`. */
export function addressList(text: string, parse: (text: string) => HostPort): readonly HostPort[] {
  const parts = text === '' ? [] : text.split(',');
  if (parts.length > ADDRESSES_MAX) throw badValue(`holds more than ${ADDRESSES_MAX} addresses`);
  const found = parts.map(parse);
  const names = found.map(formatAddress);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw badValue(`holds "${twice}" twice`);
  return found;
}

/** `NAME=VALUE&…`; a name given twice: its values with a comma. By hand, not URLSearchParams: `+` and `%` mean themselves in topic names and addresses. */
export function parameterMap(query: string, names: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const part of query === '' ? [] : query.split('&')) {
    const at = part.indexOf('=');
    const name = at < 0 ? part : part.slice(0, at);
    if (!names.includes(name)) throw badValue(unknownParameter(name, names));
    if (at < 0 || at === part.length - 1) throw badValue(`must give the parameter "${name}" a value`);
    const before = found.get(name);
    found.set(name, before === undefined ? part.slice(at + 1) : `${before},${part.slice(at + 1)}`);
  }
  return found;
}

function unknownParameter(name: string, names: readonly string[]): string {
  const allowed = names.length === 0 ? 'none is allowed here' : `allowed are ${names.join(', ')}`;
  return `holds the unknown parameter "${name}"; ${allowed}${suggestion(name, names)}`;
}

/** The schemes that exist, and what to say of near misses. */
export interface Schemes {
  readonly now: readonly string[];
  /** A whole answer for schemes that people try. */
  readonly instead?: ReadonlyMap<string, string>;
}

/** The scheme with its colon. Errors: MqkvError `BAD_VALUE`. */
export function schemeOf(text: string, { now, instead }: Schemes): string {
  const scheme = /^[A-Za-z+-]*:/.exec(text)?.[0].toLowerCase() ?? text;
  if (now.includes(scheme) && text.startsWith(scheme)) return scheme;
  const answer = instead?.get(scheme);
  if (answer !== undefined) throw badValue(answer);
  const allowed = `this version has ${listed(now)}`;
  throw badValue(`has no known scheme; ${allowed}${suggestion(scheme, now)}`);
}

/** `a, b and c`. */
function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** A URL without its passwords, for messages. */
export function withoutPassword(text: string): string {
  return text
    .replace(/^([a-z+-]+:(?:\/\/)?[^:@]*):.*@/i, '$1:***@')
    .replace(/^((?:nsq|nats):\/\/)[^:@/?]*@/i, '$1***@')
    .replace(/([?&][a-z_]*password=)[^&]*/gi, '$1***');
}
