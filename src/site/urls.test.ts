// URLs of stores and queues: what they say, and one line for each thing wrong with one.
import { describe, expect, it } from 'vitest';
import { MqkvError } from '../base/index.ts';
import { parseQueueUrl, parseStoreUrl, parseSubscribeUrl } from './urls.ts';

describe('parseQueueUrl', () => {
  it('reads every part of nsq://', () => {
    const url = 'nsq://a:1,[::1]:2,c?lookupd=http://l:3,[fe80::1]:4,m&topic=other.topic-1&http=a:5,[::1]:6';
    expect(parseQueueUrl(url)).toEqual({
      kind: 'nsq',
      nsqd: [
        { host: 'a', port: 1 },
        { host: '::1', port: 2 },
        { host: 'c', port: 4150 },
      ],
      lookupd: [
        { host: 'l', port: 3 },
        { host: 'fe80::1', port: 4 },
        { host: 'm', port: 4161 },
      ],
      topic: 'other.topic-1',
      http: [
        { host: 'a', port: 5 },
        { host: '::1', port: 6 },
      ],
      tls: undefined,
      authSecret: undefined,
      compression: undefined,
    });
  });

  it('has defaults', () => {
    const nsqd = [{ host: '10.0.0.1', port: 4150 }];
    const expected = { kind: 'nsq', nsqd, lookupd: [], topic: 'mqkv_topic', http: [] };
    expect(parseQueueUrl('nsq://10.0.0.1')).toMatchObject(expected);
    expect(parseQueueUrl('nsq://10.0.0.1/')).toMatchObject(expected);
  });

  it('reads peers://', () => {
    const peers = [
      { host: 'a', port: 1 },
      { host: '::1', port: 2 },
    ];
    expect(parseQueueUrl('peers://a:1,[::1]:2')).toEqual({ kind: 'peers', peers, tls: undefined });
  });

  it('reads secrets, compression and TLS of nsq://', () => {
    const url = 'nsq://s%40@a?compression=deflate&tls=yes&tls_ca=/ca&tls_cert=/c&tls_key=/k&tls_verify=no';
    const tls = { caFile: '/ca', certFile: '/c', keyFile: '/k', verify: false };
    expect(parseQueueUrl(url)).toMatchObject({ authSecret: 's@', compression: 'deflate', tls });
    expect(parseQueueUrl('nsq://:s@a?tls=yes')).toMatchObject({ authSecret: 's', tls: { verify: true } });
  });

  it('reads kafka://', () => {
    expect(parseQueueUrl('kafka://u:p%3A@a,b:1?topic=t&sasl=scram-sha-256')).toEqual({
      kind: 'kafka',
      brokers: [
        { host: 'a', port: 9092 },
        { host: 'b', port: 1 },
      ],
      topic: 't',
      tls: undefined,
      user: 'u',
      password: 'p:',
      sasl: 'scram-sha-256',
    });
    expect(parseQueueUrl('kafka://a')).toMatchObject({ topic: 'mqkv', user: undefined, sasl: 'plain' });
  });

  it('reads nats://', () => {
    const given = { user: undefined, password: undefined, token: 't', credsFile: undefined, tls: undefined };
    expect(parseQueueUrl('nats://t@a,b:1?stream=S&replicas=3&max_age=2h')).toEqual({
      kind: 'nats',
      servers: [
        { host: 'a', port: 4222 },
        { host: 'b', port: 1 },
      ],
      stream: 'S',
      replicas: 3,
      maxAgeMs: 7_200_000,
      ...given,
    });
    const defaults = { stream: 'MQKV', replicas: 1, maxAgeMs: 86_400_000, token: undefined };
    expect(parseQueueUrl('nats://u:p@a')).toMatchObject({ ...defaults, user: 'u', password: 'p' });
    expect(parseQueueUrl('nats://a?creds=/c')).toMatchObject({ ...defaults, credsFile: '/c' });
  });

  it('reads redis-streams://', () => {
    const address = { host: 'a', port: 6379 };
    const given = { address, stream: 'x y', maxLength: 5000, user: undefined, password: 'p' };
    expect(parseQueueUrl('redis-streams://:p@a/3?stream=x%20y&maxlen=5000')).toMatchObject({
      ...given,
      db: 3,
    });
    const defaults = { address, stream: 'mqkv', maxLength: 100_000, db: 0, tls: undefined };
    expect(parseQueueUrl('redis-streams://a')).toMatchObject(defaults);
  });

  const bad: readonly (readonly [string, string])[] = [
    ['nat://a:1', 'did you mean "nats:"'],
    ['redis://a:1', 'is no queue; write redis-streams://'],
    ['kafka+ssl://a:1', 'asks for TLS; write kafka://HOST:PORT?tls=yes'],
    ['kafka://a?topic=..', 'the topic ".."'],
    ['kafka://a?sasl=plain', 'sasl without USER'],
    ['kafka://u@a', 'a user without a password'],
    ['kafka://:p@a', 'a password without a user'],
    ['kafka://u:p@a?sasl=gssapi', 'holds sasl="gssapi"; allowed are plain, scram-sha-256'],
    ['nats://a?stream=a.b', 'the stream "a.b"'],
    ['nats://a?replicas=6', 'holds replicas="6"; allowed is a number from 1 to 5'],
    ['nats://a?max_age=1', 'must be a duration'],
    ['nats://t@a?creds=/c', 'one is enough'],
    ['redis-streams://a,b', 'names several servers'],
    ['redis-streams://a/x', 'holds database="x"'],
    ['redis-streams://a/1/2', 'must be redis-streams://'],
    ['redis-streams://a?maxlen=1', 'holds maxlen="1"; allowed is a number from 1000'],
    ['peers://s@a:1', 'peers prove themselves by --secret-file'],
    ['nsq://a?tls_ca=/x', 'gives "tls_ca" without tls=yes'],
    ['nsq://a?tls=yes&tls_cert=/x', 'tls_cert and tls_key together'],
    ['nsq://a?compression=lz4', 'holds compression="lz4"; allowed are deflate, snappy'],
    ['nsq://a?topic=%', 'holds a "%"'],
    ['nqs://a:1', 'did you mean "nsq:"'],
    ['nsqs://a:1', 'asks for TLS; write nsq://HOST:PORT?tls=yes'],
    ['nsq+tls://a:1', 'asks for TLS; write nsq://HOST:PORT?tls=yes'],
    ['nsq://', 'must be nsq://HOST:PORT'],
    ['nsq://?topic=x', 'must be nsq://HOST:PORT'],
    ['nsq://u:s@a:1', 'nsqd has only a secret'],
    ['nsq://a:0', 'holds "a:0" where HOST'],
    ['nsq://a:65536', 'holds "a:65536" where HOST'],
    ['nsq://a:x', 'holds "a:x" where HOST'],
    ['nsq://a:', 'holds "a:" where HOST'],
    ['nsq://a:1,', 'holds "" where HOST'],
    ['nsq://::1:4150', 'holds "::1:4150" where HOST'],
    ['nsq://a:1,a:1', 'holds "a:1" twice'],
    ['nsq://a b', 'holds "a b" where HOST'],
    ['nsq://a/path', 'must be nsq://HOST:PORT'],
    ['nsq://a?topik=x', 'did you mean "topic"'],
    ['nsq://a?topic=x&topic=y', 'the topic "x,y"'],
    ['nsq://a?topic=', 'must give the parameter "topic" a value'],
    ['nsq://a?topic=a%20b', 'the topic "a b"'],
    ['nsq://a?lookupd=https://l:1', 'only http:// is available'],
    ['nsq://a?lookupd=http://l:1/nodes', 'holds "l:1/nodes" where HOST'],
    ['nsq://a?lookupd=l:99999', 'holds "l:99999" where HOST'],
    ['nsq://a?http=b:1,c:2', 'holds 2 http addresses for 1 nsqd'],
    ['nsq://a?tls=true', 'holds tls="true"; allowed are yes, no'],
    ['nsq://a?tls_v1=yes', 'unknown parameter "tls_v1"'],
    ['nsq://a?snappy', 'unknown parameter "snappy"'],
    ['peers://a', 'must be HOST:PORT'],
    ['peers://a:1?x=1', 'unknown parameter "x"; allowed are tls'],
  ];
  it.each(bad)('refuses %s', (url, problem) => {
    const { message } = failureOf(() => parseQueueUrl(url));
    expect(message).toContain(problem);
    expect(message).not.toContain('\n');
  });

  it('knows what cannot be consumed only, and stores', () => {
    expect(failureOf(() => parseSubscribeUrl('peers://a:1')).message).toContain('cannot be consumed only');
    expect(parseStoreUrl('memory:')).toEqual({ kind: 'memory' });
    expect(failureOf(() => parseStoreUrl('memory:x')).message).toContain('nothing after the colon');
    expect(parseStoreUrl('file:/x')).toEqual({ kind: 'file', path: '/x', fsync: 'everysec' });
    expect(parseStoreUrl('file:///x/y?fsync=no')).toEqual({ kind: 'file', path: '/x/y', fsync: 'no' });
    expect(parseStoreUrl('file:data?fsync=always')).toEqual({ kind: 'file', path: 'data', fsync: 'always' });
    for (const text of ['file:', 'file://host/x', 'file:?fsync=no'])
      expect(failureOf(() => parseStoreUrl(text)).message).toContain('must be file:DIR');
    expect(failureOf(() => parseStoreUrl('file:/x?fsync=maybe')).message).toContain('always, everysec, no');
    expect(failureOf(() => parseStoreUrl('file:/x?fsync')).message).toContain('a value');
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
