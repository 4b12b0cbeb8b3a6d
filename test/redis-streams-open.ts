// Opens the Redis Streams queue as tests want it.
import { type Logger, silentLogger, systemClock, systemRandom } from '../src/base/index.ts';
import type { Queue } from '../src/queue/index.ts';
import { openRedisStreamsQueue } from '../src/queue/redis-streams/index.ts';
import { parseSubscribeUrl } from '../src/site/index.ts';

export function openRedisStreams(
  url: string,
  channel: string,
  logger: Logger = silentLogger,
): Promise<Queue> {
  const parsed = parseSubscribeUrl(url);
  if (parsed.kind !== 'redis-streams') throw new Error(`${url} is no redis-streams://`);
  return openRedisStreamsQueue({ url: parsed, channel, clock: systemClock, random: systemRandom(), logger });
}
