// Several queues as one: a message is accepted when one of them has it.
import { describe, expect, it } from 'vitest';
import { MqkvError, silentLogger } from '../base/index.ts';
import type { Queue, QueueMessage } from './queue.ts';
import { severalQueues } from './several.ts';

interface FakeQueue extends Queue {
  readonly published: string[];
  readonly handlers: ((message: QueueMessage) => void)[];
  fails: boolean;
  closed: number;
}

function fakeQueue(name: string, maxMessageBytes: number, durableAck = true): FakeQueue {
  const row = { address: name, connections: 1, received: 2, finished: 1, requeued: 0, inFlight: 1, depth: 3 };
  return {
    name,
    capabilities: { ordered: true, replayable: false, durableAck, maxMessageBytes },
    published: [],
    handlers: [],
    fails: false,
    closed: 0,
    async publish(body) {
      if (this.fails) throw new MqkvError('QUEUE_UNREACHABLE', `${name} is away`);
      this.published.push(Buffer.from(body).toString());
    },
    async subscribe(handler) {
      this.handlers.push(handler);
    },
    async stats() {
      return { topic: name, channel: 'a', ...row, brokers: [row] };
    },
    brokers: () => [{ address: name, connected: true, subscribed: true }],
    async close() {
      this.closed++;
    },
    async [Symbol.asyncDispose]() {},
  };
}

describe('severalQueues', () => {
  it('leaves one as it is, and refuses none', () => {
    const one = fakeQueue('one', 10);
    expect(severalQueues([one], silentLogger)).toBe(one);
    expect(() => severalQueues([], silentLogger)).toThrow('at least one queue');
  });

  it('publishes to each; one that has it is enough, none is a failure', async () => {
    const [one, two] = [fakeQueue('one', 10), fakeQueue('two', 20)];
    const both = severalQueues([one, two], silentLogger);
    await both.publish(Buffer.from('x'));
    one.fails = true;
    await both.publish(Buffer.from('y'));
    two.fails = true;
    await expect(both.publish(Buffer.from('z'))).rejects.toMatchObject({
      code: 'QUEUE_UNREACHABLE',
      message: 'one is away',
    });
    expect([one.published, two.published]).toEqual([['x'], ['x', 'y']]);
  });

  it('promises what all do, consumes all, and adds their numbers up', async () => {
    const [one, two] = [fakeQueue('one', 10), fakeQueue('two', 20, false)];
    const both = severalQueues([one, two], silentLogger);
    expect(both.name).toBe('one+two');
    expect(both.capabilities).toEqual({
      ordered: false,
      replayable: false,
      durableAck: false,
      maxMessageBytes: 10,
    });
    await both.subscribe(() => {}, { maxInFlight: 1 });
    expect([one.handlers.length, two.handlers.length]).toEqual([1, 1]);
    expect(await both.stats()).toMatchObject({
      topic: 'one+two',
      channel: 'a',
      received: 4,
      depth: 6,
      connections: 2,
    });
    expect(both.brokers().map(({ address }) => address)).toEqual(['one', 'two']);
    await both.close();
    expect([one.closed, two.closed]).toEqual([1, 1]);
  });
});
