// The conformance suite on the NSQ adapter and a real nsqd.
import { describe, it } from 'vitest';
import { requireBroker, startNsqd } from './brokers/index.ts';
import { openNsq } from './nsq-open.ts';
import { brokerWorld } from './broker-world.ts';
import { type QueueWorld, queueConformance } from './queue-conformance.ts';

const { skip } = requireBroker('nsqd');

/** An nsqd for every test: some kill it. */
async function open(): Promise<QueueWorld> {
  const nsqd = await startNsqd();
  return brokerWorld({
    broker: nsqd,
    url: `nsq://127.0.0.1:${nsqd.port}?http=127.0.0.1:${nsqd.httpPort}`,
    open: openNsq,
    end: () => nsqd.stop(),
  });
}

describe.skipIf(skip)('nsq conforms to Queue', () => {
  const capabilities = {
    broker: true,
    redelivers: true,
    shares: true,
    counts: true,
    ordered: false,
    replays: false,
  };
  const skip = [
    { test: 'wrong credentials are told, and harm nobody else', reason: 'in nsq-secure.test.ts' },
    {
      test: 'a topic that is missing and may not be made is told, and harms nobody else',
      reason: 'in nsq-secure.test.ts',
    },
  ];
  for (const test of queueConformance({ name: 'nsq', open, capabilities, skip })) {
    it.skipIf(test.skip)(test.name, test.run);
  }
});
