// Kafka with TLS and with SCRAM, against a real Kafka.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { testCertificate, testKey } from '../src/server/test-certificate.ts';
import { loadDriver } from '../src/queue/kafka/driver.ts';
import { eventually, requireBroker, startKafka } from './brokers/index.ts';
import { isNodeNewEnough, openKafka } from './kafka-open.ts';

const { skip } = isNodeNewEnough ? requireBroker('java', 'kafka') : { skip: true };
const dir = mkdtempSync(join(tmpdir(), 'mqkv-kafka-secure-'));
const [cert, both] = [join(dir, 'cert.pem'), join(dir, 'both.pem')];
writeFileSync(cert, testCertificate);
writeFileSync(both, testKey + testCertificate);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** One message from a site to another. */
async function passes(url: string): Promise<void> {
  await using a = await openKafka(url, 'a');
  await using b = await openKafka(url, 'b');
  const got: string[] = [];
  await b.subscribe(
    (message) => {
      got.push(message.body.toString());
      message.ack();
    },
    { maxInFlight: 4 },
  );
  await a.publish(Buffer.from('hello'));
  await eventually('the message', () => got.includes('hello'));
}

async function refusal(url: string): Promise<{ code?: string; message?: string }> {
  await using queue = await openKafka(url, 'x');
  return queue.publish(Buffer.from('x')).then(
    () => ({}),
    (error: unknown) => error as { code?: string; message?: string },
  );
}

describe.runIf(isNodeNewEnough)('the driver', () => {
  it('does not end the process when a connection fails that nobody watches', async () => {
    const { Connection } = await loadDriver();
    const connection = new Connection('test');
    expect(() => connection.emit('error', new Error('lost while it logged in'))).not.toThrow();
  });
});

describe.skipIf(skip)('kafka', () => {
  it('speaks TLS, and checks the certificate', async () => {
    await using kafka = await startKafka({
      listener: 'SSL',
      properties: [
        'ssl.keystore.type=PEM',
        `ssl.keystore.location=${both}`,
        'ssl.truststore.type=PEM',
        `ssl.truststore.location=${cert}`,
        'ssl.endpoint.identification.algorithm=',
      ],
    });
    const at = `kafka://127.0.0.1:${kafka.port}`;
    await passes(`${at}?tls=yes&tls_ca=${cert}`);
    await passes(`${at}?tls=yes&tls_verify=no`);
    expect((await refusal(`${at}?tls=yes`)).message).toMatch(/certificate/i);
  });

  it.each(['scram-sha-256', 'scram-sha-512'])('logs in by %s', async (mechanism) => {
    const name = mechanism.toUpperCase();
    await using kafka = await startKafka({
      listener: 'SASL_PLAINTEXT',
      users: [`${name}=[name=site,password=secret]`],
      properties: [
        `sasl.enabled.mechanisms=${name}`,
        `sasl.mechanism.inter.broker.protocol=${name}`,
        `listener.name.sasl_plaintext.${mechanism}.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="site" password="secret";`,
      ],
    });
    const at = `127.0.0.1:${kafka.port}?sasl=${mechanism}`;
    await passes(`kafka://site:secret@${at}`);
    expect(await refusal(`kafka://site:wrong@${at}`)).toMatchObject({ code: 'QUEUE_REFUSED' });
  });
});
