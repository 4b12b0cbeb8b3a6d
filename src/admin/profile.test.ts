// Profiles over real HTTP, opened by `go tool pprof`.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { silentLogger, systemClock } from '../base/index.ts';
import { type Admin, openAdmin } from './admin.ts';
import { fakeHooks } from './fixture.ts';

let admin: Admin;
let folder: string;
const kept: Uint8Array[][] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mqkv-pprof-'));
  const address = { host: '127.0.0.1', port: 0 };
  admin = await openAdmin({ address, hooks: fakeHooks(), clock: systemClock, logger: silentLogger });
});

afterAll(async () => {
  await admin.close();
  rmSync(folder, { recursive: true });
});

const headersOf = (path: string): Promise<IncomingMessage> =>
  new Promise((resolve, reject) =>
    get(`http://${admin.address}${path}`, { agent: false }, resolve).on('error', reject),
  );

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function busyForTheProfile(): number {
  let sum = 0;
  for (let i = 0; i < 3_000_000; i++) sum = (sum * 31 + i) | 0;
  return sum;
}

function allocateForTheProfile(): void {
  kept.push(Array.from({ length: 2000 }, () => new Uint8Array(64)));
}

/** Runs `work` again and again until `done` settles, giving the loop a turn between. */
async function workUntil<T>(done: Promise<T>, work: () => void): Promise<T> {
  let over = false;
  const settled = done.finally(() => {
    over = true;
  });
  settled.catch(() => {});
  while (!over) {
    work();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return settled;
}

/** undefined: go is not here, a skip that STRICT=1 makes a failure. */
function goTool(args: readonly string[], profile: Buffer): string | undefined {
  const file = join(folder, 'profile.pb.gz');
  writeFileSync(file, profile);
  try {
    return execFileSync('go', ['tool', 'pprof', ...args, file], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && process.env['STRICT'] !== '1') return undefined;
    throw error;
  }
}

it('takes a CPU profile that go tool pprof reads, with names, files and lines; headers come at once', async (test) => {
  const begun = systemClock.now();
  const response = await headersOf('/debug/pprof/profile?seconds=1');
  expect(systemClock.now() - begun).toBeLessThan(900);
  expect(response.statusCode).toBe(200);
  const second = await headersOf('/debug/pprof/heap?seconds=1');
  expect([second.statusCode, (await bodyOf(second)).toString()]).toEqual([
    409,
    expect.stringContaining('one at a time'),
  ]);
  const profile = await workUntil(bodyOf(response), busyForTheProfile);
  const top = goTool(['-top'], profile);
  if (top === undefined) return test.skip('go is not installed');
  expect(top).toContain('admin/profile.test.busyForTheProfile');
  expect(top).toContain('Type: cpu');
  expect(top).not.toContain('(idle)');
  expect(goTool(['-top', '-lines'], profile)).toMatch(/busyForTheProfile .*profile\.test\.ts:\d+/);
});

it('takes a heap profile that go tool pprof reads', async (test) => {
  const response = await headersOf('/debug/pprof/heap?seconds=1');
  const profile = await workUntil(bodyOf(response), () => {
    if (kept.length < 100) allocateForTheProfile();
  });
  const top = goTool(['-top', '-cum', '-sample_index=inuse_space'], profile);
  if (top === undefined) return test.skip('go is not installed');
  expect(top).toContain('allocateForTheProfile');
});

it('ends a profile when its client goes away or the admin closes, and lets the next one begin', async () => {
  const first = await headersOf('/debug/pprof/profile?seconds=60');
  first.on('error', () => {}).destroy();
  let next = await headersOf('/debug/pprof/profile?seconds=60');
  while (next.statusCode === 409) {
    await bodyOf(next);
    next = await headersOf('/debug/pprof/profile?seconds=60');
  }
  expect(next.statusCode).toBe(200);
  const cut = bodyOf(next).then(
    () => 'ended',
    () => 'ended',
  );
  await admin.close();
  await admin.close();
  expect(await cut).toBe('ended');
});

it('rejects with the system error when the port is in use', async () => {
  const options = { hooks: fakeHooks(), clock: systemClock, logger: silentLogger };
  await using holder = await openAdmin({ ...options, address: { host: '127.0.0.1', port: 0 } });
  const port = Number(holder.address.split(':')[1]);
  await expect(openAdmin({ ...options, address: { host: '127.0.0.1', port } })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  });
});
