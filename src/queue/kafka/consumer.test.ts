// What a real cluster cannot be made to do at will: places of a partition that hold no message.
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { type Clock, seededRandom, silentLogger, type Timer } from '../../base/index.ts';
import type { QueueMessage } from '../queue.ts';
import { Consumer } from './consumer.ts';
import type { Driver } from './driver.ts';
import type { Settings } from './settings.ts';

/** Every wait is over as soon as nothing else happens. */
function hastyClock(): Clock {
  const after = (_ms: number, task: () => void): Timer => {
    const timer = setTimeout(task, 20);
    return { cancel: () => clearTimeout(timer) };
  };
  return { now: () => 0, after, every: () => ({ cancel: () => {} }) };
}

/** A cluster with one partition: ten places, of which only the first two hold messages. */
function opened(isAnswering: (asked: number) => boolean) {
  let asked = 0;
  const clock = hastyClock();
  const stream = new Readable({ objectMode: true, read: () => {} });
  for (const offset of [0n, 1n]) stream.push({ partition: 0, offset, value: Buffer.from(`${offset}`) });
  class Member {
    on(): void {}
    listOffsets({ timestamp }: { readonly timestamp?: bigint }): Promise<Map<string, bigint[]>> {
      if (!isAnswering(++asked)) return new Promise(() => {});
      return Promise.resolve(new Map([['topic', [timestamp === undefined ? 10n : 0n]]]));
    }
    consume(): Promise<Readable> {
      return Promise.resolve(stream);
    }
    close(): Promise<void> {
      return Promise.resolve();
    }
  }
  const driver = { Consumer: Member, MessagesStreamModes: { MANUAL: 'manual' } } as unknown as Driver;
  const settings = {
    driver,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    channel: 'site',
    tls: undefined,
    url: { topic: 'topic', brokers: [] },
  } as unknown as Settings;
  const handed: string[] = [];
  const handler = (message: QueueMessage): void => {
    handed.push(message.body.toString());
    message.ack();
  };
  const consumer = new Consumer({ settings, topic: () => Promise.resolve(), handler, maxInFlight: 8 });
  return { consumer, handed, stream };
}

test('reading kept messages again ends where the last places hold none', async () => {
  const { consumer, handed, stream } = opened(() => true);
  await consumer.replay(0);
  expect([handed, stream.destroyed]).toEqual([['0', '1'], true]);
});

test('reading kept messages again fails where the cluster has fallen silent', async () => {
  const { consumer, handed } = opened((asked) => asked <= 2);
  await expect(consumer.replay(0)).rejects.toThrow('no answer from the cluster');
  expect(handed).toEqual(['0', '1']);
});
