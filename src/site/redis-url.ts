// The URLs of a Redis as the site's store: standalone, by Sentinel, a cluster, over TCP, TLS or a Unix socket.
//
//   redis[s]://[[USER]:PASSWORD@]HOST[:PORT][/DB][?PARAMETERS]
//   unix:PATH[?PARAMETERS]
//   redis+sentinel://[[USER]:PASSWORD@]HOST[:PORT],…/NAME[/DB][?PARAMETERS]
//   redis+cluster://[[USER]:PASSWORD@]HOST[:PORT],…[?PARAMETERS]
//
// User, password, path, NAME and the values of parameters are percent-decoded.
import type { RedisUrl } from '../store/redis/url-type.ts';
import { type HostPort, parseBroker, unixPath } from './addresses.ts';
import { badValue } from './quantities.ts';
import { decode, decoded, loginOf, splitUrl, TLS_PARAMETERS, tlsOf, yesOf } from './url-login.ts';
import { addressList } from './url-parts.ts';

/** The schemes that `parseRedisUrl` takes. */
export const REDIS_SCHEMES: readonly string[] = [
  'redis:',
  'rediss:',
  'unix:',
  'redis+sentinel:',
  'redis+cluster:',
];

/** What people may write for TLS, and what they should. */
export const REDIS_INSTEAD: ReadonlyMap<string, string> = new Map([
  ['rediss+sentinel:', 'asks for TLS; write redis+sentinel://HOST:PORT/NAME?tls=yes'],
  ['rediss+cluster:', 'asks for TLS; write redis+cluster://HOST:PORT?tls=yes'],
  ['redis+unix:', 'has no known scheme; a Unix socket is unix:PATH'],
]);

/** Redis' own bound is its `databases`; this one only catches nonsense. */
const DB_MAX = 65_535;
const FORMS: Readonly<Record<string, string>> = {
  'redis:': 'redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]',
  'rediss:': 'rediss://[[USER]:PASSWORD@]HOST[:PORT][/DB]',
  'redis+sentinel:': 'redis+sentinel://[[USER]:PASSWORD@]HOST[:PORT],…/NAME[/DB]',
  'redis+cluster:': 'redis+cluster://[[USER]:PASSWORD@]HOST[:PORT],…',
};

interface Parts {
  readonly scheme: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly hosts: string;
  /** Between the slashes, decoded. */
  readonly path: readonly string[];
  readonly query: string;
}

/** Parses the URL of a Redis. `scheme`: one of `REDIS_SCHEMES`, which `text` begins with. Errors: MqkvError `BAD_VALUE`. */
export function parseRedisUrl(text: string, scheme: string): RedisUrl {
  if (scheme === 'unix:') return parseUnix(text);
  const parts = partsOf(text, scheme);
  if (scheme === 'redis+sentinel:') return parseSentinel(parts);
  return scheme === 'redis+cluster:' ? parseCluster(parts) : parseStandalone(parts);
}

function parseStandalone(parts: Parts): RedisUrl {
  const tls = parts.scheme === 'rediss:';
  const parameters = decoded(parts.query, tls ? ['read', ...TLS_PARAMETERS] : ['read']);
  if (parts.hosts.includes(',')) {
    throw badValue(
      'names several servers; redis:// takes one, redis+sentinel://… and redis+cluster://… take more',
    );
  }
  if (parts.path.length > 1) throw wrongForm(parts.scheme);
  return { ...common(parts, parameters), mode: 'standalone', tls, db: dbOf(parts.path[0]) };
}

function parseSentinel(parts: Parts): RedisUrl {
  const known = ['read', 'tls', 'sentinel_user', 'sentinel_password', ...TLS_PARAMETERS];
  const parameters = decoded(parts.query, known);
  const [masterName = '', db] = parts.path;
  if (masterName === '')
    throw badValue(`must say under which NAME the sentinels know the master: ${FORMS[parts.scheme]}`);
  if (parts.path.length > 2) throw wrongForm(parts.scheme);
  const sentinelUser = parameters.get('sentinel_user');
  const sentinelPassword = parameters.get('sentinel_password');
  if (sentinelUser !== undefined && sentinelPassword === undefined)
    throw badValue('gives a sentinel_user without a sentinel_password');
  return {
    ...common(parts, parameters, 26379),
    mode: 'sentinel',
    masterName,
    db: dbOf(db),
    sentinelUser,
    sentinelPassword,
  };
}

function parseCluster(parts: Parts): RedisUrl {
  const parameters = decoded(parts.query, ['read', 'tls', ...TLS_PARAMETERS]);
  if (parts.path.length > 0 && parts.path[0] !== '0')
    throw badValue('names a database; a cluster has only database 0');
  return { ...common(parts, parameters), mode: 'cluster', db: 0 };
}

function parseUnix(text: string): RedisUrl {
  const [, path = '', query = ''] = /^unix:([^?]*)(?:\?(.*))?$/s.exec(text) ?? [];
  const parameters = decoded(query, ['db', 'user', 'password', 'read']);
  const [user, password] = [parameters.get('user'), parameters.get('password')];
  if (user !== undefined && password === undefined) throw badValue('gives a user without a password');
  return {
    kind: 'redis',
    mode: 'standalone',
    addresses: [{ path: unixPath(decode(path)) }],
    user,
    password,
    db: dbOf(parameters.get('db')),
    tls: false,
    readReplica: readOf(parameters),
  };
}

/** What all but Unix sockets share; TLS as the parameter `tls` says, where there is one. */
function common(
  parts: Parts,
  parameters: ReadonlyMap<string, string>,
  defaultPort = 6379,
): Omit<RedisUrl, 'mode' | 'db'> {
  const { scheme, user, password, hosts } = parts;
  const tls = scheme === 'rediss:' || yesOf(parameters, 'tls');
  const addresses: readonly HostPort[] = addressList(hosts, (text) => parseBroker(text, defaultPort));
  const tlsOptions = tlsOf(parameters, tls);
  return { kind: 'redis', addresses, user, password, tls, tlsOptions, readReplica: readOf(parameters) };
}

function readOf(parameters: ReadonlyMap<string, string>): boolean {
  const read = parameters.get('read') ?? 'master';
  if (read === 'master' || read === 'replica') return read === 'replica';
  throw badValue(`holds read="${read}"; allowed are master, replica`);
}

function dbOf(text: string | undefined): number {
  if (text === undefined) return 0;
  if (/^\d{1,5}$/.test(text) && Number(text) <= DB_MAX) return Number(text);
  throw badValue(`holds the database "${text}"; allowed is a number from 0 to ${DB_MAX}`);
}

function partsOf(text: string, scheme: string): Parts {
  const { login, hosts, path, query } = splitUrl(text, scheme) ?? {};
  if (hosts === undefined) throw wrongForm(scheme);
  return { scheme, ...loginOf(login), hosts, path: path ?? [], query: query ?? '' };
}

function wrongForm(scheme: string): Error {
  const hint = 'with @ : / ? # % in user and password as %40 %3A %2F %3F %23 %25';
  return badValue(`must be ${FORMS[scheme]}, ${hint}`);
}
