// What a Redis store is opened with.
import type { Clock, Logger, Random } from '../../base/index.ts';
import type { Script } from './scripts.ts';
import type { Topology } from './topology/index.ts';
import type { Ground, TlsSettings } from '../../redis-link/index.ts';
import type { RedisUrl } from './url-type.ts';

/** What a Redis store is opened with. */
export interface RedisStoreOptions {
  readonly url: RedisUrl;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly site: string;
  /** Writes are marked for the outbox: there is a queue. */
  readonly marks: boolean;
  /** What MQKV.VERIFY and notifications find is counted and logged, or recorded as local writes. Default report. */
  readonly foreignWrites?: 'report' | 'adopt' | undefined;
  /** Units: ms. Default 24 h. */
  readonly horizonMs?: number | undefined;
  /** Units: bytes. */
  readonly maxValueBytes?: number | undefined;
  /** For a URL with TLS: what stands in its files. */
  readonly tls?: TlsSettings | undefined;
  /** Instead of the machine's sockets and event loop, for the simulator. */
  readonly ground?: Ground | undefined;
  /** Already open; the store closes it. */
  readonly topology?: Topology | undefined;
  /** Instead of the nodes' own, for tests. */
  readonly origin?: number | undefined;
  /** Replaces each script, for tests (the clock). */
  readonly changeScript?: ((script: Script) => Script) | undefined;
  /** Walks slots by itself. Default true; tests that set the clock call `freeExpired`. */
  readonly isWalking?: boolean | undefined;
  /** Decisions about a key before Redis is left to merge by itself (merging.ts), for tests. */
  readonly triesOutside?: number | undefined;
}
