// The URLs of queues as users write them. Adapters get what stands in them, never the text.
//
//   nsq://[SECRET@]HOST[:PORT],…[?lookupd=&http=&topic=&compression=deflate|snappy]
//   kafka://[USER:PASSWORD@]HOST[:PORT],…[?topic=&sasl=plain|scram-sha-256|scram-sha-512]
//   nats://[USER:PASSWORD@|TOKEN@]HOST[:PORT],…[?stream=&replicas=&max_age=&creds=FILE]
//   redis-streams://[[USER]:PASSWORD@]HOST[:PORT][/DB][?stream=&maxlen=]
//   peers://HOST:PORT,…
//
// All: ?tls=yes[&tls_ca=FILE][&tls_cert=FILE&tls_key=FILE][&tls_verify=no]. Logins and values of parameters are percent-decoded.
import type { QueueTls } from '../queue/index.ts';
import type { KafkaUrl as KafkaParts } from '../queue/kafka/index.ts';
import type { NatsUrl as NatsParts } from '../queue/nats/index.ts';
import type { RedisStreamsUrl as RedisStreamsParts } from '../queue/redis-streams/index.ts';
import { type HostPort, parseBroker, parseHostPort } from './addresses.ts';
import { badValue, durationParser } from './quantities.ts';
import {
  decode,
  decoded,
  loginOf,
  splitUrl,
  TLS_PARAMETERS,
  tlsOf,
  type UrlPieces,
  yesOf,
} from './url-login.ts';
import { addressList, schemeOf } from './url-parts.ts';

/** nsqd to publish to (in this order) and to consume from, nsqlookupd to find further ones by. */
export interface NsqUrl {
  readonly kind: 'nsq';
  readonly nsqd: readonly HostPort[];
  readonly lookupd: readonly HostPort[];
  /** Addresses of the nsqd's HTTP interfaces for statistics; empty: found by themselves. Same order as `nsqd`. */
  readonly http: readonly HostPort[];
  readonly topic: string;
  readonly tls: QueueTls | undefined;
  /** For AUTH. */
  readonly authSecret: string | undefined;
  readonly compression: 'deflate' | 'snappy' | undefined;
}

/** RESP ports of other sites. */
export interface PeersUrl {
  readonly kind: 'peers';
  readonly peers: readonly HostPort[];
  readonly tls: QueueTls | undefined;
}

/** A Kafka cluster, by some of its brokers. */
export interface KafkaUrl extends KafkaParts {
  readonly kind: 'kafka';
}

/** A NATS server or cluster with JetStream. */
export interface NatsUrl extends NatsParts {
  readonly kind: 'nats';
}

/** A Redis whose stream carries the messages. */
export interface RedisStreamsUrl extends RedisStreamsParts {
  readonly kind: 'redis-streams';
}

/** What carries writes between sites. */
export type QueueUrl = NsqUrl | PeersUrl | KafkaUrl | NatsUrl | RedisStreamsUrl;

/** A queue that can be consumed alone. */
export type SubscribeUrl = Exclude<QueueUrl, PeersUrl>;

const SASL = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
const COMPRESSIONS = ['deflate', 'snappy'] as const;
const withTls = (scheme: string): string => `asks for TLS; write ${scheme}://HOST:PORT?tls=yes`;
const QUEUES = {
  now: ['nsq:', 'kafka:', 'nats:', 'redis-streams:', 'peers:'],
  instead: new Map([
    ...['nsqs:', 'nsq+tls:', 'nsq+ssl:'].map((scheme) => [scheme, withTls('nsq')] as const),
    ...['kafkas:', 'kafka+tls:', 'kafka+ssl:'].map((scheme) => [scheme, withTls('kafka')] as const),
    ...['tls:', 'nats+tls:'].map((scheme) => [scheme, withTls('nats')] as const),
    ...['rediss-streams:'].map((scheme) => [scheme, withTls('redis-streams')] as const),
    ...['redis:', 'rediss:'].map(
      (scheme) => [scheme, 'is no queue; write redis-streams://HOST:PORT, or mean --store'] as const,
    ),
  ]),
};
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  'nsq:': ['lookupd', 'topic', 'http', 'compression'],
  'kafka:': ['topic', 'sasl'],
  'nats:': ['stream', 'replicas', 'max_age', 'creds'],
  'redis-streams:': ['stream', 'maxlen'],
  'peers:': [],
};
/** What every scheme takes. */
const TLS = ['tls', ...TLS_PARAMETERS];
/** Kafka's own bound of a topic's name. */
const KAFKA_TOPIC = /^(?!\.{1,2}$)[.a-zA-Z0-9_-]{1,249}$/;
const NSQ_TOPIC = /^[.a-zA-Z0-9_-]{1,64}$/;
/** Names that are safe in subjects and in file names of the server. */
const NATS_STREAM = /^[a-zA-Z0-9_-]{1,64}$/;
/** NATS' own bound. */
const REPLICAS_MAX = 5;
const MAXLEN_MIN = 1_000;
const MAXLEN_MAX = 100_000_000;
/** Redis' own bound is its `databases`; this one only catches nonsense. */
const DB_MAX = 65_535;
/** Units: bytes. */
const STREAM_KEY_MAX = 512;

/** A URL cut up. */
interface Cut extends Omit<UrlPieces, 'query'> {
  readonly parameters: ReadonlyMap<string, string>;
  readonly tls: QueueTls | undefined;
}

/** Parses a queue's URL. Errors: MqkvError `BAD_VALUE`. */
export function parseQueueUrl(text: string): QueueUrl {
  const scheme = schemeOf(text, QUEUES);
  const pieces = splitUrl(text, scheme);
  if (pieces === undefined || (pieces.path.length > 0 && scheme !== 'redis-streams:'))
    throw badValue(`must be ${scheme}//HOST:PORT[,HOST:PORT…] and nothing but ?NAME=VALUE after it`);
  const parameters = decoded(pieces.query, [...(PARAMETERS[scheme] ?? []), ...TLS]);
  const isTls = yesOf(parameters, 'tls');
  const tls = tlsOf(parameters, isTls) ?? (isTls ? { verify: true } : undefined);
  const cut = { ...pieces, parameters, tls };
  if (scheme === 'nsq:') return parseNsq(cut);
  if (scheme === 'kafka:') return parseKafka(cut);
  if (scheme === 'nats:') return parseNats(cut);
  return scheme === 'peers:' ? parsePeers(cut) : parseRedisStreams(cut);
}

/** Parses the URL of a queue that is only consumed. Errors: MqkvError `BAD_VALUE`. */
export function parseSubscribeUrl(text: string): SubscribeUrl {
  const url = parseQueueUrl(text);
  if (url.kind !== 'peers') return url;
  throw badValue('cannot be consumed only: peer links carry both ways and stand in --queue');
}

function parseNsq({ hosts, parameters, tls, login }: Cut): NsqUrl {
  const topic = parameters.get('topic') ?? 'mqkv_topic';
  if (!NSQ_TOPIC.test(topic))
    throw badValue(`holds the topic "${topic}"; NSQ allows 1 to 64 of A-Z a-z 0-9 . _ -`);
  const nsqd = addressList(hosts, (text) => parseBroker(text, 4150));
  const http = addressList(parameters.get('http') ?? '', (text) => parseHttp(text, 4151));
  if (http.length > nsqd.length)
    throw badValue(`holds ${http.length} http addresses for ${nsqd.length} nsqd`);
  const lookupd = addressList(parameters.get('lookupd') ?? '', (text) => parseHttp(text, 4161));
  const compression = wordOf(parameters, 'compression', COMPRESSIONS);
  return { kind: 'nsq', nsqd, lookupd, http, topic, tls, authSecret: secretOf(login), compression };
}

function parseKafka({ hosts, parameters, tls, login }: Cut): KafkaUrl {
  const topic = parameters.get('topic') ?? 'mqkv';
  if (!KAFKA_TOPIC.test(topic))
    throw badValue(`holds the topic "${topic}"; Kafka allows 1 to 249 of A-Z a-z 0-9 . _ -`);
  const { user, password } = userOf(login);
  const sasl = wordOf(parameters, 'sasl', SASL);
  if (sasl !== undefined && user === undefined) throw badValue('gives sasl without USER:PASSWORD@');
  const brokers = addressList(hosts, (text) => parseBroker(text, 9092));
  return { kind: 'kafka', brokers, topic, tls, user, password, sasl: sasl ?? 'plain' };
}

function parseNats({ hosts, parameters, tls, login }: Cut): NatsUrl {
  const stream = parameters.get('stream') ?? 'MQKV';
  if (!NATS_STREAM.test(stream))
    throw badValue(`holds the stream "${stream}"; allowed are 1 to 64 of A-Z a-z 0-9 _ -`);
  const isToken = login !== undefined && login !== '' && !login.includes(':');
  const { user, password } = isToken ? { user: undefined, password: undefined } : userOf(login);
  const credsFile = parameters.get('creds');
  if (credsFile !== undefined && login !== undefined)
    throw badValue('gives a login and creds; one is enough');
  return {
    kind: 'nats',
    servers: addressList(hosts, (text) => parseBroker(text, 4222)),
    stream,
    replicas: numberOf(parameters, 'replicas', { instead: 1, min: 1, max: REPLICAS_MAX }),
    maxAgeMs: durationParser('1m', '365d')(parameters.get('max_age') ?? '24h'),
    tls,
    user,
    password,
    token: isToken ? decode(login) : undefined,
    credsFile,
  };
}

function parseRedisStreams({ hosts, path, parameters, tls, login }: Cut): RedisStreamsUrl {
  const [address, ...more] = addressList(hosts, (text) => parseBroker(text, 6379));
  if (address === undefined || more.length > 0)
    throw badValue('names several servers; redis-streams:// takes one');
  if (path.length > 1) throw badValue('must be redis-streams://[[USER]:PASSWORD@]HOST[:PORT][/DB]');
  const stream = parameters.get('stream') ?? 'mqkv';
  if (Buffer.byteLength(stream) > STREAM_KEY_MAX)
    throw badValue(`holds a stream's name of more than ${STREAM_KEY_MAX} bytes`);
  const maxLength = numberOf(parameters, 'maxlen', { instead: 100_000, min: MAXLEN_MIN, max: MAXLEN_MAX });
  const db = numberOf(new Map([['database', path[0] ?? '0']]), 'database', {
    instead: 0,
    min: 0,
    max: DB_MAX,
  });
  return { kind: 'redis-streams', address, db, stream, maxLength, tls, ...loginOf(login) };
}

function parsePeers({ hosts, tls, login }: Cut): PeersUrl {
  if (login !== undefined) throw badValue('gives a login; peers prove themselves by --secret-file');
  return { kind: 'peers', peers: addressList(hosts, (text) => parseHostPort(text, 1)), tls };
}

/** SECRET or :SECRET. */
function secretOf(login: string | undefined): string | undefined {
  if (login === undefined || login === '') return undefined;
  if (!login.includes(':')) return decode(login);
  const { user, password } = loginOf(login);
  if (user !== undefined) throw badValue('gives a user; nsqd has only a secret: nsq://SECRET@HOST:PORT');
  return password;
}

/** A login that must name its user. */
function userOf(login: string | undefined): ReturnType<typeof loginOf> {
  const found = loginOf(login);
  if (found.password === undefined || found.user !== undefined) return found;
  throw badValue('gives a password without a user; write USER:PASSWORD@');
}

function wordOf<W extends string>(
  parameters: ReadonlyMap<string, string>,
  name: string,
  words: readonly W[],
): W | undefined {
  const text = parameters.get(name);
  const word = words.find((candidate) => candidate === text);
  if (text === undefined || word !== undefined) return word;
  throw badValue(`holds ${name}="${text}"; allowed are ${words.join(', ')}`);
}

function numberOf(
  parameters: ReadonlyMap<string, string>,
  name: string,
  { instead, min, max }: { readonly instead: number; readonly min: number; readonly max: number },
): number {
  const text = parameters.get(name) ?? String(instead);
  const number = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (number >= min && number <= max) return number;
  throw badValue(`holds ${name}="${text}"; allowed is a number from ${min} to ${max}`);
}

/** `http://HOST:PORT` or the address alone. */
function parseHttp(text: string, defaultPort: number): HostPort {
  if (text.startsWith('https:')) throw badValue(`holds "${text}"; only http:// is available`);
  return parseBroker(text.replace(/^http:\/\//, '').replace(/\/$/, ''), defaultPort);
}
