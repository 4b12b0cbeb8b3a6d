// The NSQ adapter against real nsqd and nsqlookupd.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger, systemClock, systemRandom } from '../src/base/index.ts';
import { openNsqQueue, parseNsqUrl } from '../src/queue/nsq/index.ts';
import { eventually, type NsqdBroker, requireBroker, startNsqd } from './brokers/index.ts';

const { skip } = requireBroker('nsqd', 'nsqlookupd');
const common = { clock: systemClock, random: systemRandom(), logger: silentLogger };

describe.skipIf(skip)('nsq', () => {
  let nsqd: NsqdBroker;
  beforeAll(async () => {
    nsqd = await startNsqd();
  });
  afterAll(() => nsqd.stop());

  it('publishes and consumes', async () => {
    const url = parseNsqUrl(`nsq://127.0.0.1:${nsqd.port}?http=127.0.0.1:${nsqd.httpPort}`);
    await using queue = await openNsqQueue({ url, channel: 'a', ...common });
    const got = new Set<string>();
    await queue.subscribe(
      (m) => {
        got.add(m.body.toString());
        m.ack();
      },
      { maxInFlight: 64 },
    );
    const start = Date.now();
    await Promise.all(Array.from({ length: 20000 }, (_, i) => queue.publish(Buffer.from(`m${i}`))));
    await eventually('all', () => got.size === 20000);
    const stats = await queue.stats();
    expect(stats.finished).toBe(20000);
  });
});
