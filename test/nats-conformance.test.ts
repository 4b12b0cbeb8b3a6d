// The conformance suite on the NATS adapter and a real nats-server with JetStream.
import { describe, it } from 'vitest';
import { requireBroker, startNats } from './brokers/index.ts';
import { openNats } from './nats-open.ts';
import { brokerWorld } from './broker-world.ts';
import { type QueueWorld, queueConformance } from './queue-conformance.ts';

const { skip } = requireBroker('nats-server');

const USERS = `authorization { users = [
  { user: site, password: secret },
  { user: guest, password: secret, permissions: { publish: { deny: "$JS.API.STREAM.CREATE.>" } } }
] }`;

/** A server for every test: some kill it. */
async function open(): Promise<QueueWorld> {
  const server = await startNats({ config: USERS });
  return brokerWorld({
    broker: server,
    url: `nats://site:secret@127.0.0.1:${server.port}`,
    wrongUrl: `nats://site:wrong@127.0.0.1:${server.port}`,
    guestUrl: `nats://guest:secret@127.0.0.1:${server.port}?stream=ANOTHER`,
    open: openNats,
    end: () => server.stop(),
  });
}

describe.skipIf(skip)('nats conforms to Queue', () => {
  const capabilities = {
    broker: true,
    redelivers: true,
    shares: true,
    counts: true,
    ordered: true,
    replays: true,
  };
  for (const test of queueConformance({ name: 'nats', open, capabilities, skip: [] })) {
    it.skipIf(test.skip)(test.name, test.run);
  }
});
