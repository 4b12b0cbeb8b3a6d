// Opens the NATS queue as tests want it.
import { type Logger, silentLogger, systemClock, systemRandom } from '../src/base/index.ts';
import type { Queue } from '../src/queue/index.ts';
import { openNatsQueue } from '../src/queue/nats/index.ts';
import { parseSubscribeUrl } from '../src/site/index.ts';

export function openNats(url: string, channel: string, logger: Logger = silentLogger): Promise<Queue> {
  const parsed = parseSubscribeUrl(url);
  if (parsed.kind !== 'nats') throw new Error(`${url} is no nats://`);
  return openNatsQueue({ url: parsed, channel, clock: systemClock, random: systemRandom(), logger });
}
