// What the parts of one Redis Streams queue share.
import type { Clock, Logger, Random } from '../../base/index.ts';
import type { LinkOptions, TlsSettings } from '../../redis-link/index.ts';
import type { QueueTls } from '../tls.ts';

/** The server and the stream, as a redis-streams:// URL names them. */
export interface RedisStreamsUrl {
  readonly address: { readonly host: string; readonly port: number };
  readonly db: number;
  readonly stream: string;
  /** About how many messages the stream keeps, if they are small. */
  readonly maxLength: number;
  readonly tls: QueueTls | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
}

export interface RedisStreamsOptions {
  readonly url: RedisStreamsUrl;
  /** This site's consumer group: the site's name. Range: `[A-Za-z0-9._-]{1,64}`. */
  readonly channel: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The same with the TLS files read. */
export interface Settings extends RedisStreamsOptions {
  readonly tls: TlsSettings | undefined;
}

/** Units: ms from the call of `publish` to its answer, and for any other request. */
export const PUBLISH_MS = 3_000;
export const REQUEST_MS = 2_000;
/** Units: ms without a byte on a connection with a request under way. A blocking read ends sooner. */
export const HANG_MS = 5_000;
export const BLOCK_MS = 2_000;
/** Messages of one read: together with MESSAGE_BYTES_MAX they bound a reply. */
export const READ_MAX = 16;
/** Units: bytes. Larger ones come as fragments: Redis itself would take half a gigabyte. */
export const MESSAGE_BYTES_MAX = 1024 * 1024;
/** What lies unacknowledged at a consumer for so long is taken over by another. Units: ms. */
export const IDLE_MS = 10_000;
/** Units: ms between two looks at what others left. */
export const CLAIM_MS = 2_000;
/** Consumers with nothing pending that were silent for so long are deleted. Units: ms. */
export const GONE_MS = 60 * 60_000;
/** Units: ms that acknowledgements wait for others. */
export const ACK_MS = 1;
/** Units: ms between two tries after an error answer. */
export const RETRY_MS = 500;

/** What both connections to Redis are opened with. */
export function linkOptions({ url, tls, clock, random, logger }: Settings): LinkOptions {
  const { address, user, password, db } = url;
  const common = {
    clock,
    random,
    logger,
    protocol: 2,
    clientName: 'mqkv-queue',
    hangTimeoutMs: HANG_MS,
  } as const;
  return { address, tls, user, password, db, ...common };
}
