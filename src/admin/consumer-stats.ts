// The body of /api/v1/consumer_stats: this site's channel over all brokers of all its queues.
import type { BrokerNumbers, ChannelNumbers } from './hooks.ts';

/** The numbers summed, and the brokers one by one under a name that says what they are. */
export interface ConsumerStats {
  readonly topic: string | null;
  readonly channel: string | null;
  readonly connections: number;
  readonly received: number;
  readonly finished: number;
  readonly requeued: number;
  readonly inFlight: number;
  readonly depth: number;
  /** Units: ms; null: unknown, or no queue. */
  readonly lagMs: number | null;
  readonly nsqd?: readonly BrokerNumbers[];
  readonly peers?: readonly BrokerNumbers[];
  readonly brokers?: readonly BrokerNumbers[];
}

type Summed = 'connections' | 'received' | 'finished' | 'requeued' | 'inFlight' | 'depth';

/** Joins the channels of all queues (`--queue` and every `--subscribe`). No queue: `channel` is null. */
export function consumerStats(channels: readonly ChannelNumbers[], lagMs: number | null): ConsumerStats {
  const [first] = channels;
  const sum = (field: Summed): number => channels.reduce((total, channel) => total + channel[field], 0);
  const rows = channels.flatMap((channel) => channel.brokers);
  return {
    topic: first?.topic ?? null,
    channel: first?.channel ?? null,
    connections: sum('connections'),
    received: sum('received'),
    finished: sum('finished'),
    requeued: sum('requeued'),
    inFlight: sum('inFlight'),
    depth: sum('depth'),
    lagMs: first === undefined ? null : lagMs,
    [rowsName(first?.queue)]: rows,
  };
}

function rowsName(queue: string | undefined): 'nsqd' | 'peers' | 'brokers' {
  if (queue === undefined || queue === 'nsq') return 'nsqd';
  return queue === 'peers' ? 'peers' : 'brokers';
}
