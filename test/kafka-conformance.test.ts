// The conformance suite on the Kafka adapter and a real Kafka; on a Node that the driver does not know, the error that says so.
import { afterAll, describe, expect, it } from 'vitest';
import { type Broker, requireBroker, startKafka } from './brokers/index.ts';
import { isNodeNewEnough, openKafka } from './kafka-open.ts';
import { brokerWorld } from './broker-world.ts';
import { type QueueWorld, queueConformance } from './queue-conformance.ts';

const JAAS =
  'org.apache.kafka.common.security.plain.PlainLoginModule required username="site" password="secret" user_site="secret" user_guest="secret";';

let broker: Promise<Broker> | undefined;
let topics = 0;

/** One broker for all tests, which takes seconds to start; a topic for each. */
async function open(): Promise<QueueWorld> {
  broker ??= startKafka({
    listener: 'SASL_PLAINTEXT',
    properties: [
      'sasl.enabled.mechanisms=PLAIN',
      'sasl.mechanism.inter.broker.protocol=PLAIN',
      'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users=User:site;User:ANONYMOUS',
      `listener.name.sasl_plaintext.plain.sasl.jaas.config=${JAAS}`,
    ],
  });
  const kafka = await broker;
  const topic = `topic-${++topics}`;
  return brokerWorld({
    broker: kafka,
    url: `kafka://site:secret@127.0.0.1:${kafka.port}?topic=${topic}`,
    wrongUrl: `kafka://site:wrong@127.0.0.1:${kafka.port}?topic=${topic}`,
    guestUrl: `kafka://guest:secret@127.0.0.1:${kafka.port}?topic=another-${topic}`,
    open: openKafka,
    end: () => Promise.resolve(),
  });
}

describe.runIf(isNodeNewEnough)('kafka', () => {
  const { skip } = isNodeNewEnough ? requireBroker('java', 'kafka') : { skip: false };
  afterAll(async () => (await broker)?.stop());

  describe.skipIf(skip)('conforms to Queue', () => {
    // Each publisher has a partition of its own, and a partition one consumer of the group; attempts are counted in the process.
    const capabilities = {
      broker: true,
      redelivers: true,
      shares: false,
      counts: false,
      ordered: true,
      replays: true,
    };
    for (const test of queueConformance({ name: 'kafka', open, capabilities, skip: [] })) {
      it.skipIf(test.skip)(test.name, test.run, 60_000);
    }
  });
});

describe.skipIf(isNodeNewEnough)('kafka on an older Node', () => {
  it('says which Node it needs', async () => {
    await expect(openKafka('kafka://127.0.0.1:1', 'a')).rejects.toThrow(
      `kafka:// needs Node >= 22.22; this is Node ${process.versions.node}`,
    );
  });
});
