// The topic at the cluster: found, or made where it is not there.
import type { Admin } from '@platformatic/kafka';
import { type Clock, MqkvError, sleep } from '../../base/index.ts';
import { isTopicThere, isUnknownTopic } from './errors.ts';
import {
  BATCH_BYTES_DEFAULT,
  BATCH_OVERHEAD,
  clientOptions,
  CONNECT_MS,
  PARTITIONS,
  RETENTION_MS,
  type Settings,
} from './settings.ts';

/** What of a topic concerns publishing. */
export interface Topic {
  readonly partitions: number;
  /** The largest batch of messages. Units: bytes. */
  readonly batchBytesMax: number;
}

/** The replicas that the cluster gives topics by default. */
const REPLICAS_DEFAULT = -1;
const TOPIC_RESOURCE = 2;
/** Looks for a topic that was just made, and the pause between two. Units: ms. */
const TRIES_MAX = 20;
const TRY_MS = 100;
const LIMIT = 'max.message.bytes';

/** Finds or makes the topic. Errors: the driver's. */
export async function openTopic(settings: Settings): Promise<Topic> {
  const { driver, url } = settings;
  const admin = new driver.Admin({
    ...clientOptions(settings),
    timeout: 2 * CONNECT_MS,
    requestTimeout: 2 * CONNECT_MS,
  });
  try {
    const partitions =
      (await partitionsOf(admin, url.topic)) ?? (await makeTopic(admin, url.topic, settings.clock));
    return { partitions, batchBytesMax: (await limitOf(admin, url.topic)) - BATCH_OVERHEAD };
  } finally {
    await admin.close().catch(() => {});
  }
}

async function partitionsOf(admin: Admin, topic: string): Promise<number | undefined> {
  try {
    const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true });
    return topics.get(topic)?.partitionsCount;
  } catch (error) {
    if (isUnknownTopic(error)) return undefined;
    throw error;
  }
}

async function makeTopic(admin: Admin, topic: string, clock: Clock): Promise<number> {
  const configs = [{ name: 'retention.ms', value: String(RETENTION_MS) }];
  try {
    await admin.createTopics({
      topics: [topic],
      partitions: PARTITIONS,
      replicas: REPLICAS_DEFAULT,
      configs,
    });
  } catch (error) {
    if (!isTopicThere(error)) throw error;
  }
  // The broker that is asked may hear of it a moment later.
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const partitions = await partitionsOf(admin, topic);
    if (partitions !== undefined) return partitions;
    await sleep(clock, TRY_MS);
  }
  throw new MqkvError('QUEUE_UNREACHABLE', `topic ${topic} was made and is not known yet`);
}

/** A cluster that does not tell has Kafka's own limit. */
async function limitOf(admin: Admin, topic: string): Promise<number> {
  const resources = [
    { resourceType: TOPIC_RESOURCE, resourceName: topic, configurationKeys: [LIMIT] },
  ] as const;
  try {
    const [found] = await admin.describeConfigs({
      resources: resources.map((one) => ({ ...one, configurationKeys: [LIMIT] })),
    });
    const value = Number(found?.configs.find(({ name }) => name === LIMIT)?.value);
    return value > 0 ? value : BATCH_BYTES_DEFAULT;
  } catch {
    return BATCH_BYTES_DEFAULT;
  }
}
