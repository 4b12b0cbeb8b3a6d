// The URLs of stores (and the door to those of queues) as users write them. Adapters get what stands in them, never the text.
import type { RedisUrl } from '../store/redis/url-type.ts';
import { badValue } from './quantities.ts';
import { parseRedisUrl, REDIS_INSTEAD, REDIS_SCHEMES } from './redis-url.ts';
import { parameterMap, schemeOf } from './url-parts.ts';

export {
  type NsqUrl,
  parseQueueUrl,
  parseSubscribeUrl,
  type PeersUrl,
  type QueueUrl,
} from './queue-urls.ts';
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

const STORES = { now: ['memory:', 'file:', ...REDIS_SCHEMES], instead: REDIS_INSTEAD };
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
