// nsq:// URLs: brokers to publish to and consume from, where to discover more, and the topic.
import { MqkvError } from '../../base/index.ts';
import { type Address, parseAddress } from './address.ts';

/** What an nsq:// URL says. */
export interface NsqUrl {
  /** Shape: at least one. Order: publishing prefers the first. */
  readonly nsqd: readonly Address[];
  /** nsqlookupd's HTTP addresses; empty: nothing is discovered. */
  readonly lookupd: readonly Address[];
  readonly topic: string;
  /** HTTP addresses for statistics, for the nsqd at the same place; shorter or empty: the default. */
  readonly http: readonly Address[];
}

const PARAMETERS = ['lookupd', 'topic', 'http'];
const LATER = new Map([
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
const TOPIC = /^[.a-zA-Z0-9_-]{1,64}$/;
const DEFAULT_TOPIC = 'mqkv_topic';

/** Reads `nsq://HOST:4150[,HOST…]?lookupd=http://HOST:4161[,…]&topic=mqkv_topic&http=HOST:4151`. Errors: BAD_URL. */
export function parseNsqUrl(text: string): NsqUrl {
  const fail = (problem: string): never => {
    throw new MqkvError('BAD_URL', `queue URL "${text}": ${problem}`);
  };
  if (/^(nsqs|nsq\+tls|nsq\+ssl):/i.test(text)) fail('TLS to nsqd is not supported yet; use nsq://');
  if (!text.startsWith('nsq://')) fail('must begin with nsq://');
  const [hosts, query] = cut(text.slice('nsq://'.length), '?');
  if (hosts.includes('@')) fail('AUTH (USER@ or SECRET@) is not supported yet; use nsq://HOST:PORT');
  const values = parameters(query, fail);
  const nsqd = addresses(hosts.replace(/\/$/, ''), 4150, fail);
  const http = values.http === undefined ? [] : addresses(bare(values.http, fail), 4151, fail);
  if (http.length > nsqd.length) fail(`http names ${http.length} addresses for ${nsqd.length} nsqd`);
  const lookupd = values.lookupd === undefined ? [] : addresses(bare(values.lookupd, fail), 4161, fail);
  const topic = values.topic ?? DEFAULT_TOPIC;
  if (!TOPIC.test(topic)) fail(`topic "${topic}" must be 1 to 64 of A-Z a-z 0-9 . _ -`);
  return { nsqd, lookupd, topic, http };
}

type Fail = (problem: string) => never;

function cut(text: string, at: string): [string, string] {
  const index = text.indexOf(at);
  return index < 0 ? [text, ''] : [text.slice(0, index), text.slice(index + 1)];
}

function parameters(query: string, fail: Fail): Partial<Record<string, string>> {
  const values: Partial<Record<string, string>> = {};
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const [name, raw] = cut(pair, '=');
    const later = LATER.get(name);
    if (later !== undefined) fail(`${later} ("${pair}") is not supported yet`);
    if (!PARAMETERS.includes(name)) fail(`unknown parameter "${name}"; allowed: ${PARAMETERS.join(', ')}`);
    if (values[name] !== undefined) fail(`parameter "${name}" is given twice`);
    if (raw === '') fail(`parameter "${name}" is empty`);
    values[name] = decode(raw, fail);
  }
  return values;
}

function decode(raw: string, fail: Fail): string {
  try {
    return decodeURIComponent(raw);
  } catch {
    return fail(`"${raw}" has a bad % escape`);
  }
}

/** HTTP addresses may be written with or without `http://`. */
function bare(list: string, fail: Fail): string {
  const strip = (item: string): string => {
    if (item.startsWith('https://')) fail(`TLS ("${item}") is not supported yet; use http://`);
    const rest = item.replace(/^http:\/\//, '').replace(/\/$/, '');
    if (rest.includes('/')) fail(`"${item}" must be http://HOST:PORT without a path`);
    return rest;
  };
  return list.split(',').map(strip).join(',');
}

function addresses(list: string, defaultPort: number, fail: Fail): readonly Address[] {
  if (list === '') fail('names no host; write nsq://HOST:4150');
  const found: Address[] = [];
  for (const item of list.split(',')) {
    const address = parseAddress(item, defaultPort);
    if (typeof address === 'string') return fail(address);
    const same = found.some(({ host, port }) => host === address.host && port === address.port);
    if (same) fail(`"${item}" is given twice`);
    found.push(address);
  }
  return found;
}
