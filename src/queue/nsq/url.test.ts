// nsq:// URLs: what they say, and one line for each thing wrong with one.
import { describe, expect, it } from 'vitest';
import { MqkvError } from '../../base/index.ts';
import { parseNsqUrl } from './url.ts';

describe('parseNsqUrl', () => {
  it('reads every part', () => {
    const url = 'nsq://a:1,[::1]:2,c?lookupd=http://l:3,[fe80::1]:4,m&topic=other.topic-1&http=a:5,[::1]:6';
    expect(parseNsqUrl(url)).toEqual({
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
    const expected = { nsqd: [{ host: '10.0.0.1', port: 4150 }], lookupd: [], topic: 'mqkv_topic', http: [] };
    expect(parseNsqUrl('nsq://10.0.0.1')).toEqual(expected);
    expect(parseNsqUrl('nsq://10.0.0.1/')).toEqual(expected);
  });

  const bad: [string, string][] = [
    ['nats://a:1', 'must begin with nsq://'],
    ['nsqs://a:1', 'TLS to nsqd is not supported yet'],
    ['nsq://', 'names no host'],
    ['nsq://?topic=x', 'names no host'],
    ['nsq://secret@a:1', 'AUTH'],
    ['nsq://a:0', 'port "0" is not within 1 to 65535'],
    ['nsq://a:65536', 'port "65536" is not within 1 to 65535'],
    ['nsq://a:x', 'port "x" is not within 1 to 65535'],
    ['nsq://a:', 'port "" is not within 1 to 65535'],
    ['nsq://a:1,', '"" is no HOST:PORT'],
    ['nsq://::1:4150', '"::1:4150" is no HOST:PORT (IPv6 as [::1]:4150)'],
    ['nsq://a:1,a:1', '"a:1" is given twice'],
    ['nsq://a b', '"a b" is no HOST:PORT'],
    ['nsq://a/path', '"a/path" is no HOST:PORT'],
    ['nsq://a?topik=x', 'unknown parameter "topik"; allowed: lookupd, topic, http'],
    ['nsq://a?topic=x&topic=y', 'parameter "topic" is given twice'],
    ['nsq://a?topic=', 'parameter "topic" is empty'],
    ['nsq://a?topic=a%20b', 'topic "a b" must be 1 to 64 of'],
    ['nsq://a?topic=%zz', '"%zz" has a bad % escape'],
    ['nsq://a?lookupd=https://l:1', 'TLS ("https://l:1") is not supported yet'],
    ['nsq://a?lookupd=http://l:1/nodes', '"http://l:1/nodes" must be http://HOST:PORT without a path'],
    ['nsq://a?lookupd=l:99999', 'port "99999" is not within 1 to 65535'],
    ['nsq://a?http=b:1,c:2', 'http names 2 addresses for 1 nsqd'],
    ['nsq://a?tls=true', 'TLS ("tls=true") is not supported yet'],
    ['nsq://a?auth_secret=s', 'AUTH ("auth_secret=s") is not supported yet'],
    ['nsq://a?deflate=6', 'compression ("deflate=6") is not supported yet'],
    ['nsq://a?snappy', 'compression ("snappy") is not supported yet'],
  ];
  it.each(bad)('refuses %s', (url, problem) => {
    let error: unknown;
    try {
      parseNsqUrl(url);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(MqkvError);
    expect(error).toMatchObject({ code: 'BAD_URL' });
    const { message } = error as MqkvError;
    expect(message).toContain(`queue URL "${url}": `);
    expect(message).toContain(problem);
    expect(message).not.toContain('\n');
  });
});
