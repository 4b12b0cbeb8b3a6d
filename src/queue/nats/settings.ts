// What the parts of one NATS queue share.
import type { Clock, Logger, Random } from '../../base/index.ts';
import type { QueueTls } from '../tls.ts';

/** The servers and the stream, as a nats:// URL names them. */
export interface NatsUrl {
  /** Shape: at least one, of one cluster. */
  readonly servers: readonly { readonly host: string; readonly port: number }[];
  readonly stream: string;
  /** Copies of the stream where it is made here. */
  readonly replicas: number;
  /** How long the stream keeps messages, where it is made here. Units: ms. */
  readonly maxAgeMs: number;
  readonly tls: QueueTls | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
  /** A file of `nsc`: the user's JWT and its seed. */
  readonly credsFile: string | undefined;
}

export interface NatsQueueOptions {
  readonly url: NatsUrl;
  /** This site's durable consumer: the site's name. Range: `[A-Za-z0-9._-]{1,64}`. */
  readonly channel: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Waits between tries to reach a server. Units: ms. */
export const RECONNECT = { firstMs: 100, mostMs: 2_000 } as const;
/** Units: ms for connecting, for one request, and for a publish from its call to its answer. */
export const CONNECT_MS = 1_500;
export const REQUEST_MS = 2_000;
export const PUBLISH_MS = 3_000;
/** Units: ms between pings; a server that leaves two unanswered is gone. */
export const PING_MS = 1_500;
/** Redelivery of what is neither acknowledged nor touched. Units: ms. */
export const ACK_WAIT_MS = 10_000;
/** Unacknowledged messages of a site at the server, over all its gateways; each holds CONSUMER_IN_FLIGHT_MAX at most. */
export const ACK_PENDING_MAX = 4_096;
/** Units: ms that one pull waits at the server. */
export const PULL_MS = 30_000;
/** Of a server that has not told its own. Units: bytes. */
export const MESSAGE_BYTES_DEFAULT = 1024 * 1024;
export const NANOS = 1_000_000;

/** The subject whose messages the stream keeps. */
export function subjectOf(stream: string): string {
  return `${stream}.writes`;
}

/** A durable's name: dots would part it. */
export function durableOf(channel: string): string {
  return channel.replaceAll('.', '=2e');
}
