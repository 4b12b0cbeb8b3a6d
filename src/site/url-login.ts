// The URLs of servers with a login: scheme://[USER:PASSWORD@]HOST…[/PATH][?PARAMETERS], and their TLS parameters.
// User, password, path and the values of parameters are percent-decoded.
import type { QueueTls } from '../queue/index.ts';
import { badValue } from './quantities.ts';
import { parameterMap } from './url-parts.ts';

/** What `tlsOf` reads beside `tls` itself. */
export const TLS_PARAMETERS: readonly string[] = ['tls_ca', 'tls_cert', 'tls_key', 'tls_verify'];

/** The pieces of a URL. */
export interface UrlPieces {
  /** What stands before the `@`, not decoded; undefined: no `@`. */
  readonly login: string | undefined;
  readonly hosts: string;
  /** Between the slashes, decoded. */
  readonly path: readonly string[];
  readonly query: string;
}

/** Cuts a URL; undefined: it has another form. `scheme`: with its colon. */
export function splitUrl(text: string, scheme: string): UrlPieces | undefined {
  const [, login, hosts = '', path = '', query = ''] =
    /^\/\/(?:([^/?#]*)@)?([^/?#@]+)((?:\/[^/?#@]*)*)(?:\?([^#]*))?$/.exec(text.slice(scheme.length)) ?? [];
  if (hosts === '') return undefined;
  const parts = path.split('/').filter((part) => part !== '');
  return { login, hosts, path: parts.map(decode), query };
}

/** Who a URL logs in as. */
export interface Login {
  readonly user: string | undefined;
  readonly password: string | undefined;
}

/** `USER:PASSWORD` or `:PASSWORD`. Errors: MqkvError `BAD_VALUE`. */
export function loginOf(text: string | undefined): Login {
  if (text === undefined || text === '') return { user: undefined, password: undefined };
  const at = text.indexOf(':');
  if (at < 0) throw badValue('gives a user without a password; write USER:PASSWORD@ or :PASSWORD@');
  const [user, password] = [decode(text.slice(0, at)), decode(text.slice(at + 1))];
  if (password === '') throw badValue('gives an empty password');
  return { user: user === '' ? undefined : user, password };
}

/** `parameterMap` with decoded values. */
export function decoded(query: string, names: readonly string[]): ReadonlyMap<string, string> {
  return new Map([...parameterMap(query, names)].map(([name, value]) => [name, decode(value)]));
}

/** Percent-decodes. Errors: MqkvError `BAD_VALUE`. */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badValue('holds a "%" that no two hexadecimal digits follow; write %25 for itself');
  }
}

/** A parameter that is yes or no; absent: no. */
export function yesOf(parameters: ReadonlyMap<string, string>, name: string): boolean {
  const word = parameters.get(name) ?? 'no';
  if (word === 'yes' || word === 'no') return word === 'yes';
  throw badValue(`holds ${name}="${word}"; allowed are yes, no`);
}

/** The TLS parameters; undefined: none is given. `tls`: whether TLS is asked for at all. */
export function tlsOf(parameters: ReadonlyMap<string, string>, tls: boolean): QueueTls | undefined {
  const given = TLS_PARAMETERS.find((name) => parameters.has(name));
  if (given === undefined) return undefined;
  if (!tls) throw badValue(`gives "${given}" without tls=yes`);
  const [certFile, keyFile] = [parameters.get('tls_cert'), parameters.get('tls_key')];
  if ((certFile === undefined) !== (keyFile === undefined))
    throw badValue('must give tls_cert and tls_key together');
  const verify = !parameters.has('tls_verify') || yesOf(parameters, 'tls_verify');
  return { caFile: parameters.get('tls_ca'), certFile, keyFile, verify };
}
