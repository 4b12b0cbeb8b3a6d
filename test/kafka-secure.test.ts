// Kafka with TLS and with SCRAM, against a real Kafka.
import { afterAll, describe, expect, it } from 'vitest';
import { loadDriver } from '../src/queue/kafka/driver.ts';
import { requireBroker, startKafka } from './brokers/index.ts';
import { isNodeNewEnough, openKafka } from './kafka-open.ts';
import { certificateFiles, passes, refusal } from './queue-probes.ts';

const { skip } = isNodeNewEnough ? requireBroker('java', 'kafka') : { skip: true };
const { cert, both, remove } = certificateFiles();
afterAll(remove);

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
    await passes(openKafka, `${at}?tls=yes&tls_ca=${cert}`);
    await passes(openKafka, `${at}?tls=yes&tls_verify=no`);
    expect((await refusal(openKafka, `${at}?tls=yes`)).message).toMatch(/certificate/i);
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
    await passes(openKafka, `kafka://site:secret@${at}`);
    expect(await refusal(openKafka, `kafka://site:wrong@${at}`)).toMatchObject({ code: 'QUEUE_REFUSED' });
  });
});
