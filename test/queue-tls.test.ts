// TLS and logins of NATS and Redis Streams, against real servers.
import { afterAll, describe, expect, it } from 'vitest';
import { freePorts, requireBroker, startNats, startRedis } from './brokers/index.ts';
import { openNats } from './nats-open.ts';
import { certificateFiles, passes, refusal } from './queue-probes.ts';
import { openRedisStreams } from './redis-streams-open.ts';

const { skip } = requireBroker('nats-server', 'redis-server');
const { cert, key, remove } = certificateFiles();
afterAll(remove);

describe.skipIf(skip)('nats', () => {
  it('speaks TLS, checks the certificate, and logs in by token', async () => {
    const tls = `tls { cert_file: "${cert}", key_file: "${key}" }`;
    await using server = await startNats({ config: `${tls}\nauthorization { token: "a token" }` });
    const at = `127.0.0.1:${server.port}`;
    await passes(openNats, `nats://a%20token@${at}?tls=yes&tls_ca=${cert}`);
    await passes(openNats, `nats://a%20token@${at}?tls=yes&tls_verify=no`);
    expect((await refusal(openNats, `nats://a%20token@${at}?tls=yes`)).message).toMatch(/certificate/i);
    expect(await refusal(openNats, `nats://wrong@${at}?tls=yes&tls_ca=${cert}`)).toMatchObject({
      code: 'QUEUE_REFUSED',
    });
  });

  it('says that JetStream is off', async () => {
    await using server = await startNats({ jetstream: false });
    const { message } = await refusal(openNats, `nats://127.0.0.1:${server.port}`);
    expect(message).toMatch(/jetstream/i);
  });
});

describe.skipIf(skip)('redis-streams', () => {
  it('speaks TLS, checks the certificate, and logs in as a user', async () => {
    const [port] = await freePorts(1);
    const tls = ['--tls-port', String(port), '--tls-cert-file', cert, '--tls-key-file', key];
    const user = ['--user', 'site', 'on', '>secret', '~*', '+@all'];
    await using redis = await startRedis([
      ...tls,
      '--tls-ca-cert-file',
      cert,
      '--tls-auth-clients',
      'no',
      ...user,
    ]);
    expect(redis.pid).toBeGreaterThan(0);
    const at = `127.0.0.1:${port}`;
    await passes(openRedisStreams, `redis-streams://site:secret@${at}/3?tls=yes&tls_ca=${cert}&stream=other`);
    expect((await refusal(openRedisStreams, `redis-streams://site:secret@${at}?tls=yes`)).message).toMatch(
      /certificate/i,
    );
    expect(
      await refusal(openRedisStreams, `redis-streams://site:wrong@${at}?tls=yes&tls_ca=${cert}`),
    ).toMatchObject({
      code: 'QUEUE_REFUSED',
    });
  });
});
