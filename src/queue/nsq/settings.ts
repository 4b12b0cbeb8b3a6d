// What the parts of one NSQ queue share: names, times, clock, randomness, logger.
import type { Clock, Logger, Random } from '../../base/index.ts';
import type { TlsFiles } from '../tls.ts';
import type { Compression } from './wire.ts';

/** Units: ms in the names. */
export interface Settings {
  readonly topic: string;
  readonly channel: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Connecting and identifying; after it the next address is tried. */
  readonly connectTimeoutMs: number;
  /** An answer to PUB, MPUB or SUB. */
  readonly requestTimeoutMs: number;
  /** Range: 1,000 .. 60,000 (nsqd's limits). Two and a half of them without a byte: the connection is dead. */
  readonly heartbeatMs: number;
  /** Redelivery when a message is neither acknowledged nor touched; 0: nsqd's own -msg-timeout. */
  readonly messageTimeoutMs: number;
  readonly lookupPeriodMs: number;
  readonly httpTimeoutMs: number;
  /** Undefined: no TLS, no AUTH, nothing compressed. */
  readonly tls?: TlsFiles | undefined;
  readonly authSecret?: string | undefined;
  readonly compression?: Compression | undefined;
}

export const DEFAULT_TIMES = {
  connectTimeoutMs: 1_500,
  requestTimeoutMs: 5_000,
  heartbeatMs: 5_000,
  // nsqd keeps what a dead consumer had for so long; its default of a minute would be a minute of lag.
  messageTimeoutMs: 10_000,
  lookupPeriodMs: 4_500,
  httpTimeoutMs: 2_000,
} as const;

/** Waits between tries to reach a broker. */
export const RECONNECT = { firstMs: 100, mostMs: 3_000 } as const;
