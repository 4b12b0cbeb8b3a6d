import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { flagsPage } from './flags-page.ts';
import { loadConfig } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'mqkv-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));
const BIN = fileURLToPath(new URL('../../bin/mqkv.js', import.meta.url));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

async function refusal(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  return loadConfig(args, env).then(
    () => 'accepted',
    (error: Error) => error.message,
  );
}

describe('configuration', () => {
  test('flag wins over environment, environment over file, file over default', async () => {
    const path = file('a.toml', 'site = "from-file"\nstop-timeout = "3s"\nlog-level = "debug"\n');
    const env = { MQKV_SITE: 'from-env', MQKV_STOP_TIMEOUT: '4s' };
    const { config } = await loadConfig(['--config', path, '--site', 'from-flag'], env);
    expect(config).toMatchObject({
      site: 'from-flag',
      stopTimeoutMs: 4_000,
      logLevel: 'debug',
      store: { kind: 'memory' },
    });
  });

  test.each([
    [['--lisen', '127.0.0.1:1'], /lisen.*--listen/],
    [['--listen', 'nowhere'], /"nowhere"/],
    [['--listen', '127.0.0.1:70000'], /70000/],
    [['--listen', '0.0.0.0:1'], /password/],
    [['--store', 'file:'], /file:DIR/],
    [['--store', 'file:/x?fsync=often'], /fsync=often; allowed are always, everysec, no/],
    [['--store', 'file:/x?sync=no'], /sync.*did you mean "fsync"/],
    [['--queue', 'kafka://h:1?sasl=plain'], /sasl without USER/],
    [['--queue', 'nsk://h:1'], /nsk/],
    [['--queue', 'nsq://h:1?lokupd=http://x:1'], /lookupd/],
    [['--site', 'a b'], /"a b"/],
    [['--max-value', '12parsecs'], /12parsecs/],
    [['--max-value', '1gb'], /512mb/],
    [['--cache', '64mb'], /needs a Redis as --store/],
    [['--config', '/no/such/file.toml'], /no\/such\/file/],
    [['--tls-cert', '/x'], /tls/],
    [['extra'], /extra/],
  ])('refuses %j in one line', async (args, reason) => {
    const message = await refusal(args);
    expect(message).toMatch(reason);
    expect(message).not.toContain('\n');
  });

  test('refuses unknown keys of the file with a suggestion, warns of unknown variables', async () => {
    expect(await refusal(['--config', file('b.toml', 'sit = "x"\n')])).toMatch(/sit.*site/);
    expect(await refusal(['--config', file('c.toml', 'site = \n')])).toMatch(/c\.toml/);
    const { unknownVariables } = await loadConfig([], { MQKV_SITTE: 'x', PATH: '/' });
    expect(JSON.stringify(unknownVariables)).toContain('MQKV_SITTE');
  });
});

test('docs/flags.md is what `npm run docs` writes', () => {
  expect(readFileSync(new URL('../../docs/flags.md', import.meta.url), 'utf8')).toBe(flagsPage());
});

describe('the program', () => {
  const run = (
    ...args: string[]
  ): { readonly status: number | null; readonly stdout: string; readonly stderr: string } =>
    spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8', timeout: 20_000 });

  test('version, help, unknown command, bad flag', () => {
    expect(run('version').stdout).toMatch(/\d+\.\d+\.\d+/);
    expect(run('help', 'serve').stdout).toContain('--stop-timeout');
    expect(run('serv')).toMatchObject({ status: 2, stdout: '' });
    expect(run('serv').stderr).toMatch(/serve/);
    const bad = run('serve', '--listn', 'x');
    expect(bad.status).toBe(2);
    expect(bad.stderr.trim().split('\n')).toHaveLength(1);
    expect(run('doctor')).toMatchObject({ status: 2 });
  });

  test('a Redis that cannot be reached: exit code 1, and the last line says why', () => {
    const { status, stderr } = run(
      'serve',
      '--listen',
      '127.0.0.1:0',
      '--admin',
      'off',
      '--store',
      'redis://127.0.0.1:1',
    );
    expect(status).toBe(1);
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(
      /^mqkv: no Redis master after \d+ ms: .*127\.0\.0\.1:1/,
    );
  });

  test('a port in use: exit code 1 and one line', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const { status, stderr } = run('serve', '--listen', `127.0.0.1:${port}`, '--admin', 'off');
    taken.close();
    expect(status).toBe(1);
    expect(stderr).toContain(`127.0.0.1:${port}`);
    expect(stderr).not.toContain('    at ');
  });
});
