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
    });
  });

  it('has defaults', () => {
    const nsqd = [{ host: '10.0.0.1', port: 4150 }];
    const expected = { kind: 'nsq', nsqd, lookupd: [], topic: 'mqkv_topic', http: [] };
    expect(parseQueueUrl('nsq://10.0.0.1')).toEqual(expected);
    expect(parseQueueUrl('nsq://10.0.0.1/')).toEqual(expected);
  });

  it('reads peers://', () => {
    const peers = [
      { host: 'a', port: 1 },
      { host: '::1', port: 2 },
    ];
    expect(parseQueueUrl('peers://a:1,[::1]:2')).toEqual({ kind: 'peers', peers });
  });

  const bad: readonly (readonly [string, string])[] = [
    ['nats://a:1', 'is not available yet; this version has nsq: and peers:'],
    ['nqs://a:1', 'did you mean "nsq:"'],
    ['nsqs://a:1', 'asks for TLS to nsqd, which is not available yet'],
    ['nsq+tls://a:1', 'asks for TLS to nsqd, which is not available yet'],
    ['nsq://', 'must be nsq://HOST:PORT'],
    ['nsq://?topic=x', 'must be nsq://HOST:PORT'],
    ['nsq://secret@a:1', 'asks for AUTH, which is not available yet'],
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
    ['nsq://a?topic=a%20b', 'the topic "a%20b"'],
    ['nsq://a?lookupd=https://l:1', 'only http:// is available'],
    ['nsq://a?lookupd=http://l:1/nodes', 'holds "l:1/nodes" where HOST'],
    ['nsq://a?lookupd=l:99999', 'holds "l:99999" where HOST'],
    ['nsq://a?http=b:1,c:2', 'holds 2 http addresses for 1 nsqd'],
    ['nsq://a?tls=true', 'asks for TLS ("tls"), which is not available yet'],
    ['nsq://a?auth_secret=s', 'asks for AUTH ("auth_secret")'],
    ['nsq://a?deflate=6', 'asks for compression ("deflate")'],
    ['nsq://a?snappy', 'asks for compression ("snappy")'],
    ['peers://a', 'must be HOST:PORT'],
    ['peers://a:1?x=1', 'unknown parameter "x"; none is allowed here'],
  ];
  it.each(bad)('refuses %s', (url, problem) => {
    const { message } = failureOf(() => parseQueueUrl(url));
    expect(message).toContain(problem);
    expect(message).not.toContain('\n');
  });

  it('knows what cannot be consumed only, and stores', () => {
    expect(failureOf(() => parseSubscribeUrl('peers://a:1')).message).toContain('must be an nsq:// URL');
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
