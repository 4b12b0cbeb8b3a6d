// The URLs of stores and queues as users write them. Adapters get what stands in them, never the text.
import type { RedisUrl } from '../store/redis/url-type.ts';
import { type HostPort, parseBroker, parseHostPort } from './addresses.ts';
import { badValue } from './quantities.ts';
import { parseRedisUrl, REDIS_INSTEAD, REDIS_SCHEMES } from './redis-url.ts';
import { addressList, parameterMap, schemeOf } from './url-parts.ts';

export { withoutPassword } from './url-parts.ts';
export type { RedisUrl } from '../store/redis/url-type.ts';

/** The embedded store, nothing kept. */
export interface MemoryUrl {
  readonly kind: 'memory';
}

/** The embedded store with a log in a folder. */
export interface FileUrl {
  readonly kind: 'file';
  /** As it was given, relative to the working folder where it does not begin with a slash. */
  readonly path: string;
  readonly fsync: (typeof FSYNC)[number];
}

/** Where a site's data lies. */
export type StoreUrl = MemoryUrl | FileUrl | RedisUrl;

const FSYNC = ['always', 'everysec', 'no'] as const;

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

const STORES = { now: ['memory:', 'file:', ...REDIS_SCHEMES], later: [], instead: REDIS_INSTEAD };
const NSQ_TLS = 'asks for TLS to nsqd, which is not available yet; use nsq://';
const QUEUES = {
  now: ['nsq:', 'peers:'],
  later: ['kafka:', 'nats:', 'redis-streams:'],
  instead: new Map(['nsqs:', 'nsq+tls:', 'nsq+ssl:'].map((scheme) => [scheme, NSQ_TLS])),
};
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
  const scheme = schemeOf(text, STORES);
  if (scheme === 'file:') return parseFile(text);
  if (scheme !== 'memory:') return parseRedisUrl(text, scheme);
  if (text !== 'memory:') throw badValue('must be "memory:" with nothing after the colon');
  return { kind: 'memory' };
}

function parseFile(text: string): FileUrl {
  const [, path = '', query = ''] = /^file:(?:\/\/(?=\/))?([^?]*)(?:\?(.*))?$/s.exec(text) ?? [];
  if (path === '' || path.includes('\0') || path.startsWith('//'))
    throw badValue('must be file:DIR[?fsync=always|everysec|no]');
  const given = parameterMap(query, ['fsync']).get('fsync') ?? 'everysec';
  const fsync = FSYNC.find((policy) => policy === given);
  if (fsync === undefined) throw badValue(`holds fsync=${given}; allowed are ${FSYNC.join(', ')}`);
  return { kind: 'file', path, fsync };
}

/** Parses a queue's URL. Errors: MqkvError `BAD_VALUE`. */
export function parseQueueUrl(text: string): QueueUrl {
  const scheme = schemeOf(text, QUEUES);
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
