// NSQ with TLS, AUTH and compression, against a real nsqd.
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterAll, describe, expect, it } from 'vitest';
import type { Queue } from '../src/queue/index.ts';
import { snappyChunks, SnappyDecoder } from '../src/queue/nsq/snappy.ts';
import { eventually, requireBroker, startNsqd } from './brokers/index.ts';
import { openNsq } from './nsq-open.ts';
import { certificateFiles } from './queue-probes.ts';

const { skip } = requireBroker('nsqd');
const { remove, ...files } = certificateFiles();
afterAll(remove);

const TLS = [`-tls-cert=${files.cert}`, `-tls-key=${files.key}`];
const SECURE = `tls=yes&tls_ca=${files.cert}`;
const times = { connectTimeoutMs: 1_000, requestTimeoutMs: 2_000 };

/** Sends messages of many sizes from one site to another and compares them byte for byte. */
async function passes(url: string): Promise<void> {
  await using a = await openNsq(url, 'a', times);
  await using b = await openNsq(url, 'b', times);
  const got = new Set<string>();
  await b.subscribe(
    (message) => {
      got.add(message.body.toString('latin1'));
      message.ack();
    },
    { maxInFlight: 16 },
  );
  const sent = [1, 10, 65_535, 65_536, 65_537, 300_000].map((size) =>
    Buffer.from(Array.from({ length: size }, (_, at) => (at * at + size) % 251)),
  );
  await Promise.all(sent.map((body) => a.publish(body)));
  await eventually('all messages', () => got.size === sent.length);
  for (const body of sent) expect(got.has(body.toString('latin1'))).toBe(true);
}

const refusalOf = async (url: string): Promise<string> => {
  await using queue: Queue = await openNsq(url, 'x', times);
  return queue.publish(Buffer.from('x')).then(
    () => 'accepted',
    (error: unknown) => String(error),
  );
};

describe.skipIf(skip)('nsq', () => {
  it('speaks TLS, and says what is wrong where it cannot', async () => {
    await using nsqd = await startNsqd({ flags: [...TLS, '-tls-required=true'] });
    await passes(`nsq://127.0.0.1:${nsqd.port}?${SECURE}`);
    expect(await refusalOf(`nsq://127.0.0.1:${nsqd.port}`)).toMatch(/E_INVALID|TLS|closed/i);
    expect(await refusalOf(`nsq://127.0.0.1:${nsqd.port}?tls=yes`)).toMatch(/self[- ]signed|certificate/i);
    await passes(`nsq://127.0.0.1:${nsqd.port}?tls=yes&tls_verify=no`);
    await using plain = await startNsqd();
    expect(await refusalOf(`nsq://127.0.0.1:${plain.port}?${SECURE}`)).toMatch(/offers no TLS/);
    await expect(openNsq('nsq://127.0.0.1:1?tls=yes&tls_ca=/no/such/file', 'x')).rejects.toThrow(
      /cannot be read/,
    );
  });

  it('shows a client certificate', async () => {
    await using nsqd = await startNsqd({
      flags: [
        ...TLS,
        '-tls-required=true',
        '-tls-client-auth-policy=require-verify',
        `-tls-root-ca-file=${files.cert}`,
      ],
    });
    await passes(`nsq://127.0.0.1:${nsqd.port}?${SECURE}&tls_cert=${files.cert}&tls_key=${files.key}`);
    expect(await refusalOf(`nsq://127.0.0.1:${nsqd.port}?${SECURE}`)).not.toBe('accepted');
  });

  it.each(['deflate', 'snappy'])('compresses by %s, alone and over TLS', async (compression) => {
    await using nsqd = await startNsqd({ flags: TLS });
    await passes(`nsq://127.0.0.1:${nsqd.port}?compression=${compression}`);
    await passes(`nsq://127.0.0.1:${nsqd.port}?${SECURE}&compression=${compression}`);
    await using without = await startNsqd({ flags: [`-${compression}=false`] });
    expect(await refusalOf(`nsq://127.0.0.1:${without.port}?compression=${compression}`)).toMatch(
      `offers no ${compression}`,
    );
  });

  it('gives its secret where nsqd wants one', async () => {
    const { server, port } = await authServer('open sesame');
    await using nsqd = await startNsqd({ flags: [`-auth-http-address=127.0.0.1:${port}`] });
    await passes(`nsq://open%20sesame@127.0.0.1:${nsqd.port}`);
    expect(await refusalOf(`nsq://127.0.0.1:${nsqd.port}`)).toMatch(/AUTH required/);
    expect(await refusalOf(`nsq://wrong@127.0.0.1:${nsqd.port}`)).toMatch(/E_(AUTH_FAILED|UNAUTHORIZED)/);
    await using b = await openNsq(`nsq://wrong@127.0.0.1:${nsqd.port}`, 'b', times);
    await b.subscribe(() => {}, { maxInFlight: 1 });
    const [state] = await eventually('the refusal', () =>
      b.brokers()[0]?.error === undefined ? undefined : b.brokers(),
    );
    expect(state).toMatchObject({ connected: false, subscribed: false });
    server.close();
  });
});

async function authServer(secret: string): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer((request, response) => {
    const given = new URL(request.url ?? '', 'http://x').searchParams.get('secret');
    const all = { topic: '.*', channels: ['.*'], permissions: ['subscribe', 'publish'] };
    response.statusCode = given === secret ? 200 : 403;
    response.end(
      JSON.stringify({ ttl: 3600, identity: 'a site', authorizations: given === secret ? [all] : [] }),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

describe('snappy', () => {
  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * 7 + (at >> 9)) % 97));

  it('reads what it writes, cut anywhere', () => {
    const stream = Buffer.concat([
      ...snappyChunks(),
      ...snappyChunks(bytes),
      ...snappyChunks(Buffer.from('end')),
    ]);
    for (const step of [1, 7, 1_000, stream.length]) {
      const decoder = new SnappyDecoder();
      const got: Buffer[] = [];
      for (let at = 0; at < stream.length; at += step)
        expect(decoder.push(stream.subarray(at, at + step), (part) => got.push(part))).toBeUndefined();
      expect(Buffer.concat(got).equals(Buffer.concat([bytes, Buffer.from('end')]))).toBe(true);
    }
  });

  it('refuses what is damaged', () => {
    const [chunk = Buffer.alloc(0)] = snappyChunks(Buffer.from('hello hello hello'));
    const damaged = Buffer.from(chunk);
    damaged[damaged.length - 1] ^= 1;
    expect(new SnappyDecoder().push(damaged, () => {})).toMatch(/checksum/);
    expect(new SnappyDecoder().push(Buffer.from([2, 4, 0, 0, 1, 2, 3, 4]), () => {})).toMatch(/unknown type/);
    expect(new SnappyDecoder().push(Buffer.from([0, 255, 255, 255]), () => {})).toMatch(/bytes/);
    expect(new SnappyDecoder().push(Buffer.from([0, 2, 0, 0, 1, 2]), () => {})).toMatch(/too short/);
  });
});
