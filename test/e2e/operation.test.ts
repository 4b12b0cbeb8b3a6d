// Whole processes over a real nsqd: what an operator meets.
import { afterEach, describe, expect, test } from 'vitest';
import { eventually, type NsqdBroker, requireBroker, startNsqd } from '../brokers/index.ts';
import { type MqkvProcess, startMqkv } from './mqkv.ts';
import { clientOf } from './workload.ts';

const { skip } = requireBroker('nsqd');
const closers: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function nsqd(): Promise<NsqdBroker> {
  const broker = await startNsqd();
  closers.push(() => broker.stop());
  return broker;
}

async function site(name: string, broker: NsqdBroker): Promise<MqkvProcess> {
  const process = await startMqkv([
    '--site',
    name,
    '--queue',
    `nsq://127.0.0.1:${broker.port}?http=127.0.0.1:${broker.httpPort}`,
    '--serve-while-loading',
  ]);
  closers.push(() => process.stop());
  return process;
}

async function client(of: MqkvProcess): Promise<ReturnType<typeof clientOf>> {
  const one = clientOf(of.port);
  await one.connect();
  closers.push(() => one.disconnect());
  return one;
}

async function json(url: string): Promise<Record<string, unknown>> {
  return (await (await fetch(url)).json()) as Record<string, unknown>;
}

async function subscribed(of: MqkvProcess): Promise<void> {
  await eventually(`${of.admin} is ready`, async () => (await fetch(`${of.admin}/readyz`)).status === 200);
}

describe.skipIf(skip)('sites over one nsqd', () => {
  test('values beyond a message, binary keys, PUBLISH and deletes travel', async () => {
    const broker = await nsqd();
    const [a, b] = [await site('a', broker), await site('b', broker)];
    await Promise.all([subscribed(a), subscribed(b)]);
    const [ca, cb] = [await client(a), await client(b)];
    const large = Buffer.alloc(3_000_000, 'x\0\r\n\xff');
    const key = Buffer.from([0, 255, 13, 10, 128]);
    await ca.set(key, large);
    await eventually('the large value', async () => (await cb.getBuffer(key))?.equals(large));
    const subscriber = await client(b);
    const heard: string[] = [];
    await subscriber.subscribe('news');
    subscriber.on('message', (channel, message) => heard.push(`${channel} ${message}`));
    await ca.publish('news', 'hello');
    await eventually('the message', () => heard.includes('news hello'));
    await ca.del(key);
    await eventually('the delete', async () => (await cb.exists(key)) === 0);
  });

  test('an undecodable message is counted and blocks nothing', async () => {
    const broker = await nsqd();
    const [a, b] = [await site('a', broker), await site('b', broker)];
    await Promise.all([subscribed(a), subscribed(b)]);
    for (const body of ['rubbish', '', 'MQKV', 'MQKV\u0001'.padEnd(99, 'x')].filter((text) => text !== '')) {
      await fetch(`http://127.0.0.1:${broker.httpPort}/pub?topic=mqkv_topic`, { method: 'POST', body });
    }
    const [ca, cb] = [await client(a), await client(b)];
    await ca.set('k', 'v');
    await eventually('the write behind the rubbish', async () => (await cb.get('k')) === 'v');
    await eventually('the counter', async () =>
      /mqkv_quarantined_total(\{[^}]*\})? [1-9]/.test(await (await fetch(`${b.admin}/metrics`)).text()),
    );
  });

  test('a broker that is away at start and later: writes go on and arrive on its return (G1)', async () => {
    const broker = await nsqd();
    // A channel gets what is published once it exists: let both sites make theirs.
    for (const name of ['a', 'b']) {
      const early = await site(name, broker);
      await subscribed(early);
      await early.stop();
    }
    await broker.kill();
    const [a, b] = [await site('a', broker), await site('b', broker)];
    const [ca, cb] = [await client(a), await client(b)];
    for (let i = 0; i < 500; i++) await ca.incr('n');
    expect((await fetch(`${a.admin}/healthz`)).status).toBe(200);
    await broker.restart();
    await Promise.all([subscribed(a), subscribed(b)]);
    await eventually('what was written before', async () => (await cb.get('n')) === '500', 60_000);
    await broker.kill();
    for (let i = 0; i < 500; i++) await ca.incr('n');
    expect(await ca.get('n')).toBe('1000');
    await broker.restart();
    await eventually('what was written meanwhile', async () => (await cb.get('n')) === '1000', 60_000);
  }, 150_000);

  test('SIGTERM while the queue is down: what is pending goes out if it comes back within --stop-timeout', async () => {
    const broker = await nsqd();
    const [a, b] = [await site('a', broker), await site('b', broker)];
    await Promise.all([subscribed(a), subscribed(b)]);
    await broker.kill();
    const [ca, cb] = [await client(a), await client(b)];
    await ca.set('k', 'v');
    const stopped = a.stop();
    await eventually('the stop', () => a.log().includes('"stopping"'));
    await broker.restart();
    expect(await stopped).toBe(0);
    expect(a.log()).not.toContain('stopped with writes that no queue has accepted');
    await eventually('what was pending', async () => (await cb.get('k')) === 'v', 60_000);
  }, 150_000);

  test('SIGTERM while the queue stays down: ends in order after --stop-timeout', async () => {
    const url = 'nsq://127.0.0.1:1';
    const one = await startMqkv([
      '--site',
      'alone',
      '--queue',
      url,
      '--stop-timeout',
      '1s',
      '--serve-while-loading',
    ]);
    closers.push(() => one.kill());
    const c = await client(one);
    await c.set('k', 'v');
    expect(await one.stop()).toBe(0);
    expect(one.log()).toContain('stopped with writes that no queue has accepted');
  });

  test('consumer_stats shows what nsqd counts', async () => {
    const broker = await nsqd();
    const [a, b] = [await site('a', broker), await site('b', broker)];
    await Promise.all([subscribed(a), subscribed(b)]);
    const ca = await client(a);
    for (let i = 0; i < 200; i++) await ca.set(`k${i}`, 'v');
    const nsqdChannel = async (): Promise<Record<string, number>> => {
      const stats = await json(
        `http://127.0.0.1:${broker.httpPort}/stats?format=json&topic=mqkv_topic&channel=b`,
      );
      const topics = stats.topics as {
        channels: { clients: { message_count: number; finish_count: number }[]; depth: number }[];
      }[];
      const channel = topics[0]?.channels[0];
      const sum = (of: 'message_count' | 'finish_count'): number =>
        (channel?.clients ?? []).reduce((total, one) => total + one[of], 0);
      return { received: sum('message_count'), finished: sum('finish_count'), depth: channel?.depth ?? -1 };
    };
    await eventually('equal numbers', async () => {
      const before = await nsqdChannel();
      const ours = await json(`${b.admin}/api/v1/consumer_stats`);
      const after = await nsqdChannel();
      const isQuiet = before.received === after.received && (before.received ?? 0) > 0;
      return (
        isQuiet &&
        ours.received === after.received &&
        ours.finished === after.finished &&
        ours.depth === after.depth
      );
    });
    const ours = await json(`${b.admin}/api/v1/consumer_stats`);
    expect(ours).toMatchObject({ topic: 'mqkv_topic', channel: 'b', connections: 1, requeued: 0 });
    expect(Object.keys(ours)).toEqual(expect.arrayContaining(['inFlight', 'lagMs', 'nsqd']));
  });

  test('a second site under one name: the later one refuses, stays up, and recovers', async () => {
    const broker = await nsqd();
    const first = await site('twin', broker);
    await subscribed(first);
    const second = await site('twin', broker);
    const [c1, c2] = [await client(first), await client(second)];
    await eventually(
      'DUPSITE',
      () =>
        c2.set('k', 'v').then(
          () => false,
          (error: Error) => error.message.startsWith('DUPSITE'),
        ),
      40_000,
    );
    expect((await fetch(`${second.admin}/readyz`)).status).toBe(503);
    expect(await c2.ping()).toBe('PONG');
    expect(await c1.set('k', 'v')).toBe('OK');
    expect(await first.stop()).toBe(0);
    await eventually(
      'recovery',
      () =>
        c2.set('k', 'v').then(
          () => true,
          () => false,
        ),
      40_000,
    );
  }, 120_000);
});
