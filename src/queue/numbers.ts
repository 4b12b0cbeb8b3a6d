// Numbers of brokers: a broker that does not answer, and the sums over all of a queue.
import type { BrokerStats, QueueStats } from './queue.ts';

/** The counts of a broker that does not tell them; `error` says why. */
export const UNKNOWN: Omit<BrokerStats, 'address' | 'error'> = {
  connections: null,
  received: null,
  finished: null,
  requeued: null,
  inFlight: null,
  depth: null,
};

/** The sums over brokers; what one does not tell counts as 0. */
export function sumsOf(
  names: Pick<QueueStats, 'topic' | 'channel'>,
  brokers: readonly BrokerStats[],
): QueueStats {
  const sum = (count: (row: BrokerStats) => number | null): number =>
    brokers.reduce((total, row) => total + (count(row) ?? 0), 0);
  return {
    ...names,
    connections: sum((row) => row.connections),
    received: sum((row) => row.received),
    finished: sum((row) => row.finished),
    requeued: sum((row) => row.requeued),
    inFlight: sum((row) => row.inFlight),
    depth: sum((row) => row.depth),
    brokers,
  };
}
