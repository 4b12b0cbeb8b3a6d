// Opens the Kafka queue as tests want it; and whether this Node can.
import { type Logger, silentLogger, systemClock, systemRandom } from '../src/base/index.ts';
import type { Queue } from '../src/queue/index.ts';
import { openKafkaQueue } from '../src/queue/kafka/index.ts';
import { parseSubscribeUrl } from '../src/site/index.ts';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
/** The driver runs on this Node. */
export const isNodeNewEnough = major > 22 || (major === 22 && minor >= 22);

export function openKafka(url: string, channel: string, logger: Logger = silentLogger): Promise<Queue> {
  const parsed = parseSubscribeUrl(url);
  if (parsed.kind !== 'kafka') throw new Error(`${url} is no kafka://`);
  return openKafkaQueue({ url: parsed, channel, clock: systemClock, random: systemRandom(), logger });
}
