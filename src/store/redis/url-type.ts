// The parsed form of a `redis://`, `redis+sentinel://` or `redis+cluster://` URL: what the store needs to reach its Redis.

import type { RedisAddress } from '../../redis-link/index.ts';

export type { RedisAddress } from '../../redis-link/index.ts';

/** How TLS connections to Redis (and its sentinels) are made. The files are PEM; their names until the store opens. */
export interface RedisTls {
  /** Certificate authorities; undefined: those of the system. */
  readonly caFile?: string | undefined;
  /** The client's certificate and its key; both or none. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** Whether the server's certificate is checked. */
  readonly verify: boolean;
}

/** Which Redis is the store and how it is reached. Shape: `addresses` are the sentinels for 'sentinel', seeds for 'cluster', one address for 'standalone'. */
export interface RedisUrl {
  readonly kind: 'redis';
  readonly mode: 'standalone' | 'sentinel' | 'cluster';
  readonly addresses: readonly RedisAddress[];
  /** The name under which the sentinels know the master; with 'sentinel' only. */
  readonly masterName?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** The database number; 0 on a cluster. */
  readonly db: number;
  readonly tls: boolean;
  /** With `tls` only; undefined: the system's authorities, checked. */
  readonly tlsOptions?: RedisTls | undefined;
  /** Reads may be answered by the nearest healthy replica (`?read=replica`). */
  readonly readReplica: boolean;
  readonly sentinelUser?: string | undefined;
  readonly sentinelPassword?: string | undefined;
}
