// Three sites change from NSQ to NATS while they are written to: no write is lost, and nobody stops but who is restarted.
import { afterEach, describe, expect, it } from 'vitest';
import { freePorts, requireBroker, startNats, startNsqd } from '../brokers/index.ts';
import { type MqkvProcess, startMqkv } from './mqkv.ts';
import { clientOf, untilEqual } from './workload.ts';

const { skip } = requireBroker('nsqd', 'nats-server');
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

describe.skipIf(skip)('changing the queue', () => {
  it('loses no write', { timeout: 120_000 }, async () => {
    const [nsqd, nats] = [await startNsqd(), await startNats()];
    closers.push(
      () => nsqd.stop(),
      () => nats.stop(),
    );
    const old = ['--queue', `nsq://127.0.0.1:${nsqd.port}?http=127.0.0.1:${nsqd.httpPort}`];
    const next = ['--queue', `nats://127.0.0.1:${nats.port}`];
    const ports = await freePorts(3);
    const sites: MqkvProcess[] = [];
    const start = async (at: number, queues: readonly string[]): Promise<void> => {
      sites[at] = await startMqkv(['--site', `site${at}`, ...queues], process.execPath, ports[at]);
    };
    closers.push(() => Promise.all(sites.map((site) => site.stop())));
    for (const at of ports.keys()) await start(at, old);
    const written = new Set<string>();
    let stopped = false;
    const write = async (at: number): Promise<void> => {
      const client = clientOf(ports[at] ?? 0, { retryStrategy: () => 50 });
      for (let serial = 0; !stopped; serial++) {
        const key = `${at}:${serial}`;
        // A site that restarts refuses connections for a moment: only what was acknowledged counts.
        if ((await client.set(key, key).catch(() => undefined)) === 'OK') written.add(key);
        else await new Promise((resolve) => setTimeout(resolve, 20));
      }
      client.disconnect();
    };
    const writing = Promise.all([...ports.keys()].map(write));
    for (const queues of [[...old, ...next], next]) {
      for (const at of ports.keys()) {
        await sites[at]?.stop();
        await start(at, queues);
      }
    }
    await nsqd.stop();
    const before = written.size;
    while (written.size < before + 500) await new Promise((resolve) => setTimeout(resolve, 20));
    stopped = true;
    await writing;
    await untilEqual(ports, 60_000);
    const reader = clientOf(ports[0] ?? 0);
    const keys = [...written];
    for (let from = 0; from < keys.length; from += 500) {
      const part = keys.slice(from, from + 500);
      expect(await reader.exists(...part)).toBe(part.length);
    }
    reader.disconnect();
  });
});
