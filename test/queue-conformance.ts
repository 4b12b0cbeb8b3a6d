// What every queue adapter must do, as tests that need no runner: a list of names and functions.
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { latin1Of, MqkvError, silentLogger, systemClock, systemRandom } from '../src/base/index.ts';
import type { BrokerState, Queue, QueueMessage } from '../src/queue/index.ts';
import { openReplication } from '../src/replication/index.ts';
import { type EmbeddedStore, openEmbeddedStore } from '../src/store/embedded/index.ts';
import { eventually } from './brokers/index.ts';
import { startMqkv } from './e2e/mqkv.ts';
import { clientOf } from './e2e/workload.ts';

/** One topic of its own that sites open; a fresh one for each test. */
export interface QueueWorld extends AsyncDisposable {
  /** What `--queue` takes for this world. */
  readonly url: string;
  /** Opens the queue as that site (= channel). The world closes what is left open. */
  open(site: string): Promise<Queue>;
  /** kill -9 of the broker; `restart` brings it back with its data. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Stops the broker for a moment (SIGSTOP), and lets it go on. */
  freeze(): void;
  thaw(): void;
  /** Opens the queue with credentials that are refused. */
  intruder(): Promise<Queue>;
  /** Opens it with credentials that may not make a topic, and with a topic that is not there. */
  guest(): Promise<Queue>;
}

/** What the adapter promises to the suite; tests of what it does not are left out. */
export interface AdapterCapabilities {
  /** There is a broker that can be killed and started again, and keeps what it has accepted. */
  readonly broker: boolean;
  /** What a site has not acknowledged comes to the next process of that site. */
  readonly redelivers: boolean;
  /** Several processes of one site share the messages. */
  readonly shares: boolean;
  /** `attempts` counts deliveries. */
  readonly counts: boolean;
  /** Messages of one publisher arrive in order when nothing fails; the queue must declare the same. */
  readonly ordered: boolean;
  /** What was acknowledged can be read again; the queue must declare the same. */
  readonly replays: boolean;
}

export interface QueueAdapter {
  readonly name: string;
  readonly open: () => Promise<QueueWorld>;
  readonly capabilities: AdapterCapabilities;
  /** Tests that do not apply, each with its reason. Errors: an unknown name throws. */
  readonly skip: readonly { readonly test: string; readonly reason: string }[];
}

/** A test; `skip` is the reason where it does not apply. */
export interface ConformanceTest {
  readonly name: string;
  readonly skip: string | undefined;
  readonly run: () => Promise<void>;
}

interface Case {
  readonly name: string;
  readonly needs?: keyof AdapterCapabilities;
  readonly run: (world: QueueWorld, adapter: QueueAdapter) => Promise<void>;
}

/** All tests for that adapter, those to skip included. */
export function queueConformance(adapter: QueueAdapter): readonly ConformanceTest[] {
  for (const { test } of adapter.skip)
    assert(
      cases.some(({ name }) => name === test),
      `no test "${test}" to skip`,
    );
  return cases.map(({ name, needs, run }) => {
    const reason = adapter.skip.find(({ test }) => test === name)?.reason;
    const lacks =
      needs !== undefined && !adapter.capabilities[needs] ? `no capability "${needs}"` : undefined;
    return {
      name,
      skip: reason ?? lacks,
      run: async () => {
        await using world = await adapter.open();
        await run(world, adapter);
      },
    };
  });
}

/** Consumes and acknowledges everything; answers the texts seen. */
async function collect(queue: Queue, maxInFlight = 64): Promise<Set<string>> {
  const seen = new Set<string>();
  const take = (message: QueueMessage): void => {
    seen.add(message.body.toString('latin1'));
    message.ack();
  };
  await queue.subscribe(take, { maxInFlight });
  return seen;
}

/** The brokers' states once all of them say why they refuse. */
function refusalOf(queue: Queue): Promise<readonly BrokerState[]> {
  return eventually('the refusal', () => {
    const states = queue.brokers();
    return states.every(({ error }) => error !== undefined) ? states : undefined;
  });
}

/** The same with every delivery. Order: as delivered. */
async function collectAll(queue: Queue, maxInFlight: number): Promise<string[]> {
  const got: string[] = [];
  const take = (message: QueueMessage): void => {
    got.push(message.body.toString());
    message.ack();
  };
  await queue.subscribe(take, { maxInFlight });
  return got;
}

const texts = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const publishAll = (queue: Queue, all: readonly string[]): Promise<unknown> =>
  Promise.all(all.map((text) => queue.publish(bytes(text))));
const hasAll = (seen: ReadonlySet<string>, all: readonly string[]): boolean =>
  all.every((text) => seen.has(text));

/** Publishes again until accepted, as the outbox does. */
async function insist(queue: Queue, text: string, rejected: () => void = () => {}): Promise<void> {
  for (;;) {
    try {
      return await queue.publish(bytes(text));
    } catch (error) {
      assert(error instanceof MqkvError && error.code === 'QUEUE_UNREACHABLE', String(error));
      rejected();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const sorted = (list: readonly Buffer[]): string[] => list.map((body) => body.toString('latin1')).toSorted();

const isCode = (code: string) => (error: unknown) => error instanceof MqkvError && error.code === code;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A store that replicates over a queue. */
async function replicated(
  site: string,
  queue: Queue,
): Promise<AsyncDisposable & { readonly store: EmbeddedStore }> {
  const around = { clock: systemClock, random: systemRandom(), logger: silentLogger };
  const store = openEmbeddedStore(around);
  const replication = await openReplication({
    site,
    store,
    queue,
    ...around,
    address: () => '',
    onPublish: () => {},
    serveWhileLoading: true,
  });
  const dispose = async (): Promise<void> => {
    await replication.close(0);
    await store.close();
  };
  return { store, [Symbol.asyncDispose]: dispose };
}

const cases: readonly Case[] = [
  {
    name: 'order and replay are declared as they are',
    run: async (world, { capabilities }) => {
      const { ordered, replayable } = (await world.open('a')).capabilities;
      assert.deepEqual(
        { ordered, replayable },
        { ordered: capabilities.ordered, replayable: capabilities.replays },
      );
    },
  },
  {
    name: 'messages of one publisher arrive in order while nothing fails',
    needs: 'ordered',
    run: async (world) => {
      const [a, b] = [await world.open('a'), await world.open('b')];
      const got = await collectAll(b, 16);
      const all = texts('m', 400);
      const publishing: Promise<void>[] = [];
      for (const text of all) {
        publishing.push(a.publish(bytes(text)));
        if (publishing.length % 8 === 0) await Promise.all(publishing);
      }
      await Promise.all(publishing);
      await eventually('all of them', () => got.length >= all.length);
      assert.deepEqual(got, all);
    },
  },
  {
    name: 'what was acknowledged can be read again, from a time on',
    needs: 'replays',
    run: async (world) => {
      const [a, b] = [await world.open('a'), await world.open('b')];
      const got = await collectAll(b, 4);
      const [old, recent] = [texts('old', 20), texts('new', 50)];
      await publishAll(a, old);
      await eventually('the old ones', () => got.length === old.length);
      await pause(30);
      const since = Date.now();
      await pause(30);
      await publishAll(a, recent);
      await eventually('the new ones', () => got.length === old.length + recent.length);
      got.length = 0;
      assert(b.replay !== undefined);
      await b.replay(since);
      assert.deepEqual(new Set(got), new Set(recent));
      got.length = 0;
      await b.replay(Date.now() + 60_000);
      assert.deepEqual(got, []);
    },
  },
  {
    name: 'a value above the message size passes between two sites in fragments',
    run: async (world) => {
      const queues = [await world.open('a'), await world.open('b')];
      await using a = await replicated('a', queues[0]);
      await using b = await replicated('b', queues[1]);
      const value = Buffer.alloc(3_000_000, 'fragments ');
      a.store.keyspace.overwriteString(latin1Of(bytes('key')), value, 0);
      await eventually('the value', () => {
        const found = b.store.keyspace.getString(latin1Of(bytes('key')));
        return found?.equals(value) === true;
      });
    },
  },
  {
    name: 'a broker that hangs: publish gives up within seconds, and all goes on when it answers again',
    needs: 'broker',
    run: async (world) => {
      const [a, b] = [await world.open('a'), await world.open('b')];
      const seen = await collect(b);
      await a.publish(bytes('before'));
      await eventually('the message before', () => seen.has('before'));
      world.freeze();
      try {
        // The kernel needs a moment to stop all its threads.
        await pause(100);
        await assert.rejects(a.publish(bytes('meanwhile')), isCode('QUEUE_UNREACHABLE'));
      } finally {
        world.thaw();
      }
      await insist(a, 'after');
      await eventually('the message after', () => seen.has('after'));
    },
  },
  {
    name: 'wrong credentials are told, and harm nobody else',
    run: async (world) => {
      const intruder = await world.intruder();
      const seen = await collect(intruder);
      const [state] = await refusalOf(intruder);
      assert(!state.connected && !state.subscribed && state.error !== '');
      const [a, b] = [await world.open('a'), await world.open('b')];
      const got = await collect(b);
      await a.publish(bytes('secret'));
      await eventually('the message', () => got.has('secret'));
      assert.equal(seen.size, 0);
    },
  },
  {
    name: 'a topic that is missing and may not be made is told, and harms nobody else',
    run: async (world) => {
      const guest = await world.guest();
      const seen = await collect(guest);
      const [state] = await refusalOf(guest);
      assert(!state.subscribed && state.error !== '');
      await assert.rejects(guest.publish(bytes('nowhere')), isCode('QUEUE_REFUSED'));
      const [a, b] = [await world.open('a'), await world.open('b')];
      const got = await collect(b);
      await a.publish(bytes('fine'));
      await eventually('the message', () => got.has('fine'));
      assert.equal(seen.size, 0);
    },
  },
  {
    name: 'every message arrives, byte for byte',
    run: async (world) => {
      const [a, b] = [await world.open('a'), await world.open('b')];
      const got: Buffer[] = [];
      const take = (message: QueueMessage): void => {
        got.push(message.body);
        message.ack();
      };
      await b.subscribe(take, { maxInFlight: 8 });
      const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      const sent = [
        Buffer.from([0]),
        all,
        bytes('\r\n'),
        Buffer.alloc(200_000, all),
        ...texts('n', 500).map(bytes),
      ];
      await Promise.all(sent.map((body) => a.publish(body)));
      await eventually('all bodies', () => got.length >= sent.length);
      assert(isDeepStrictEqual(sorted(got), sorted(sent)));
    },
  },
  {
    name: 'a topic that does not exist yet can be subscribed and published to',
    run: async (world) => {
      const b = await world.open('b');
      const seen = await collect(b);
      const a = await world.open('a');
      await a.publish(bytes('first'));
      await eventually('the first message', () => seen.has('first'));
    },
  },
  {
    name: 'what was not acknowledged when a consumer died is delivered again',
    needs: 'redelivers',
    run: async (world, { capabilities }) => {
      const [a, dying] = [await world.open('a'), await world.open('b')];
      const held: QueueMessage[] = [];
      await dying.subscribe((message) => held.push(message), { maxInFlight: 10 });
      await publishAll(a, texts('m', 5));
      await eventually('the first delivery', () => held.length === 5);
      held[0].ack();
      await dying.close(0);
      held[1].ack();
      const again: QueueMessage[] = [];
      const next = await world.open('b');
      const take = (message: QueueMessage): void => {
        again.push(message);
        message.ack();
      };
      await next.subscribe(take, { maxInFlight: 10 });
      await eventually('the second delivery', () => again.length >= 4);
      const acknowledged = held[0].body.toString();
      assert(again.every(({ body }) => body.toString() !== acknowledged));
      if (capabilities.counts) assert(again.every(({ attempts }) => attempts === 2));
    },
  },
  {
    name: 'what a process held when it was killed -9 is delivered again',
    needs: 'redelivers',
    run: async (world) => {
      const site = await startMqkv(['--site', 'b', '--queue', world.url, '--serve-while-loading']);
      const all = texts('held', 5);
      try {
        const client = clientOf(site.port);
        await client.call('MQKV.FREEZE', 'in');
        client.disconnect();
        const a = await world.open('a');
        await publishAll(a, all);
        await eventually('the delivery', async () => {
          const answer = await fetch(`${site.admin}/api/v1/consumer_stats`);
          const { inFlight } = (await answer.json()) as { inFlight: number | null };
          return (inFlight ?? 0) >= all.length;
        });
      } finally {
        await site.kill();
      }
      const seen = await collect(await world.open('b'));
      await eventually('the second delivery', () => hasAll(seen, all), 50_000);
    },
  },
  {
    name: 'a requeued message comes again, not before its delay, and others still arrive',
    run: async (world, { capabilities }) => {
      const [a, b] = [await world.open('a'), await world.open('b')];
      const attempts: number[] = [];
      const times: number[] = [];
      const others = new Set<string>();
      const take = (message: QueueMessage): void => {
        if (message.body.toString() !== 'again') {
          others.add(message.body.toString());
          return message.ack();
        }
        attempts.push(message.attempts);
        times.push(Date.now());
        if (times.length < 3) message.requeue(200);
        else message.ack();
      };
      await b.subscribe(take, { maxInFlight: 10 });
      await publishAll(a, ['again', ...texts('o', 50)]);
      await eventually('three deliveries and the others', () => times.length === 3 && others.size === 50);
      assert(times[1] - times[0] >= 150 && times[2] - times[1] >= 150, `delays of ${times}`);
      if (capabilities.counts) assert.deepEqual(attempts, [1, 2, 3]);
    },
  },
  {
    name: 'never more than maxInFlight messages are unacknowledged',
    run: async (world) => {
      const [a, b] = [await world.open('a'), await world.open('b')];
      const held: QueueMessage[] = [];
      let most = 0;
      let total = 0;
      const take = (message: QueueMessage): void => {
        held.push(message);
        total += 1;
        most = Math.max(most, held.length);
      };
      await b.subscribe(take, { maxInFlight: 7 });
      const publishing = publishAll(a, texts('m', 200));
      while (total < 200 || held.length > 0) {
        await eventually('a full hand or the rest', () => held.length === 7 || total === 200);
        for (const message of held.splice(0, 3)) message.ack();
      }
      await publishing;
      assert.equal(most, 7);
    },
  },
  {
    name: 'a message of the largest size passes, a larger one is MESSAGE_TOO_LARGE and harms no other',
    run: async (world) => {
      const [a, b] = [await world.open('a'), await world.open('b')];
      const seen = await collect(b);
      const most = Math.min(a.capabilities.maxMessageBytes, 64 * 1024 * 1024);
      const largest = 'x'.repeat(most);
      const tooLarge =
        most === a.capabilities.maxMessageBytes
          ? assert.rejects(a.publish(Buffer.alloc(most + 1)), isCode('MESSAGE_TOO_LARGE'))
          : undefined;
      await Promise.all([a.publish(bytes(largest)), tooLarge, a.publish(bytes('small'))]);
      await eventually('both', () => seen.has(largest) && seen.has('small'));
    },
  },
  {
    name: 'two sites both get everything',
    run: async (world) => {
      const [a, b, c] = [await world.open('a'), await world.open('b'), await world.open('c')];
      const seen = [await collect(b), await collect(c)];
      const all = texts('m', 300);
      await publishAll(a, all);
      await eventually('everything at both', () => seen.every((set) => hasAll(set, all)));
    },
  },
  {
    name: 'two processes of one site share the messages',
    needs: 'shares',
    run: async (world) => {
      const [a, b1, b2] = [await world.open('a'), await world.open('b'), await world.open('b')];
      const [one, two] = [await collect(b1, 4), await collect(b2, 4)];
      const all = texts('m', 1000);
      await publishAll(a, all);
      await eventually('everything at one of them', () =>
        all.every((text) => one.has(text) || two.has(text)),
      );
      assert(one.size > 50 && two.size > 50, `${one.size} and ${two.size} are not shared`);
      assert.equal(one.size + two.size, 1000);
    },
  },
  {
    name: 'a slow consumer gets everything and holds up nobody else',
    run: async (world) => {
      const [a, slow, fast] = [await world.open('a'), await world.open('b'), await world.open('c')];
      const slowly = new Set<string>();
      const one = (message: QueueMessage): void => {
        setTimeout(() => {
          slowly.add(message.body.toString());
          message.ack();
        }, 5);
      };
      await slow.subscribe(one, { maxInFlight: 1 });
      const seen = await collect(fast);
      const all = texts('m', 300);
      await publishAll(a, all);
      await eventually('everything at the fast one', () => hasAll(seen, all));
      assert(slowly.size < 300, 'the slow one was not slow');
      await eventually('everything at the slow one', () => hasAll(slowly, all));
    },
  },
  {
    name: 'close waits for publishes under way, then refuses, and may be called twice',
    run: async (world) => {
      const [a, b] = [await world.open('a'), await world.open('b')];
      const seen = await collect(b);
      const all = texts('m', 200);
      const publishing = publishAll(a, all);
      await Promise.all([a.close(), a.close()]);
      await publishing;
      await assert.rejects(a.publish(bytes('late')), isCode('CLOSED'));
      await eventually('everything published before', () => hasAll(seen, all));
      assert(!seen.has('late'));
    },
  },
  {
    name: 'acknowledgements given before close are not delivered again',
    needs: 'redelivers',
    run: async (world) => {
      const [a, b1] = [await world.open('a'), await world.open('b')];
      const first = await collect(b1);
      await publishAll(a, texts('m', 100));
      await eventually('the first hundred', () => first.size === 100);
      await b1.close();
      const second = await collect(await world.open('b'));
      await a.publish(bytes('after'));
      await eventually('the message after', () => second.has('after'));
      assert.deepEqual([...second], ['after']);
    },
  },
  {
    name: 'an aborted publish is rejected at once and the next one passes',
    run: async (world) => {
      const [a, b] = [await world.open('a'), await world.open('b')];
      const seen = await collect(b);
      await assert.rejects(a.publish(bytes('no'), AbortSignal.abort()), isCode('CLOSED'));
      await a.publish(bytes('yes'));
      await eventually('the next one', () => seen.has('yes'));
      assert(!seen.has('no'));
    },
  },
  {
    name: 'stats are what the broker counts',
    needs: 'broker',
    run: async (world) => {
      const [a, b] = [await world.open('a'), await world.open('b')];
      const held: QueueMessage[] = [];
      await b.subscribe((message) => held.push(message), { maxInFlight: 5 });
      await publishAll(a, texts('m', 12));
      await eventually('five deliveries', () => held.length === 5);
      held.splice(0, 2).map((message) => message.ack());
      const { topic, channel, brokers, ...sums } = await eventually('settled numbers', async () => {
        const stats = await b.stats();
        return stats.finished === 2 && stats.inFlight === 5 ? stats : undefined;
      });
      assert.equal(channel, 'b');
      assert(topic.length > 0 && brokers.length === 1);
      assert.deepEqual(sums, {
        connections: 1,
        received: 7,
        finished: 2,
        requeued: 0,
        inFlight: 5,
        depth: 5,
      });
      for (const message of held.splice(0)) message.ack();
    },
  },
  {
    name: 'kill -9 and restart of the broker while publishing loses nothing accepted',
    needs: 'broker',
    run: async (world) => {
      const [a, b] = [await world.open('a'), await world.open('b')];
      const seen = await collect(b);
      const accepted: string[] = [];
      let rejections = 0;
      let stopped = false;
      const send = async (lane: number): Promise<void> => {
        for (let i = 0; !stopped; i++) {
          await insist(a, `${lane}.${i}`, () => rejections++);
          accepted.push(`${lane}.${i}`);
        }
      };
      const sending = Promise.all(Array.from({ length: 16 }, (_, lane) => send(lane)));
      await eventually('some have arrived', () => seen.size > 300);
      await world.kill();
      await eventually('a rejection', () => rejections > 0);
      await world.restart();
      const before = accepted.length;
      await eventually('some more are accepted', () => accepted.length > before + 300);
      stopped = true;
      await sending;
      await eventually('everything', () => hasAll(seen, accepted));
    },
  },
  {
    name: 'kill -9 and restart of the broker while consuming loses nothing',
    needs: 'broker',
    run: async (world) => {
      const [a, b] = [await world.open('a'), await world.open('b')];
      const seen = new Set<string>();
      const unacknowledged: QueueMessage[] = [];
      let open = false;
      const take = (message: QueueMessage): void => {
        seen.add(message.body.toString());
        if (open || seen.size < 50) message.ack();
        else unacknowledged.push(message);
      };
      await b.subscribe(take, { maxInFlight: 20 });
      const all = texts('m', 500);
      await publishAll(a, all);
      await eventually('a full hand', () => unacknowledged.length === 20);
      await world.kill();
      open = true;
      for (const message of unacknowledged.splice(0)) message.ack();
      await eventually('the loss is noticed', () => b.brokers().every(({ connected }) => !connected));
      await world.restart();
      await eventually('everything', () => hasAll(seen, all));
      await eventually('the subscription', () =>
        b.brokers().every(({ connected, subscribed }) => connected && subscribed),
      );
    },
  },
  {
    name: 'a broker that is away at start: publish says so, subscribe waits for it',
    needs: 'broker',
    run: async (world) => {
      await world.kill();
      const [a, b] = [await world.open('a'), await world.open('b')];
      const seen = await collect(b);
      await assert.rejects(a.publish(bytes('early')), isCode('QUEUE_UNREACHABLE'));
      const { brokers } = await b.stats();
      assert(brokers.length === 1 && brokers[0].depth === null && (brokers[0].error ?? '') !== '');
      const [state] = b.brokers();
      assert(!state.connected && !state.subscribed && (state.error ?? '') !== '');
      await world.restart();
      await eventually('the subscription', () => b.brokers().every(({ subscribed }) => subscribed));
      await insist(a, 'late');
      await eventually('the message', () => seen.has('late'));
    },
  },
];
