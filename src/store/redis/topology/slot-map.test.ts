// Answers of clusters of several kinds: announced, unannounced, by host name, IPv6.
import { describe, expect, it } from 'vitest';
import type { Reply } from '../../../resp/index.ts';
import { parseClusterNodes, parseClusterSlots } from './slot-map.ts';

const bulk = (text: string): Reply => ({ kind: 'bulk', bytes: Buffer.from(text, 'latin1') });
const int = (value: number): Reply => ({ kind: 'integer', value });
const list = (...items: Reply[]): Reply => ({ kind: 'array', items });
const asked = { host: 'asked', port: 1 };

describe('CLUSTER SLOTS', () => {
  it('joins the ranges of one master and keeps its replicas', () => {
    const a = list(bulk('10.0.0.1'), int(7000), bulk('a'));
    const b = list(bulk('10.0.0.2'), int(7001), bulk('b'));
    const reply = list(list(int(0), int(5), a, b), list(int(9), int(9), a, b), list(int(6), int(8), b));
    expect(parseClusterSlots(reply, asked)).toEqual([
      {
        master: { host: '10.0.0.1', port: 7000, id: 'a' },
        replicas: [{ host: '10.0.0.2', port: 7001, id: 'b' }],
        ranges: [
          [0, 5],
          [9, 9],
        ],
      },
      { master: { host: '10.0.0.2', port: 7001, id: 'b' }, replicas: [], ranges: [[6, 8]] },
    ]);
  });

  it.each([
    ['an unknown endpoint', list({ kind: 'null' }, int(1), bulk('a')), 'asked'],
    ['a node that does not know its address', list(bulk(''), int(1), bulk('a'), list()), 'asked'],
    [
      'a preferred host name that is not set',
      list(bulk('?'), int(1), bulk('a'), list(bulk('ip'), bulk('10.0.0.1'))),
      '10.0.0.1',
    ],
    ['a host name', list(bulk('redis-1'), int(1), bulk('a'), list(bulk('ip'), bulk('10.0.0.1'))), 'redis-1'],
    [
      'RESP3 metadata',
      list(bulk('?'), int(1), bulk('a'), { kind: 'map', entries: [[bulk('ip'), bulk('::1')]] }),
      '::1',
    ],
  ])('%s', (_, node, host) => {
    expect(parseClusterSlots(list(list(int(0), int(1), node)), asked)?.[0].master.host).toBe(host);
  });

  it('is not an error', () => {
    expect(parseClusterSlots({ kind: 'error', text: 'ERR no cluster' }, asked)).toBeUndefined();
  });
});

describe('CLUSTER NODES', () => {
  it('names every node by all its addresses', () => {
    const text = [
      'aa 127.0.0.1:30004@31004,hostname4 slave bb 0 1426238317239 4 connected',
      'bb ::1:30001@31001,,tls-port=0,shard-id=cc myself,master - 0 0 1 connected 0-5460 7 [93-<-aa] [94->-aa]',
      'cc :30002@31002 master,fail? - 0 0 1 connected',
      '',
    ].join('\n');
    expect(parseClusterNodes(text)).toEqual([
      {
        id: 'aa',
        port: 30004,
        hosts: ['127.0.0.1', 'hostname4'],
        flags: ['slave'],
        ranges: [],
        migrating: [],
      },
      {
        id: 'bb',
        port: 30001,
        hosts: ['::1'],
        flags: ['myself', 'master'],
        ranges: [
          [0, 5460],
          [7, 7],
        ],
        migrating: [{ slot: 94, to: 'aa' }],
      },
      { id: 'cc', port: 30002, hosts: [], flags: ['master', 'fail?'], ranges: [], migrating: [] },
    ]);
  });
});
