// Opens the NSQ queue as tests want it: short times, the machine's clock.
import { silentLogger, systemClock, systemRandom } from '../src/base/index.ts';
import { type NsqQueueOptions, openNsqQueue } from '../src/queue/nsq/index.ts';
import type { Queue } from '../src/queue/index.ts';
import { parseSubscribeUrl } from '../src/site/index.ts';

/** `more`: other times than the default. */
export function openNsq(url: string, channel: string, more: Partial<NsqQueueOptions> = {}): Promise<Queue> {
  const common = { clock: systemClock, random: systemRandom(), logger: silentLogger };
  const parsed = parseSubscribeUrl(url);
  if (parsed.kind !== 'nsq') throw new Error(`${url} is no nsq://`);
  return openNsqQueue({ url: parsed, channel, ...common, ...more });
}
