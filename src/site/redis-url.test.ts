// The URLs of a Redis store: every part, and one line for each thing wrong with one.
import { describe, expect, it } from 'vitest';
import { MqkvError } from '../base/index.ts';
import { parseStoreUrl, withoutPassword } from './urls.ts';

describe('parseStoreUrl of a Redis', () => {
  const plain = { kind: 'redis', mode: 'standalone', db: 0, tls: false, readReplica: false };
  const good: readonly (readonly [string, object])[] = [
    ['redis://h', { ...plain, addresses: [{ host: 'h', port: 6379 }] }],
    ['redis://h/', { ...plain, addresses: [{ host: 'h', port: 6379 }] }],
    ['redis://[::1]:7/3', { ...plain, addresses: [{ host: '::1', port: 7 }], db: 3 }],
    ['redis://:p%40%3A%2F%C3%A9@h', { ...plain, user: undefined, password: 'p@:/é' }],
    ['redis://u%20x:p:q@h?read=replica', { ...plain, user: 'u x', password: 'p:q', readReplica: true }],
    ['rediss://h', { ...plain, tls: true, tlsOptions: undefined }],
    [
      'rediss://h?tls_ca=/a%20b.pem&tls_cert=c&tls_key=k&tls_verify=no',
      { tls: true, tlsOptions: { caFile: '/a b.pem', certFile: 'c', keyFile: 'k', verify: false } },
    ],
    ['unix:/run/r.sock', { ...plain, addresses: [{ path: '/run/r.sock' }] }],
    [
      'unix:/a%3Fb?db=2&user=u&password=p%26',
      { ...plain, addresses: [{ path: '/a?b' }], db: 2, user: 'u', password: 'p&' },
    ],
    [
      'redis+sentinel://u:p@a,b:1/my%2Fmaster/4?sentinel_user=x&sentinel_password=y&tls=yes&tls_ca=f',
      {
        mode: 'sentinel',
        addresses: [
          { host: 'a', port: 26379 },
          { host: 'b', port: 1 },
        ],
        masterName: 'my/master',
        db: 4,
        user: 'u',
        password: 'p',
        sentinelUser: 'x',
        sentinelPassword: 'y',
        tls: true,
        tlsOptions: { caFile: 'f', verify: true },
      },
    ],
    [
      'redis+cluster://a:1,[::1]:2?read=replica',
      {
        mode: 'cluster',
        addresses: [
          { host: 'a', port: 1 },
          { host: '::1', port: 2 },
        ],
        db: 0,
        readReplica: true,
        tls: false,
      },
    ],
    ['redis+cluster://a/0', { mode: 'cluster', addresses: [{ host: 'a', port: 6379 }] }],
  ];
  it.each(good)('reads %s', (url, expected) => {
    expect(parseStoreUrl(url)).toMatchObject(expected);
  });

  const bad: readonly (readonly [string, string])[] = [
    ['redis:', 'must be redis://[[USER]:PASSWORD@]HOST[:PORT][/DB], with @ : / ? # %'],
    ['redis://', 'must be redis://'],
    ['redis:h', 'must be redis://'],
    ['redis://h#x', 'must be redis://'],
    ['redis://u:p@', 'must be redis://'],
    ['redis://u:p/q@h', 'must be redis://'],
    ['redis://h/1/2', 'must be redis://'],
    ['redis://h/one', 'the database "one"; allowed is a number from 0 to 65535'],
    ['redis://h/65536', 'the database "65536"'],
    ['redis://h:0', 'holds "h:0" where HOST'],
    ['redis://h:x', 'holds "h:x" where HOST'],
    ['redis://a,b', 'names several servers; redis:// takes one'],
    ['redis://u@h', 'gives a user without a password'],
    ['redis://u:@h', 'gives an empty password'],
    ['redis://:%4@h', 'holds a "%" that no two hexadecimal digits follow'],
    ['redis://h?raed=replica', 'holds the unknown parameter "raed"; allowed are read; did you mean "read"?'],
    ['redis://h?read=slave', 'holds read="slave"; allowed are master, replica'],
    ['redis://h?tls_ca=f', 'holds the unknown parameter "tls_ca"'],
    ['rediss://h?tls_cert=f', 'must give tls_cert and tls_key together'],
    ['rediss://h?tls_verify=maybe', 'holds tls_verify="maybe"; allowed are yes, no'],
    ['unix:', 'must be unix:PATH with a path of 1 to 103 bytes'],
    [
      'unix:/x?bd=1',
      'holds the unknown parameter "bd"; allowed are db, user, password, read; did you mean "db"?',
    ],
    ['unix:/x?user=u', 'gives a user without a password'],
    ['redis+sentinel://a', 'must say under which NAME the sentinels know the master: redis+sentinel://'],
    ['redis+sentinel://a/m/1/2', 'must be redis+sentinel://'],
    ['redis+sentinel://a/m?sentinel_user=x', 'gives a sentinel_user without a sentinel_password'],
    ['redis+sentinel://a/m?tls_ca=f', 'gives "tls_ca" without tls=yes'],
    ['redis+sentinel://a,a/m', 'holds "a:26379" twice'],
    ['redis+cluster://a/1', 'names a database; a cluster has only database 0'],
    ['redis+cluster://a?tls=on', 'holds tls="on"; allowed are yes, no'],
    ['rediss+cluster://a', 'asks for TLS; write redis+cluster://HOST:PORT?tls=yes'],
    ['rediss+sentinel://a/m', 'asks for TLS; write redis+sentinel://HOST:PORT/NAME?tls=yes'],
    ['redis+clusster://a', 'has no known scheme; this version has memory:'],
    ['redsi://a', 'did you mean "redis:"?'],
  ];
  it.each(bad)('refuses %s', (url, problem) => {
    const { message } = failureOf(() => parseStoreUrl(url));
    expect(message).toContain(problem);
    expect(message).not.toContain('\n');
    expect(message).not.toContain('p/q');
  });

  it('hides passwords in messages', () => {
    expect(withoutPassword('redis://u:p@ss/x@h:1/2')).toBe('redis://u:***@h:1/2');
    expect(withoutPassword('redis://:p@h')).toBe('redis://:***@h');
    expect(withoutPassword('nats://token@h')).toBe('nats://***@h');
    expect(withoutPassword('unix:/x?password=p&db=1')).toBe('unix:/x?password=***&db=1');
    expect(withoutPassword('redis+sentinel://h/m?sentinel_password=p')).toBe(
      'redis+sentinel://h/m?sentinel_password=***',
    );
    expect(withoutPassword('nsq://h:1,i:2?topic=t')).toBe('nsq://h:1,i:2?topic=t');
  });
});

function failureOf(run: () => unknown): MqkvError {
  try {
    run();
  } catch (error) {
    if (error instanceof MqkvError && error.code === 'BAD_VALUE') return error;
    throw error;
  }
  throw new Error('nothing was refused');
}
