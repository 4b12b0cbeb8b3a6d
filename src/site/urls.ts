// The URLs of stores and queues as users write them. Adapters get what stands in them, never the text.
import { formatAddress, type HostPort, parseBroker, parseHostPort } from './addresses.ts';
import { badValue } from './quantities.ts';
import { suggestion } from './suggest.ts';

/** Where a site's data lies. */
export interface StoreUrl {
  readonly kind: 'memory';
}

/** nsqd to publish to (in this order) and to consume from, nsqlookupd to find further ones by. */
export interface NsqUrl {
  readonly kind: 'nsq';
  readonly nsqd: readonly HostPort[];
  readonly lookupd: readonly HostPort[];
  /** Addresses of the nsqd's HTTP interfaces for statistics; empty: found by themselves. Same order as `nsqd`. */
  readonly http: readonly HostPort[];
  readonly topic: string;
}

/** RESP ports of other sites. */
export interface PeersUrl {
  readonly kind: 'peers';
  readonly peers: readonly HostPort[];
}

/** What carries writes between sites. */
export type QueueUrl = NsqUrl | PeersUrl;

/** Addresses of one URL: more are a mistake, and each costs a connection. */
const ADDRESSES_MAX = 64;
const STORES_NOW = ['memory:'];
const STORES_LATER = ['file:', 'redis:', 'rediss:', 'unix:', 'redis+sentinel:', 'redis+cluster:'];
const QUEUES_NOW = ['nsq:', 'peers:'];
const QUEUES_LATER = ['kafka:', 'nats:', 'redis-streams:'];
const NSQ_PARAMETERS = ['lookupd', 'topic', 'http'];
/** What nsqd offers and this version does not, by the name that users of other clients give it. */
const NSQ_LATER: ReadonlyMap<string, string> = new Map([
  ['tls', 'TLS'],
  ['tls_v1', 'TLS'],
  ['tls_ca', 'TLS'],
  ['tls_cert', 'TLS'],
  ['tls_key', 'TLS'],
  ['auth', 'AUTH'],
  ['auth_secret', 'AUTH'],
  ['secret', 'AUTH'],
  ['compression', 'compression'],
  ['deflate', 'compression'],
  ['snappy', 'compression'],
]);

/** Parses a store's URL. Errors: MqkvError `BAD_VALUE`. */
export function parseStoreUrl(text: string): StoreUrl {
  checkScheme(text, STORES_NOW, STORES_LATER);
  if (text !== 'memory:') throw badValue('must be "memory:" with nothing after the colon');
  return { kind: 'memory' };
}

/** Parses a queue's URL. Errors: MqkvError `BAD_VALUE`. */
export function parseQueueUrl(text: string): QueueUrl {
  const scheme = checkScheme(text, QUEUES_NOW, QUEUES_LATER);
  const [, hosts = '', query = ''] = /^[a-z-]+:\/\/([^/?#]*)\/?(?:\?([^#]*))?$/.exec(text) ?? [];
  if (hosts === '')
    throw badValue(`must be ${scheme}//HOST:PORT[,HOST:PORT…] and nothing but ?NAME=VALUE after it`);
  return scheme === 'nsq:' ? parseNsq(hosts, query) : parsePeers(hosts, query);
}

/** Parses the URL of a queue that is only consumed. */
export function parseSubscribeUrl(text: string): NsqUrl {
  const url = parseQueueUrl(text);
  if (url.kind === 'nsq') return url;
  throw badValue('must be an nsq:// URL: peer links carry both ways and stand in --queue');
}

/** A URL without its password, for messages. */
export function withoutPassword(text: string): string {
  return text.replace(/^([a-z+-]+:(?:\/\/)?[^/@]*?):[^/@]*@/i, '$1:***@');
}

function parseNsq(hosts: string, query: string): NsqUrl {
  if (hosts.includes('@')) throw badValue('asks for AUTH, which is not available yet; use nsq://HOST:PORT');
  const parameters = parameterMap(query, NSQ_PARAMETERS, NSQ_LATER);
  const topic = parameters.get('topic') ?? 'mqkv_topic';
  if (!/^[.a-zA-Z0-9_-]{1,64}$/.test(topic)) {
    throw badValue(`holds the topic "${topic}"; NSQ allows 1 to 64 of A-Z a-z 0-9 . _ -`);
  }
  const nsqd = addressList(hosts, (text) => parseBroker(text, 4150));
  const http = addressList(parameters.get('http') ?? '', (text) => parseHttp(text, 4151));
  if (http.length > nsqd.length)
    throw badValue(`holds ${http.length} http addresses for ${nsqd.length} nsqd`);
  const lookupd = addressList(parameters.get('lookupd') ?? '', (text) => parseHttp(text, 4161));
  return { kind: 'nsq', nsqd, lookupd, http, topic };
}

function parsePeers(hosts: string, query: string): PeersUrl {
  parameterMap(query, []);
  return { kind: 'peers', peers: addressList(hosts, (text) => parseHostPort(text, 1)) };
}

/** `http://HOST:PORT` or the address alone. */
function parseHttp(text: string, defaultPort: number): HostPort {
  if (text.startsWith('https:')) throw badValue(`holds "${text}"; only http:// is available`);
  return parseBroker(text.replace(/^http:\/\//, '').replace(/\/$/, ''), defaultPort);
}

function addressList(text: string, parse: (text: string) => HostPort): readonly HostPort[] {
  const parts = text === '' ? [] : text.split(',');
  if (parts.length > ADDRESSES_MAX) throw badValue(`holds more than ${ADDRESSES_MAX} addresses`);
  const found = parts.map(parse);
  const names = found.map(formatAddress);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw badValue(`holds "${twice}" twice`);
  return found;
}

/** By hand, not URLSearchParams: `+` and `%` mean themselves in topic names and addresses. */
function parameterMap(
  query: string,
  names: readonly string[],
  later?: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const part of query === '' ? [] : query.split('&')) {
    const at = part.indexOf('=');
    const name = at < 0 ? part : part.slice(0, at);
    const feature = later?.get(name);
    if (feature !== undefined) throw badValue(`asks for ${feature} ("${name}"), which is not available yet`);
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

function checkScheme(text: string, now: readonly string[], later: readonly string[]): string {
  const scheme = /^[A-Za-z+-]*:/.exec(text)?.[0].toLowerCase() ?? text;
  if (now.includes(scheme) && text.startsWith(scheme)) return scheme;
  const allowed = `this version has ${now.join(' and ')}`;
  if (/^nsq(s|\+tls|\+ssl):$/.test(scheme))
    throw badValue('asks for TLS to nsqd, which is not available yet; use nsq://');
  if (later.includes(scheme)) throw badValue(`is not available yet; ${allowed}`);
  throw badValue(`has no known scheme; ${allowed}${suggestion(scheme, [...now, ...later])}`);
}
