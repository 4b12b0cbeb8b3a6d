// The folder's door: a site's own Redis as its store.
export { openRedisStore, RedisStore, type RedisStoreOptions } from './redis-store.ts';
export { openTrackedReads, type TrackedRead, type TrackedReads } from './tracked-reads.ts';
export type { TlsSettings } from '../../redis-link/index.ts';
export type { RedisAddress, RedisTls, RedisUrl } from './url-type.ts';
