// What only NSQ has: several nsqd, fail-over, faulty connections, limits. On real nsqd.
import net from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Queue } from '../src/queue/index.ts';
import { eventually, type NsqdBroker, requireBroker, startNsqd, startProxy } from './brokers/index.ts';
import { openNsq } from './nsq-open.ts';

const { skip } = requireBroker('nsqd');
const times = { connectTimeoutMs: 400, requestTimeoutMs: 800, heartbeatMs: 1_000 };
const list = (ports: readonly number[]): string => ports.map((port) => `127.0.0.1:${port}`).join(',');
const at = (...ports: number[]): string => `nsq://${list(ports)}`;
const withHttp = ({ port, httpPort }: NsqdBroker): string => `${at(port)}?http=${list([httpPort])}`;

/** Consumes and acknowledges everything. */
async function collect(queue: Queue, maxInFlight = 16): Promise<Set<string>> {
  const seen = new Set<string>();
  await queue.subscribe(
    (message) => {
      seen.add(message.body.toString());
      message.ack();
    },
    { maxInFlight },
  );
  return seen;
}

/** Messages that nsqd has taken into the topic, from its own statistics. */
async function taken(nsqd: NsqdBroker): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${nsqd.httpPort}/stats?format=json&topic=mqkv_topic`);
  const { topics } = (await answer.json()) as { topics: { message_count: number }[] };
  return topics[0]?.message_count ?? 0;
}

async function clientsOf(nsqd: NsqdBroker): Promise<{ ready_count: number }[]> {
  const answer = await fetch(
    `http://127.0.0.1:${nsqd.httpPort}/stats?format=json&topic=mqkv_topic&channel=b`,
  );
  const { topics } = (await answer.json()) as {
    topics: { channels: { clients: { ready_count: number }[] }[] }[];
  };
  return topics[0]?.channels[0]?.clients ?? [];
}

describe.skipIf(skip)('publishing to several nsqd', () => {
  it('prefers the first, fails over when it dies, and returns to it', async () => {
    await using one = await startNsqd();
    await using two = await startNsqd();
    await using b = await openNsq(at(one.port, two.port), 'b', times);
    const seen = await collect(b);
    await using a = await openNsq(at(one.port, two.port), 'a', times);
    await a.publish(Buffer.from('first'));
    expect([await taken(one), await taken(two)]).toEqual([1, 0]);
    await one.kill();
    await a.publish(Buffer.from('second'));
    expect(await taken(two)).toBe(1);
    await one.restart();
    let n = 0;
    await eventually('a return to the first', async () => {
      await a.publish(Buffer.from(`more ${n++}`));
      return (await taken(one)) > 0;
    });
    await eventually('all', () => seen.size === n + 2);
  });

  it('what was in flight when a connection hung goes to the next nsqd', async () => {
    await using one = await startNsqd();
    await using two = await startNsqd();
    await using proxy = await startProxy(one.port);
    await using a = await openNsq(at(proxy.port, two.port), 'a', times);
    await a.publish(Buffer.from('x'));
    proxy.freeze();
    const start = Date.now();
    await Promise.all(Array.from({ length: 100 }, (_, i) => a.publish(Buffer.from(`m${i}`))));
    expect(Date.now() - start).toBeLessThan(5_000);
    expect(await taken(two)).toBe(100);
    expect(a.brokers()[0].error).toContain('no answer in time');
  });

  it('goes on while every subscription fails, and consuming goes on while publishing fails', async () => {
    await using one = await startNsqd({ flags: ['-max-channel-consumers=1'] });
    await using first = await openNsq(at(one.port), 'b', times);
    const seen = await collect(first);
    // The second consumer of the channel is refused by this nsqd; its publishing must not notice.
    await using second = await openNsq(at(one.port), 'b', times);
    const none = await collect(second);
    expect(second.brokers()[0].subscribed).toBe(false);
    await second.publish(Buffer.from('works'));
    await eventually('the message', () => seen.has('works'));
    expect(none.size).toBe(0);

    // Now the other way round: a queue whose first nsqd is away for good consumes from the second.
    await using proxy = await startProxy(one.port);
    await using c = await openNsq(at(proxy.port), 'c', times);
    const other = await collect(c);
    proxy.cut();
    await expect(c.publish(Buffer.from('no'))).rejects.toMatchObject({ code: 'QUEUE_UNREACHABLE' });
    proxy.mend();
    await first.publish(Buffer.from('again'));
    await eventually('the message after the cut', () => other.has('again'));
  });

  it('learns a smaller message limit from a refusal and loses nothing around it', async () => {
    await using nsqd = await startNsqd({ flags: ['-max-msg-size=1000', '-max-body-size=5000'] });
    await using b = await openNsq(at(nsqd.port), 'b', times);
    const seen = await collect(b);
    await using a = await openNsq(at(nsqd.port), 'a', times);
    const small = Array.from({ length: 300 }, (_, i) => a.publish(Buffer.from(`${i}`.padEnd(100))));
    await Promise.all(small);
    const results = await Promise.allSettled([
      a.publish(Buffer.from('before')),
      a.publish(Buffer.alloc(1001)),
      a.publish(Buffer.from('after')),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: { code: 'MESSAGE_TOO_LARGE' } });
    expect(a.capabilities.maxMessageBytes).toBe(1000);
    await a.publish(Buffer.alloc(1000));
    await eventually('all', () => seen.size === 303);
  });

  it('says what nsqd refuses', async () => {
    await using nsqd = await startNsqd();
    await using a = await openNsq(at(nsqd.port), 'a', times);
    await expect(a.publish(Buffer.alloc(0))).rejects.toMatchObject({ code: 'QUEUE_REFUSED' });
    await using locked = await startNsqd({ flags: ['-auth-http-address=127.0.0.1:1'] });
    await using c = await openNsq(at(locked.port), 'a', times);
    await expect(c.publish(Buffer.from('x'))).rejects.toThrow(/AUTH required; give its secret/);
    await expect(openNsq(at(nsqd.port), 'no spaces')).rejects.toMatchObject({ code: 'BAD_CHANNEL' });
  });

  it('refuses beyond the bytes that may wait, and takes more once they have gone', async () => {
    await using nsqd = await startNsqd();
    await using a = await openNsq(at(nsqd.port), 'a');
    const big = Buffer.alloc(1024 * 1024, 1);
    const sent = Array.from({ length: 64 }, () => a.publish(big));
    await expect(a.publish(Buffer.alloc(1))).rejects.toMatchObject({ code: 'QUEUE_REFUSED' });
    await Promise.all(sent);
    await a.publish(Buffer.alloc(1));
  });
});

describe.skipIf(skip)('consuming from several nsqd', () => {
  it('shares the messages in flight, and serves every nsqd even with one', async () => {
    const nsqds = await Promise.all([startNsqd(), startNsqd(), startNsqd()]);
    try {
      await using b = await openNsq(at(...nsqds.map(({ port }) => port)), 'b', times);
      const seen = await collect(b, 10);
      const ready = async (): Promise<number[]> =>
        (await Promise.all(nsqds.map(clientsOf))).map((clients) => clients[0]?.ready_count ?? -1);
      await eventually('10 shared', async () => (await ready()).toSorted().join() === '3,3,4');
      for (const [i, { port }] of nsqds.entries()) {
        await using a = await openNsq(at(port), 'a', times);
        await a.publish(Buffer.from(`from ${i}`));
      }
      await eventually('one from each', () => seen.size === 3);
      await nsqds[2].kill();
      await eventually('10 shared over two', async () => {
        const [x, y] = await Promise.all(nsqds.slice(0, 2).map(clientsOf));
        return (x[0]?.ready_count ?? 0) + (y[0]?.ready_count ?? 0) === 10;
      });
      await b.close();

      await nsqds[2].restart();
      await using narrow = await openNsq(at(...nsqds.map(({ port }) => port)), 'b', times);
      const all = await collect(narrow, 1);
      for (const [i, { port }] of nsqds.entries()) {
        await using a = await openNsq(at(port), 'a', times);
        await Promise.all([0, 1, 2].map((n) => a.publish(Buffer.from(`${i} ${n}`))));
      }
      const sent = [0, 1, 2].flatMap((i) => [0, 1, 2].map((n) => `${i} ${n}`));
      await eventually('all of each', () => sent.every((text) => all.has(text)));
    } finally {
      await Promise.all(nsqds.map((nsqd) => nsqd.stop()));
    }
  });

  it('respects max_rdy_count', async () => {
    await using nsqd = await startNsqd({ flags: ['-max-rdy-count=5'] });
    await using b = await openNsq(at(nsqd.port), 'b', times);
    await collect(b, 100);
    await eventually('RDY 5', async () => (await clientsOf(nsqd))[0]?.ready_count === 5);
    expect(b.brokers()[0].subscribed).toBe(true);
  });

  it('notices a connection that hangs and one that is cut, and connects again', async () => {
    await using nsqd = await startNsqd();
    await using proxy = await startProxy(nsqd.port);
    await using a = await openNsq(at(nsqd.port), 'a', times);
    await using b = await openNsq(at(proxy.port), 'b', { ...times, messageTimeoutMs: 1_000 });
    const seen = await collect(b);
    await a.publish(Buffer.from('one'));
    await eventually('one', () => seen.has('one'));
    proxy.freeze();
    await a.publish(Buffer.from('two'));
    await eventually('the hanging connection is given up', () => !b.brokers()[0].connected);
    proxy.mend();
    await eventually('two', () => seen.has('two'));
    proxy.cut();
    await eventually('the cut is noticed', () => !b.brokers()[0].connected);
    proxy.mend();
    await a.publish(Buffer.from('three'));
    await eventually('three', () => seen.has('three'));
  });

  it('keeps a slow message by touching it, and gets it again when it does not', async () => {
    await using nsqd = await startNsqd();
    await using a = await openNsq(at(nsqd.port), 'a', times);
    await using b = await openNsq(withHttp(nsqd), 'b', { ...times, messageTimeoutMs: 1_000 });
    const deliveries = new Map<string, number>();
    await b.subscribe(
      (message) => {
        const text = message.body.toString();
        deliveries.set(text, message.attempts);
        if (text === 'forgotten') return message.attempts > 1 ? message.ack() : undefined;
        const touching = setInterval(() => message.touch(), 300);
        void eventually('the other came again', () => deliveries.get('forgotten') === 2).then(() => {
          clearInterval(touching);
          message.ack();
        });
        return undefined;
      },
      { maxInFlight: 4 },
    );
    await Promise.all(['touched', 'forgotten'].map((text) => a.publish(Buffer.from(text))));
    await eventually('both are finished', async () => (await b.stats()).finished === 2);
    expect(deliveries).toEqual(
      new Map([
        ['touched', 1],
        ['forgotten', 2],
      ]),
    );
  });

  it('gives up a connection with malformed frames and goes on trying', async () => {
    let connections = 0;
    const server = net.createServer((socket) => {
      connections += 1;
      socket.on('error', () => {});
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    await using b = await openNsq(at(port), 'b', times);
    await collect(b);
    await eventually('more tries', () => connections > 3);
    expect(b.brokers()[0].error).toContain('malformed data');
    await expect(b.publish(Buffer.from('x'))).rejects.toMatchObject({ code: 'QUEUE_UNREACHABLE' });
    server.close();
  });
});
