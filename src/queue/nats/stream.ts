// The stream and the durable consumer at the server: found, or made where they are not there.
import {
  AckPolicy,
  type ConsumerInfo,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { MqkvError } from '../../base/index.ts';
import {
  ACK_PENDING_MAX,
  ACK_WAIT_MS,
  durableOf,
  MESSAGE_BYTES_DEFAULT,
  NANOS,
  type NatsUrl,
  subjectOf,
} from './settings.ts';

/** What of a stream's configuration concerns publishing. */
export interface OpenedStream {
  readonly subject: string;
  /** Units: bytes. */
  readonly messageBytesMax: number;
}

/** Finds or makes the stream. Errors: the driver's; MqkvError `QUEUE_REFUSED` for a stream that takes no subject of its own. */
export async function openStream(manager: JetStreamManager, url: NatsUrl): Promise<OpenedStream> {
  const config = (await configOf(manager, url.stream)) ?? (await makeStream(manager, url));
  const subjects = config.subjects ?? [];
  const plain = subjects.filter((subject) => !/[*>]/.test(subject));
  const own = subjectOf(url.stream);
  const subject = plain.includes(own) ? own : plain[0];
  if (subject === undefined)
    throw new MqkvError(
      'QUEUE_REFUSED',
      `stream ${url.stream} has no subject without wildcards to publish to`,
    );
  const limit = config.max_msg_size ?? -1;
  return { subject, messageBytesMax: limit > 0 ? limit : MESSAGE_BYTES_DEFAULT * 64 };
}

/** Finds or makes this site's consumer: what is published from now on, and later what it has not acknowledged. */
export function openConsumer(
  manager: JetStreamManager,
  stream: string,
  channel: string,
): Promise<ConsumerInfo> {
  return manager.consumers.add(stream, {
    durable_name: durableOf(channel),
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.New,
    ack_wait: ACK_WAIT_MS * NANOS,
    max_ack_pending: ACK_PENDING_MAX,
  });
}

async function configOf(manager: JetStreamManager, stream: string): Promise<StreamConfig | undefined> {
  try {
    return (await manager.streams.info(stream)).config;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound)
      return undefined;
    throw error;
  }
}

async function makeStream(
  manager: JetStreamManager,
  { stream, replicas, maxAgeMs }: NatsUrl,
): Promise<StreamConfig> {
  const made = await manager.streams.add({
    name: stream,
    subjects: [subjectOf(stream)],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_age: maxAgeMs * NANOS,
    num_replicas: replicas,
  });
  return made.config;
}
