// What the parts of one Kafka queue share.
import type { BaseOptions } from '@platformatic/kafka';
import type { Clock, Logger, Random } from '../../base/index.ts';
import type { QueueTls, TlsFiles } from '../tls.ts';
import type { Driver } from './driver.ts';

/** The cluster and the topic, as a kafka:// URL names them. */
export interface KafkaUrl {
  /** Shape: at least one, of one cluster. */
  readonly brokers: readonly { readonly host: string; readonly port: number }[];
  readonly topic: string;
  readonly tls: QueueTls | undefined;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly sasl: 'plain' | 'scram-sha-256' | 'scram-sha-512';
}

export interface KafkaQueueOptions {
  readonly url: KafkaUrl;
  /** This site's consumer group: the site's name. Range: `[A-Za-z0-9._-]{1,64}`. */
  readonly channel: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The same with the driver loaded and the TLS files read. */
export interface Settings extends KafkaQueueOptions {
  readonly driver: Driver;
  readonly tls: TlsFiles | undefined;
}

/** Waits between tries to reach the cluster. Units: ms. */
export const RECONNECT = { firstMs: 100, mostMs: 2_000 } as const;
/** Units: ms for connecting, and for a publish from its call to its answer. */
export const CONNECT_MS = 1_500;
export const PUBLISH_MS = 3_000;
export const PRODUCE_MS = 2_500;
/** Units: ms between two tries while the cluster says that it cannot at this moment. */
export const RETRY_MS = 100;
/** Units: ms for other requests; joining a group waits for its other members. */
export const REQUEST_MS = 10_000;
/** Units: ms without a heartbeat after which a gateway's partitions go to others; 6 s is the least that brokers take by default. */
export const SESSION_MS = 6_000;
export const HEARTBEAT_MS = 1_500;
export const REBALANCE_MS = 6_000;
/** Units: ms that a fetch waits at the broker for something to come. */
export const FETCH_MS = 1_000;
/** Units: bytes of one fetch. */
export const FETCH_BYTES = 8 * 1024 * 1024;
/** Units: ms between two commits of what is acknowledged. */
export const COMMIT_MS = 100;
/** Units: ms that the list of brokers and leaders holds. */
export const METADATA_MS = 30_000;
/** Requests of this producer under way at one broker: Kafka keeps the order of up to five. */
export const SENDS_MAX = 4;
/** Units: bytes: Kafka's own limit of a batch, where the topic does not tell another; and what a batch needs beside its messages. */
export const BATCH_BYTES_DEFAULT = 1_048_588;
export const BATCH_OVERHEAD = 1_024;
export const MESSAGE_OVERHEAD = 64;
/** Of a topic that is made here. */
export const PARTITIONS = 4;
export const RETENTION_MS = 24 * 60 * 60_000;

/** What every client of the driver is opened with. */
export function clientOptions(settings: Settings): BaseOptions {
  const { url, channel, tls } = settings;
  const { user, password, sasl } = url;
  return {
    clientId: `mqkv-${channel}`,
    bootstrapBrokers: url.brokers.map(({ host, port }) => ({ host, port })),
    connectTimeout: CONNECT_MS,
    timeout: REQUEST_MS,
    requestTimeout: REQUEST_MS,
    retries: 0,
    metadataMaxAge: METADATA_MS,
    autocreateTopics: false,
    ...(tls === undefined ? {} : { tls: { ...tls } }),
    ...(user === undefined
      ? {}
      : { sasl: { mechanism: mechanismOf(sasl), username: user, password: password ?? '' } }),
  };
}

function mechanismOf(sasl: KafkaUrl['sasl']): 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' {
  if (sasl === 'scram-sha-256') return 'SCRAM-SHA-256';
  return sasl === 'scram-sha-512' ? 'SCRAM-SHA-512' : 'PLAIN';
}
