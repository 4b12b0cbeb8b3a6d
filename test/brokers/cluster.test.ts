// The cluster that the other tests stand on: it starts, reshards with its keys, and survives a master's death.
import { describe, expect, it } from 'vitest';
import { eventually, requireBroker, startRedisCluster } from './index.ts';

const { skip } = requireBroker('redis-server');

describe.skipIf(skip)('a test cluster', () => {
  it('moves slots with their keys, and a replica takes over a killed master', async () => {
    await using cluster = await startRedisCluster({ masters: 3, replicas: 1 });
    const slot = 3300; // of the key `b`
    const from = await cluster.masterOf(slot);
    await from.control.call('SET', 'b', '1');
    const to = cluster.nodes[from === cluster.nodes[1] ? 2 : 1];
    await cluster.moveSlots(from, to, [slot, slot + 1]);
    expect(await to.control.call('GET', 'b')).toBe('1');
    expect((await cluster.masterOf(slot)).port).toBe(to.port);
    await expect(from.control.call('GET', 'b')).rejects.toThrow(`MOVED ${slot} 127.0.0.1:${to.port}`);
    await cluster.kill(from);
    const heir = await eventually('a replica was promoted', async () => {
      const node = await cluster.masterOf(0).catch(() => undefined);
      return node?.port === from.port ? undefined : node;
    });
    await cluster.ok();
    expect(await heir.control.call('SET', 'c', '1').catch((error: Error) => error.message)).toMatch(
      /OK|MOVED/,
    );
  });
});
