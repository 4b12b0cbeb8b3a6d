// From arguments, environment and file to a Config: precedence, every refusal, warnings.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeConfig, type Config } from '../site/index.ts';
import { loadConfig } from './load.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mqkv-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function load(args: readonly string[], env: Record<string, string> = {}): Promise<Config> {
  return (await loadConfig(args, env)).config;
}

/** The one line that the user sees. */
async function refusal(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const outcome = await loadConfig(args, env).catch((error: unknown) => error);
  expect(outcome).toMatchObject({ code: 'USAGE' });
  const { message } = outcome as Error;
  expect(message).not.toMatch(/[\r\n]/);
  return message;
}

describe('defaults and precedence', () => {
  it('takes the defaults of the table', async () => {
    const defaults = makeConfig({ site: hostname() });
    const config = await load([]);
    const addresses = {
      listen: [{ kind: 'tcp', host: '127.0.0.1', port: 6389 }],
      admin: { host: '127.0.0.1', port: 6390 },
    };
    expect(config).toEqual({ ...defaults, ...addresses });
  });

  it('lets flags win over the environment, the environment over the file, each whole list', async () => {
    const path = file(
      'a.toml',
      'site = "of-file"\nlog-level = "error"\nlisten = ["127.0.0.1:1", "127.0.0.1:2"]\nmax-value = 2048\n',
    );
    const env = {
      MQKV_CONFIG: path,
      MQKV_SITE: 'of-env',
      MQKV_LOG_LEVEL: 'warn',
      MQKV_LISTEN: '127.0.0.1:3 unix:/tmp/s',
    };
    const config = await load(['--site', 'of-flag', '--admin=off'], env);
    expect(config).toMatchObject({
      site: 'of-flag',
      logLevel: 'warn',
      valueBytesMax: 2048,
      admin: undefined,
    });
    expect(config.listen).toEqual([
      { kind: 'tcp', host: '127.0.0.1', port: 3 },
      { kind: 'unix', path: '/tmp/s' },
    ]);
    expect((await load(['--config', path])).listen).toHaveLength(2);
    expect((await load(['--config', path], { MQKV_LOG_LEVEL: '' })).logLevel).toBe('error');
  });

  it('takes the last of a flag given twice, and all of a repeatable one', async () => {
    const config = await load(['--site', 'a', '--site=b', '--listen', '[::1]:0', '--listen', 'localhost:7']);
    expect(config.site).toBe('b');
    expect(config.listen).toEqual([
      { kind: 'tcp', host: '::1', port: 0 },
      { kind: 'tcp', host: 'localhost', port: 7 },
    ]);
  });

  it('reads queues, sizes and durations', async () => {
    const queue = 'nsq://10.0.0.1:4150,b?lookupd=http://10.0.0.9:4161,[::1]&topic=t.1&http=10.0.0.1:4151';
    const rest = ['--subscribe', 'nsq://c', '--subscribe=nsq://d:1', '--stop-timeout', '500ms'];
    const config = await load(['--queue', queue, '--max-value', '512MIB', '--advertise', 'h:1', ...rest]);
    expect(config).toMatchObject({ stopTimeoutMs: 500, valueBytesMax: 2 ** 29 });
    expect(config.queues).toEqual([
      {
        kind: 'nsq',
        nsqd: [
          { host: '10.0.0.1', port: 4150 },
          { host: 'b', port: 4150 },
        ],
        lookupd: [
          { host: '10.0.0.9', port: 4161 },
          { host: '::1', port: 4161 },
        ],
        http: [{ host: '10.0.0.1', port: 4151 }],
        topic: 't.1',
        tls: undefined,
        authSecret: undefined,
        compression: undefined,
      },
    ]);
    expect(config.subscribe.map((url) => url.kind === 'nsq' && url.nsqd[0])).toEqual([
      { host: 'c', port: 4150 },
      { host: 'd', port: 1 },
    ]);
    const both = await load(['--queue', 'peers://a:1,[::1]:2', '--queue', 'kafka://h']);
    expect(both.queues).toMatchObject([
      {
        kind: 'peers',
        peers: [
          { host: 'a', port: 1 },
          { host: '::1', port: 2 },
        ],
      },
      { kind: 'kafka' },
    ]);
  });
});

describe('a Redis as the store', () => {
  it('takes its options, and has their defaults', async () => {
    expect(await load(['--store', 'redis://h'])).toMatchObject({
      store: { kind: 'redis', mode: 'standalone', addresses: [{ host: 'h', port: 6379 }] },
      cacheBytesMax: undefined,
      foreignWrites: 'report',
      horizonMs: 86_400_000,
    });
    const flags = ['--cache=64mb', '--foreign-writes=adopt', '--horizon=15m'];
    expect(await load(['--store', 'unix:/run/redis.sock', ...flags])).toMatchObject({
      store: { kind: 'redis', addresses: [{ path: '/run/redis.sock' }] },
      cacheBytesMax: 64 * 2 ** 20,
      foreignWrites: 'adopt',
      horizonMs: 900_000,
    });
  });
});

describe('refusals of flags', () => {
  const rows: readonly (readonly [args: string[], message: string])[] = [
    [['--lisen', 'x'], 'unknown flag "--lisen"; did you mean "--listen"?'],
    [['--max_value', '1mb'], 'unknown flag "--max_value"; did you mean "--max-value"?'],
    [['--xyzzy'], 'unknown flag "--xyzzy"; "mqkv help serve" lists all'],
    [['-x'], 'unknown flag "-x"; "mqkv help serve" lists all'],
    [['--__proto__=1'], 'unknown flag "--__proto__"; "mqkv help serve" lists all'],
    [['--site'], '"--site" needs a value: --site NAME'],
    [['--site', '--admin', 'off'], '"--site" needs a value: --site NAME'],
    [['extra'], 'unexpected argument "extra"; flags begin with --'],
    [['--', 'x'], 'unexpected argument "--"'],
    [
      ['--cache', '64mb'],
      '--cache needs a Redis as --store: the embedded store already answers from this process',
    ],
    [
      ['--store', 'redis://h', '--outbox-max', '1mb'],
      '--outbox-max is for the embedded store: of a Redis each mark is a flag of its key',
    ],
    [
      ['--max-memory', '1gb'],
      '"--max-memory" is not available yet: this version has not got the memory limit',
    ],
    [['--max-memory=1gb'], '"--max-memory" is not available yet: this version has not got the memory limit'],
    [
      ['--foreign-writes', 'adopt'],
      '--foreign-writes needs a Redis as --store: nobody else writes to the embedded store',
    ],
    [
      ['--local-channels', 'a*'],
      '"--local-channels" is not available yet: this version has not got local channels',
    ],
  ];
  it.each(rows)('%j', async (args, message) => {
    expect(await refusal(args)).toBe(message);
  });
});

describe('refusals of values', () => {
  const LISTEN = 'must be HOST:PORT, [IPV6]:PORT or unix:PATH, PORT from 0 (any free) to 65535';
  const SIZE = 'must be a size such as 64mb, 512MiB or 1gb, from 1kb to 512mb';
  const DURATION = 'must be a duration such as 500ms, 10s or 24h, from 0s to 1h';
  const NOW = 'this version has nsq:, kafka:, nats:, redis-streams: and peers:';
  const STORES =
    'this version has memory:, file:, redis:, rediss:, unix:, redis+sentinel: and redis+cluster:';
  const rows: readonly (readonly [flag: string, value: string, message: string])[] = [
    ['listen', '6389', `${LISTEN}; did you mean "127.0.0.1:6389"?`],
    ['listen', ':6389', `${LISTEN}; did you mean "127.0.0.1:6389"?`],
    ['listen', '::1:6389', `${LISTEN}; did you mean "[::1]:6389"?`],
    ['listen', '127.0.0.1:65536', LISTEN],
    ['listen', '127.0.0:1', LISTEN],
    ['listen', '[127.0.0.1]:1', LISTEN],
    ['listen', '', LISTEN],
    ['listen', 'unix:', 'must be unix:PATH with a path of 1 to 103 bytes'],
    ['listen', `unix:/${'x'.repeat(103)}`, 'must be unix:PATH with a path of 1 to 103 bytes'],
    ['site', 'a b', 'must be 1 to 64 of A-Z a-z 0-9 . _ -'],
    ['site', 'x'.repeat(65), 'must be 1 to 64 of A-Z a-z 0-9 . _ -'],
    ['store', 'memory:x', 'must be "memory:" with nothing after the colon'],
    ['store', 'memry:', `has no known scheme; ${STORES}; did you mean "memory:"?`],
    ['store', 'file:', 'must be file:DIR[?fsync=always|everysec|no]'],
    ['store', 'redis://h:1/x', 'holds the database "x"; allowed is a number from 0 to 65535'],
    ['cache', '1kb', 'must be a size such as 64mb, 512MiB or 1gb, from 1mb to 1gb'],
    ['foreign-writes', 'adpot', 'must be one of report, adopt; did you mean "adopt"?'],
    ['outbox-max', '1kb', 'must be a size such as 64mb, 512MiB or 1gb, from 1mb to 16gb'],
    ['horizon', '10s', 'must be a duration such as 500ms, 10s or 24h, from 1m to 365d'],
    ['queue', 'nsk://h', `has no known scheme; ${NOW}; did you mean "nsq:"?`],
    ['queue', 'nsq:h', 'must be nsq://HOST:PORT[,HOST:PORT…] and nothing but ?NAME=VALUE after it'],
    ['queue', 'nsq://', 'must be nsq://HOST:PORT[,HOST:PORT…] and nothing but ?NAME=VALUE after it'],
    ['queue', 'nsq://h/x', 'must be nsq://HOST:PORT[,HOST:PORT…] and nothing but ?NAME=VALUE after it'],
    ['queue', 'nsq://h,', 'holds "" where HOST, HOST:PORT or [IPV6]:PORT must stand'],
    ['queue', 'nsq://h:0', 'holds "h:0" where HOST, HOST:PORT or [IPV6]:PORT must stand'],
    [
      'queue',
      'nsq://h?lookup=x',
      'holds the unknown parameter "lookup"; allowed are lookupd, topic, http, compression, tls, tls_ca, tls_cert, tls_key, tls_verify; did you mean "lookupd"?',
    ],
    ['queue', 'nsq://h?topic=', 'must give the parameter "topic" a value'],
    ['queue', 'nsq://h?topic=a/b', 'holds the topic "a/b"; NSQ allows 1 to 64 of A-Z a-z 0-9 . _ -'],
    ['queue', 'nsq://h?http=a,b', 'holds 2 http addresses for 1 nsqd'],
    ['queue', 'nsq://h?lookupd=https://l', 'holds "https://l"; only http:// is available'],
    ['queue', `nsq://${'h,'.repeat(64)}h`, 'holds more than 64 addresses'],
    ['queue', 'peers://a', 'must be HOST:PORT or [IPV6]:PORT, PORT from 1 to 65535'],
    [
      'queue',
      'peers://a:1?x=1',
      'holds the unknown parameter "x"; allowed are tls, tls_ca, tls_cert, tls_key, tls_verify',
    ],
    ['subscribe', 'peers://a:1', 'cannot be consumed only: peer links carry both ways and stand in --queue'],
    ['advertise', 'h:0', 'must be HOST:PORT or [IPV6]:PORT, PORT from 1 to 65535'],
    ['admin', 'on', 'must be HOST:PORT or [IPV6]:PORT, PORT from 0 to 65535'],
    ['max-value', '12', SIZE],
    ['max-value', '513mb', SIZE],
    ['max-value', '1.5mb', SIZE],
    ['max-value', '64m', SIZE],
    ['max-value', '1023b', SIZE],
    ['stop-timeout', '10', `${DURATION}; did you mean "10s"?`],
    ['stop-timeout', '2h', DURATION],
    ['log-level', 'wran', 'must be one of debug, info, warn, error; did you mean "warn"?'],
    ['tls-cert', '', 'must be the path of a file'],
  ];
  it.each(rows)('--%s %s', async (flag, value, message) => {
    const shown = value.length > 200 ? `${value.slice(0, 200)}…` : value;
    expect(await refusal([`--${flag}=${value}`])).toBe(`--${flag} ${JSON.stringify(shown)} ${message}`);
  });

  it('hides a password in a URL, and says where a value stands', async () => {
    const message = await refusal([], { MQKV_STORE: 'redis://user:h/u:s@h@h:1/x/y?password=hush' });
    expect(message).toContain('MQKV_STORE "redis://user:***@h:1/x/y?password=***" must be redis://');
  });
});

describe('refusals of the whole', () => {
  it('is protected: beyond loopback only with a password', async () => {
    for (const address of ['0.0.0.0:1', '[::]:1', '10.0.0.1:1', 'kv.example:1', '[fe80::1]:1']) {
      expect(await refusal(['--listen', '127.0.0.1:0', '--listen', address])).toMatch(
        /^--listen ".*" can be reached from other machines and there is no password \(protected mode\); give --password-file/,
      );
    }
    for (const address of ['127.3.2.1:1', '[::1]:1', 'localhost:1', 'unix:/tmp/x']) {
      expect((await load(['--listen', address])).listen).toHaveLength(1);
    }
    const password = file('password', 'hush\n');
    const config = await load(['--listen', '0.0.0.0:1', '--password-file', password]);
    expect(config.password?.toString()).toBe('hush');
  });

  it('wants --queue with --subscribe', async () => {
    expect(await refusal(['--subscribe', 'nsq://h'])).toMatch(/^--subscribe needs --queue/);
  });

  it('takes several queues, but no double', async () => {
    const queues = (...urls: string[]): string[] => urls.flatMap((url) => ['--queue', url]);
    expect(
      (await load(queues('nsq://a', 'nats://a', 'redis-streams://a', 'peers://a:1'))).queues,
    ).toHaveLength(4);
    expect(await refusal(queues('nsq://a', 'nsq://b', 'nsq://c', 'nsq://d', 'nsq://e'))).toBe(
      '--queue is given 5 times, at most 4',
    );
    expect(await refusal(queues('peers://a:1', 'peers://b:1'))).toContain('names peers:// twice');
    expect(await refusal([...queues('nsq://a'), '--subscribe', 'nsq://a:4150'])).toContain(
      'the same queue twice',
    );
  });

  it('checks the files that flags name', async () => {
    const short = file('short', 'x'.repeat(15));
    expect(await refusal(['--secret-file', short])).toBe(
      `--secret-file "${short}" must hold 16 to 1024 bytes`,
    );
    const large = file('large', Buffer.alloc(1024 * 1024 + 1));
    expect(await refusal(['--password-file', large])).toContain('must not be larger than 1048576 bytes');
    expect(await refusal(['--password-file', file('none', '\n')])).toContain('must hold 1 to 1024 bytes');
    expect(await refusal(['--password-file', '/nowhere/x'])).toContain('"/nowhere/x" cannot be read: ENOENT');
    const secret = await load([
      '--secret-file',
      file('secret', Buffer.from('é'.repeat(16) + '\r\n', 'latin1')),
    ]);
    expect(secret.secret).toEqual(Buffer.alloc(16, 0xe9));
  });

  it('wants certificate and key together, and that they are one', async () => {
    expect(await refusal(['--tls-cert', 'x'])).toBe('--tls-cert "x" needs --tls-key FILE');
    expect(await refusal(['--tls-key', 'x'])).toBe('--tls-key "x" needs --tls-cert FILE');
    const junk = file('junk.pem', 'junk');
    expect(await refusal(['--tls-cert', junk, '--tls-key', junk])).toContain(
      'must be a PEM certificate and its key',
    );
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const request = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-subj',
      '/CN=mqkv',
    ];
    execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    expect((await load(['--tls-cert', cert, '--tls-key', key])).tls?.cert.toString()).toContain(
      'BEGIN CERTIFICATE',
    );
  });
});

describe('the config file', () => {
  const rows: readonly (readonly [toml: string, message: string | RegExp])[] = [
    ['lisen = "x"', /^unknown key in .*bad\.toml "lisen"; did you mean "listen"\?$/],
    ['max_value = "1mb"', /^unknown key in .*bad\.toml "max_value"; did you mean "max-value"\?$/],
    ['max-memory = "1mb"', '"max-memory" is not available yet: this version has not got the memory limit'],
    ['[site]\nx = 1', /bad\.toml: site must be a string: 1 to 64 of/],
    ['site = ["a"]', /bad\.toml: site must be a string: 1 to 64 of/],
    ['listen = ["127.0.0.1:1", 2]', /bad\.toml: listen must be a string or a list of strings: HOST:PORT/],
    ['listen = []', /bad\.toml: listen must be a string or a list of strings: HOST:PORT/],
    ['max-value = true', /bad\.toml: max-value must be a string: 1kb to 512mb/],
    ['max-value = "1"', /bad\.toml: max-value "1" must be a size such as/],
    ['config = "x"', /^"config" cannot stand in .*bad\.toml/],
    ['site = ', /^--config ".*bad\.toml" line 1: /],
    ['site = "a"\nsite = "b"', /^--config ".*bad\.toml" line 2: /],
  ];
  it.each(rows)('%j', async (toml, message) => {
    expect(await refusal(['--config', file('bad.toml', toml)])).toMatch(message);
  });

  it('must be readable', async () => {
    expect(await refusal(['--config', folder])).toContain('cannot be read: EISDIR');
  });
});

describe('the environment', () => {
  it('reports unknown variables with a hint, and goes on', async () => {
    const env = {
      MQKV_LISEN: 'x',
      MQKV_PORT_6389_TCP: 'y',
      MQKV_MAX_MEMORY: '1mb',
      MQKV_max_value: '1mb',
      OTHER: 'z',
    };
    const { config, unknownVariables } = await loadConfig(['--site', 'a'], env);
    expect(config.site).toBe('a');
    expect(unknownVariables).toEqual([
      { variable: 'MQKV_LISEN', hint: 'did you mean "MQKV_LISTEN"?' },
      { variable: 'MQKV_PORT_6389_TCP', hint: 'no option has this name' },
      { variable: 'MQKV_MAX_MEMORY', hint: 'not available yet' },
      { variable: 'MQKV_max_value', hint: 'did you mean "MQKV_MAX_VALUE"?' },
    ]);
  });
});
