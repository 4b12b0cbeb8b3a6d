// All sites lose their memory at once: what the queue still keeps comes back, deletions and counters included.
import { afterEach, describe, expect, it } from 'vitest';
import {
  type Broker,
  eventually,
  freePorts,
  requireBroker,
  startNats,
  startRedis,
} from '../brokers/index.ts';
import { type MqkvProcess, startMqkv } from './mqkv.ts';
import { clientOf, untilEqual } from './workload.ts';

const { skip } = requireBroker('nats-server', 'redis-server');
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const QUEUES: readonly (readonly [string, () => Promise<Broker>])[] = [
  ['nats', () => startNats()],
  ['redis-streams', () => startRedis(['--appendonly', 'yes'])],
];

describe.skipIf(skip)('all sites killed at once', () => {
  it.each(QUEUES)('have their data back from %s', { timeout: 120_000 }, async (scheme, startBroker) => {
    const broker = await startBroker();
    closers.push(() => broker.stop());
    const ports = await freePorts(3);
    const sites: MqkvProcess[] = [];
    closers.push(() => Promise.all(sites.map((site) => site.stop())));
    const start = async (at: number): Promise<void> => {
      const flags = ['--site', `site${at}`, '--queue', `${scheme}://127.0.0.1:${broker.port}`];
      sites[at] = await startMqkv(flags, process.execPath, ports[at]);
    };
    await Promise.all([start(0), start(1)]);
    const large = Buffer.alloc(3_000_000, 'fragments ');
    const write = async (at: number): Promise<void> => {
      const client = clientOf(ports[at] ?? 0);
      for (let i = 0; i < 200; i++) await client.set(`${at}:${i}`, `value ${i}`);
      for (let i = 0; i < 100; i++) await client.del(`${at}:${i}`);
      for (let i = 0; i < 50; i++) await client.incr('counter');
      await client.set(`${at}:large`, large);
      await client.set(`${at}:short`, 'x', 'PX', 500);
      client.disconnect();
    };
    await Promise.all([write(0), write(1)]);
    await untilEqual(ports.slice(0, 2), 30_000);
    await Promise.all(sites.map((site) => site.kill()));

    await Promise.all([start(0), start(1)]);
    await eventually('the copy of the one that read it', async () => {
      const client = clientOf(ports[1] ?? 0);
      const count = await client.dbsize().finally(() => client.disconnect());
      return count === 203;
    });
    await start(2);
    await untilEqual(ports, 30_000);
    for (const port of ports) {
      const client = clientOf(port);
      expect(await client.get('counter')).toBe('100');
      expect(await client.get('1:199')).toBe('value 199');
      expect(await client.exists('0:0', '1:99', '0:short')).toBe(0);
      expect((await client.getBuffer('0:large'))?.equals(large)).toBe(true);
      client.disconnect();
    }
    const recalled = sites.filter((site) => site.log().includes('read what the queue kept'));
    expect(recalled.length).toBe(1);
  });

  it('is what one that was alone has, too', async () => {
    const broker = await startNats();
    closers.push(() => broker.stop());
    const flags = ['--site', 'alone', '--queue', `nats://127.0.0.1:${broker.port}`];
    const first = await startMqkv(flags);
    const writer = clientOf(first.port);
    await writer.set('key', 'value');
    await writer.call('MQKV.ACK', 'queue');
    await writer.set('other', 'value');
    writer.disconnect();
    await first.kill();
    const second = await startMqkv(flags);
    closers.push(() => second.stop());
    const reader = clientOf(second.port);
    await eventually('what the queue kept', async () => (await reader.mget('key', 'other')).every(Boolean));
    reader.disconnect();
  });
});
