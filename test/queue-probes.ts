// What tests of TLS and logins ask of any queue: whether a message passes, and how one is refused; and the files that they need.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Queue } from '../src/queue/index.ts';
import { testCertificate, testKey } from '../src/server/test-certificate.ts';
import { eventually } from './brokers/index.ts';

type Open = (url: string, channel: string) => Promise<Queue>;

/** The test certificate as PEM files: alone, its key, and both in one. `remove` takes them away. */
export function certificateFiles(): {
  readonly cert: string;
  readonly key: string;
  readonly both: string;
  readonly remove: () => void;
} {
  const dir = mkdtempSync(join(tmpdir(), 'mqkv-certificate-'));
  const file = (name: string, content: string): string => {
    const path = join(dir, name);
    writeFileSync(path, content);
    return path;
  };
  return {
    cert: file('cert.pem', testCertificate),
    key: file('key.pem', testKey),
    both: file('both.pem', testKey + testCertificate),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** One message from a site to another. */
export async function passes(open: Open, url: string): Promise<void> {
  await using a = await open(url, 'a');
  await using b = await open(url, 'b');
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

/** Why a message is refused; empty: it is not. */
export async function refusal(open: Open, url: string): Promise<{ code?: string; message?: string }> {
  await using queue = await open(url, 'x');
  return queue.publish(Buffer.from('x')).then(
    () => ({}),
    (error: unknown) => error as { code?: string; message?: string },
  );
}
