// Discovery: real nsqlookupd, nsqd whose broadcast address nobody can resolve, one nsqd under several names.
import { describe, expect, it } from 'vitest';
import type { Queue } from '../src/queue/index.ts';
import {
  eventually,
  type NsqdBroker,
  requireBroker,
  startNsqd,
  startNsqlookupd,
  startProxy,
} from './brokers/index.ts';
import { openNsq } from './nsq-open.ts';

const { skip } = requireBroker('nsqd', 'nsqlookupd');
const times = { connectTimeoutMs: 1_000, requestTimeoutMs: 1_000, lookupPeriodMs: 300 };

async function collect(queue: Queue): Promise<Set<string>> {
  const seen = new Set<string>();
  await queue.subscribe(
    (message) => {
      seen.add(message.body.toString());
      message.ack();
    },
    { maxInFlight: 16 },
  );
  return seen;
}

const urlOf = (nsqd: NsqdBroker, ...lookupd: NsqdBroker[]): string =>
  `nsq://127.0.0.1:${nsqd.port}?lookupd=${lookupd.map(({ httpPort }) => `http://127.0.0.1:${httpPort}`).join(',')}`;

const registered = (lookupd: NsqdBroker, count: number): Promise<unknown> =>
  eventually(`${count} nsqd at nsqlookupd`, async () => {
    const answer = await fetch(`http://127.0.0.1:${lookupd.httpPort}/nodes`);
    return ((await answer.json()) as { producers: unknown[] }).producers.length === count;
  });

const clients = async (nsqd: NsqdBroker, channel: string): Promise<number> => {
  const query = `format=json&topic=mqkv_topic&channel=${channel}`;
  const answer = await fetch(`http://127.0.0.1:${nsqd.httpPort}/stats?${query}`);
  const { topics } = (await answer.json()) as { topics: { channels: { client_count: number }[] }[] };
  return topics[0]?.channels[0]?.client_count ?? 0;
};

describe.skipIf(skip)('nsqlookupd', () => {
  it('three sites with an nsqd each get everything, with broadcast addresses that resolve nowhere', async () => {
    await using lookupd = await startNsqlookupd();
    const lookupdTcpPorts = [lookupd.port];
    // The second and third claim the same name.
    const nsqds = await Promise.all([
      startNsqd({ lookupdTcpPorts }),
      startNsqd({ lookupdTcpPorts, broadcast: 'no-such-host.invalid' }),
      startNsqd({ lookupdTcpPorts, broadcast: 'no-such-host.invalid' }),
    ]);
    await registered(lookupd, 3);
    const queues = await Promise.all(nsqds.map((nsqd, i) => openNsq(urlOf(nsqd, lookupd), `s${i}`, times)));
    try {
      // Resolved: subscribed at every nsqd that was known, before any topic existed.
      const seen = await Promise.all(queues.map(collect));
      for (const queue of queues) {
        expect(queue.brokers()).toHaveLength(3);
        expect(queue.brokers().every(({ subscribed }) => subscribed)).toBe(true);
      }
      await Promise.all(
        queues.flatMap((queue, i) => [0, 1, 2].map((n) => queue.publish(Buffer.from(`${i} ${n}`)))),
      );
      await eventually('nine messages at each', () => seen.every((set) => set.size === 9));
      const stats = await eventually('statistics of all', async () => {
        const found = await queues[0].stats();
        return found.finished === 9 ? found : undefined;
      });
      expect(stats.brokers.map(({ error }) => error)).toEqual([undefined, undefined, undefined]);
      expect(stats.received).toBe(9);
      await nsqds[2].kill();
      await eventually('the loss', () => queues[0].brokers().some(({ connected }) => !connected));
      const after = await queues[0].stats();
      expect(after.brokers.filter(({ depth }) => depth === null)).toHaveLength(1);
    } finally {
      await Promise.all(queues.map((queue) => queue.close(0)));
      await Promise.all(nsqds.map((nsqd) => nsqd.stop()));
    }
  });

  it('an nsqd under several names is one connection', async () => {
    await using one = await startNsqlookupd();
    await using two = await startNsqlookupd();
    const lookupdTcpPorts = [one.port, two.port];
    // localhost resolves to where the given address leads; the other is known by its place alone.
    await using a = await startNsqd({ lookupdTcpPorts, broadcast: 'localhost' });
    await using b = await startNsqd({ lookupdTcpPorts, broadcast: 'no-such-host.invalid' });
    await Promise.all([registered(one, 2), registered(two, 2)]);
    await using queue = await openNsq(urlOf(a, one, two), 'x', times);
    await collect(queue);
    expect(queue.brokers()).toHaveLength(2);
    expect([await clients(a, 'x'), await clients(b, 'x')]).toEqual([1, 1]);
    expect((await queue.stats()).connections).toBe(2);
  });

  it('a new nsqd creates every channel known before with the topic, and is found; a gone one is forgotten', async () => {
    await using lookupd = await startNsqlookupd();
    const lookupdTcpPorts = [lookupd.port];
    await using first = await startNsqd({ lookupdTcpPorts });
    await registered(lookupd, 1);
    await using reader = await openNsq(urlOf(first, lookupd), 'reader', times);
    const seen = await collect(reader);
    const late = await startNsqd({ lookupdTcpPorts });
    await registered(lookupd, 2);
    await using writer = await openNsq(`nsq://127.0.0.1:${late.port}`, 'writer', times);
    const own = await collect(writer);
    await writer.publish(Buffer.from('early'));
    await eventually('the message at both', () => seen.has('early') && own.has('early'));
    expect(reader.brokers()).toHaveLength(2);
    await late.stop();
    await eventually('the gone nsqd is forgotten', () => reader.brokers().length === 1);
  });

  it('goes on with what it knows while nsqlookupd is away, and finds more when it is back', async () => {
    await using lookupd = await startNsqlookupd();
    const lookupdTcpPorts = [lookupd.port];
    await using given = await startNsqd({ lookupdTcpPorts });
    await using found = await startNsqd({ lookupdTcpPorts, broadcast: 'no-such-host.invalid' });
    await registered(lookupd, 2);
    await using proxy = await startProxy(lookupd.httpPort);
    proxy.cut();
    const url = `nsq://127.0.0.1:${given.port}?lookupd=127.0.0.1:${proxy.port}`;
    await using queue = await openNsq(url, 'x', times);
    const seen = await collect(queue);
    await queue.publish(Buffer.from('without'));
    await eventually('the message', () => seen.has('without'));
    expect(queue.brokers()).toHaveLength(1);
    proxy.mend();
    await eventually(
      'the second nsqd',
      () => queue.brokers().length === 2 && queue.brokers()[1].subscribed,
      30_000,
    );
    proxy.cut();
    await using writer = await openNsq(`nsq://127.0.0.1:${found.port}`, 'y', times);
    await writer.publish(Buffer.from('still'));
    await eventually('the message through the second', () => seen.has('still'));
    expect(queue.brokers()).toHaveLength(2);
  });
});
