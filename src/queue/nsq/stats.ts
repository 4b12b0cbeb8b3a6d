// What each nsqd counts for our channel, asked over HTTP.
import { type Clock, messageOf } from '../../base/index.ts';
import { sumsOf, UNKNOWN } from '../numbers.ts';
import type { BrokerStats, QueueStats } from '../queue.ts';
import type { Address } from './address.ts';
import { ask, fieldsOf, itemsOf, numberOf } from './http.ts';

/** One nsqd to ask: its name in the answer, and its HTTP address. */
export interface StatsTarget {
  readonly address: string;
  readonly http: Address;
}

export interface StatsOptions {
  readonly topic: string;
  readonly channel: string;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** Asks all at once. Never rejects: one that does not answer is a row of nulls with `error`. */
export async function askStats(targets: readonly StatsTarget[], options: StatsOptions): Promise<QueueStats> {
  const brokers = await Promise.all(targets.map((target) => askOne(target, options)));
  const { topic, channel } = options;
  return sumsOf({ topic, channel }, brokers);
}

async function askOne({ address, http }: StatsTarget, options: StatsOptions): Promise<BrokerStats> {
  const { topic, channel, clock, timeoutMs } = options;
  const query = new URLSearchParams({ format: 'json', topic, channel, include_mem: 'false' });
  try {
    const { status, body } = await ask({ address: http, path: `/stats?${query}`, clock, timeoutMs });
    if (status !== 200) throw new Error(`/stats answered with status ${status}`);
    return { address, ...readChannel(body, topic, channel) };
  } catch (error) {
    return { address, ...UNKNOWN, error: messageOf(error) };
  }
}

/** Received and finished exist only by client (DESIGN 8); the rest are the channel's own. No channel yet: zeros. */
function readChannel(body: unknown, topic: string, channel: string): Omit<BrokerStats, 'address'> {
  const topics = itemsOf(fieldsOf(body).topics).map(fieldsOf);
  const found = topics.find((item) => item.topic_name === topic);
  const channels = itemsOf(found?.channels).map(fieldsOf);
  const counts = channels.find((item) => item.channel_name === channel) ?? {};
  const clients = itemsOf(counts.clients).map(fieldsOf);
  const sum = (name: string): number => clients.reduce((total, client) => total + numberOf(client[name]), 0);
  return {
    connections: numberOf(counts.client_count),
    received: sum('message_count'),
    finished: sum('finish_count'),
    requeued: numberOf(counts.requeue_count),
    inFlight: numberOf(counts.in_flight_count),
    depth: numberOf(counts.depth),
  };
}
