// Whole processes over a real folder: killed at any moment and started again, stopped, copied, damaged and repaired.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Redis } from 'ioredis';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { eventually } from '../brokers/index.ts';
import { type MqkvProcess, startMqkv } from './mqkv.ts';
import { clientOf } from './workload.ts';

vi.setConfig({ testTimeout: 60_000 });
const BIN = fileURLToPath(new URL('../../bin/mqkv.js', import.meta.url)).replace('/dist/bin/', '/bin/');
const closers: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'mqkv-crash-'));
  closers.push(() => rmSync(path, { recursive: true }));
  return join(path, 'data');
}

async function start(path: string, parameters = ''): Promise<MqkvProcess> {
  const site = await startMqkv(['--site', 'a', '--store', `file:${path}${parameters}`]);
  closers.push(() => site.stop());
  return site;
}

async function client(site: MqkvProcess): Promise<Redis> {
  const one = clientOf(site.port, { retryStrategy: () => null });
  one.on('error', () => {});
  await one.connect();
  closers.push(() => one.disconnect());
  return one;
}

function logs(path: string): string[] {
  return readdirSync(path).filter((name) => name.startsWith('log-'));
}

/** Until the folder's logs hold a text. */
async function written(path: string, text: string): Promise<void> {
  await eventually(`"${text}" is in the log`, () =>
    logs(path).some((name) => readFileSync(join(path, name)).includes(text)),
  );
}

/** Writes until the connection dies. Result: what was acknowledged. */
async function write(site: MqkvProcess, name: string): Promise<{ sets: number; increments: number }> {
  const one = await client(site);
  const acknowledged = { sets: 0, increments: 0 };
  try {
    for (;;) {
      const n = acknowledged.sets + 1;
      await Promise.all([
        one.set(`${name}:${n}`, `v${n}`, 'EX', 1000).then(() => acknowledged.sets++),
        one.hincrby('counters', name, 1).then(() => acknowledged.increments++),
        one.del(`${name}:${n - 1}`),
      ]);
    }
  } catch {
    return acknowledged;
  }
}

/** Runs the command to its end. */
function mqkv(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { status, stdout, stderr };
}

function serveOnce(path: string, site = 'a'): ReturnType<typeof mqkv> {
  return mqkv(
    'serve',
    '--site',
    site,
    '--store',
    `file:${path}`,
    '--listen',
    '127.0.0.1:0',
    '--admin',
    'off',
  );
}

describe('a site over a folder', () => {
  test('killed while it writes, three times: everything acknowledged is there (fsync=always)', async () => {
    const path = folder();
    const total = new Map<string, number>();
    for (let round = 0; round < 3; round++) {
      const site = await start(path, '?fsync=always');
      const writers = ['x', 'y', 'z'].map((name) => write(site, `${name}${round}`));
      const look = await client(site);
      await eventually(
        'some writes',
        async () => Number(await look.hget('counters', `x${round}`)) > 40 + 30 * round,
      );
      await site.kill();
      const acknowledged = await Promise.all(writers);
      const again = await start(path, '?fsync=always');
      const reader = await client(again);
      for (const [i, { sets, increments }] of acknowledged.entries()) {
        const name = `${'xyz'[i]}${round}`;
        expect(increments).toBeGreaterThan(0);
        // The last write may have been made without an answer; its key is then gone by the DEL of the next round of three.
        const last = await reader.mget(`${name}:${sets}`, `${name}:${sets + 1}`);
        expect(last.filter((value) => value !== null).length, name).toBeGreaterThan(0);
        expect(await reader.get(`${name}:${sets - 1}`)).toBeNull();
        const counted = Number(await reader.hget('counters', name));
        expect(counted - increments, name).toBeGreaterThanOrEqual(0);
        expect(counted - increments, name).toBeLessThanOrEqual(1);
        total.set(name, counted);
      }
      expect(await again.stop()).toBe(0);
    }
    const site = await start(path, '?fsync=always');
    const reader = await client(site);
    for (const [name, counted] of total) expect(Number(await reader.hget('counters', name))).toBe(counted);
  });

  test('killed: what was written before the window is there, with its TTL, and a second process is kept out meanwhile', async () => {
    const path = folder();
    const site = await start(path);
    const one = await client(site);
    await one
      .multi()
      .set('s', '1', 'EX', 1000)
      .hset('h', 'f', 'v')
      .zadd('z', 5, 'm')
      .sadd('gone', 'm')
      .exec();
    await one.del('gone');
    await one.set('last', 'the last of all');
    await written(path, 'the last of all');
    const second = serveOnce(path);
    expect(second).toMatchObject({ status: 1, stdout: '' });
    expect(second.stderr.trim().split('\n')).toEqual([
      expect.stringContaining(`"${path}" is in use by another process`),
    ]);
    await site.kill();
    const again = await start(path);
    const reader = await client(again);
    expect(await reader.mget('s', 'last')).toEqual(['1', 'the last of all']);
    expect(await reader.ttl('s')).toBeGreaterThan(900);
    expect([await reader.hgetall('h'), await reader.zscore('z', 'm'), await reader.exists('gone')]).toEqual([
      { f: 'v' },
      '5',
      0,
    ]);
    expect(await again.stop()).toBe(0);
    expect(readdirSync(path)).toContain('clean');
    expect(readdirSync(path)).not.toContain('lock');
    expect(serveOnce(path, 'b')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('is of the site "a"'),
    });
  });

  test('damaged: one line and exit status 1; repaired: the rest is there', async () => {
    const path = folder();
    const site = await start(path, '?fsync=always');
    const one = await client(site);
    for (let i = 0; i < 20; i++) await one.set(`key:${i}`, `value ${i}`);
    await site.kill();
    const [log = ''] = logs(path);
    const bytes = readFileSync(join(path, log));
    bytes[bytes.indexOf('value 7')] ^= 1;
    writeFileSync(join(path, log), bytes);
    const refused = serveOnce(path);
    expect(refused).toMatchObject({ status: 1, stdout: '' });
    expect(refused.stderr.trim().split('\n')).toEqual([expect.stringContaining(`"mqkv repair ${path}"`)]);
    const repaired = mqkv('repair', path);
    expect(repaired).toMatchObject({ status: 0, stderr: '' });
    expect(repaired.stdout).toContain(`${log}: `);
    expect(repaired.stdout).toContain('19 keys');
    expect(readdirSync(path)).toContain(`damaged-${log}`);
    const reader = await client(await start(path));
    expect(await reader.dbsize()).toBe(19);
    expect(await reader.mget('key:7', 'key:8')).toEqual([null, 'value 8']);
  });

  test('a copy of a stopped folder serves what was in it, beside the first', async () => {
    const path = folder();
    const site = await start(path);
    await (await client(site)).set('k', 'v');
    await site.stop();
    cpSync(path, `${path}-copy`, { recursive: true });
    const [first, second] = [await start(path), await start(`${path}-copy`)];
    expect(await (await client(first)).get('k')).toBe('v');
    expect(await (await client(second)).get('k')).toBe('v');
    expect(second.log()).toContain('the folder was copied or restored');
    expect(first.log()).not.toContain('the folder was copied or restored');
  });

  test('folders that cannot be used: one line, exit status 1', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'mqkv-crash-')), 'file');
    closers.push(() => rmSync(join(file, '..'), { recursive: true }));
    writeFileSync(file, '');
    for (const [path, reason] of [
      [join(file, '..', 'no', 'such'), 'the folder above it does not exist'],
      [file, 'it is not a folder'],
    ] as const) {
      const { status, stdout, stderr } = serveOnce(path);
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
      expect(stderr.trim().split('\n')).toEqual([`mqkv: cannot use the folder "${path}": ${reason}`]);
    }
    expect(mqkv('repair')).toMatchObject({ status: 2 });
    expect(mqkv('repair', join(file, '..'))).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('there is no store'),
    });
  });
});
