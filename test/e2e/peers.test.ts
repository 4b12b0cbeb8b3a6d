// Whole processes joined by peer links: passwords and the shared secret.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../brokers/index.ts';
import { testCertificate, testKey } from '../../src/server/test-certificate.ts';
import { type MqkvProcess, startMqkv } from './mqkv.ts';

const PASSWORD = 'open sesame';
const closers: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Files of a password and a secret. */
async function files(): Promise<{ readonly password: string; readonly secret: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'mqkv-peers-'));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  const [password, secret] = [join(folder, 'password'), join(folder, 'secret')];
  await writeFile(password, `${PASSWORD}\n`);
  await writeFile(secret, '0123456789abcdef\n');
  return { password, secret };
}

async function site(name: string, flags: readonly string[]): Promise<MqkvProcess> {
  const started = await startMqkv(['--site', name, '--serve-while-loading', ...flags]);
  closers.push(() => started.stop());
  return started;
}

function clientWithPassword(port: number): Redis {
  const client = new Redis({ host: '127.0.0.1', port, password: PASSWORD });
  client.on('error', () => {});
  closers.push(() => client.disconnect());
  return client;
}

test('sites with a password link by their shared secret; without one they do not start', async () => {
  const { password, secret } = await files();
  const flags = ['--password-file', password, '--secret-file', secret];
  const a = await site('a', [...flags, '--queue', 'peers://127.0.0.1:1']);
  const b = await site('b', [...flags, '--queue', `peers://127.0.0.1:${a.port}`]);
  const [ca, cb] = [clientWithPassword(a.port), clientWithPassword(b.port)];
  await ca.set('k', 'v');
  await eventually('the write at the other site', async () => (await cb.get('k')) === 'v');
  await expect(
    startMqkv(['--site', 'c', '--password-file', password, '--queue', 'peers://127.0.0.1:1']),
  ).rejects.toThrow(/needs --secret-file/);
}, 30_000);

test('sites that listen with TLS link, and copy, by TLS', async () => {
  const { secret, password } = await files();
  const [cert, key] = [`${secret}.cert`, `${secret}.key`];
  await writeFile(cert, testCertificate);
  await writeFile(key, testKey);
  const flags = ['--tls-cert', cert, '--tls-key', key, '--secret-file', secret, '--password-file', password];
  const tls = `tls=yes&tls_ca=${cert}`;
  const client = (port: number): Redis => {
    const made = new Redis({ host: '127.0.0.1', port, password: PASSWORD, tls: { ca: testCertificate } });
    made.on('error', () => {});
    closers.push(() => made.disconnect());
    return made;
  };
  const a = await site('a', [...flags, '--queue', `peers://127.0.0.1:1?${tls}`]);
  const ca = client(a.port);
  await ca.set('before', 'copied');
  const b = await startMqkv(['--site', 'b', ...flags, '--queue', `peers://127.0.0.1:${a.port}?${tls}`]);
  closers.push(() => b.stop());
  const cb = client(b.port);
  expect(await cb.get('before')).toBe('copied');
  await cb.set('after', 'linked');
  await eventually('the write at the other site', async () => (await ca.get('after')) === 'linked');
}, 30_000);
