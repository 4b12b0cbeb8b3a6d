// The folder's door.
export {
  type Cached,
  type NearCache,
  type NearCacheOptions,
  type NearCacheStats,
  openNearCache,
} from './near-cache.ts';
export type { CacheRead, CacheSource } from './source.ts';
