// One site's replication: sender, receiver and heartbeats over one queue.
import {
  type Clock,
  CONSUMER_IN_FLIGHT_MAX,
  type Latin1,
  type Logger,
  type Random,
  type Timer,
} from '../base/index.ts';
import type { Queue } from '../queue/index.ts';
import type { Store } from '../store/index.ts';
import { encodeHeartbeat, Membership } from './membership.ts';
import { Receiver } from './receiver.ts';
import { Sender } from './sender.ts';
import { SharedKnowledge } from './shared-knowledge.ts';

/** Units: ms between heartbeats (DESIGN 7). */
const HEARTBEAT_MS = 1_000;

export interface ReplicationOptions {
  readonly site: string;
  readonly store: Store;
  readonly queue: Queue;
  /** Further queues that are only consumed (`--subscribe`). */
  readonly subscribed?: readonly Queue[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Where peers may reach this site; empty: not known. */
  readonly address: () => string;
  /** A PUBLISH that came from another site. */
  readonly onPublish: (channel: Latin1, message: Latin1) => void;
}

/** What `openReplication` gives. */
export interface Replication {
  readonly sender: Sender;
  readonly receiver: Receiver;
  readonly membership: Membership;
  /** Publishes what is pending for at most `timeoutMs`, then stops. Result: whether all of it was accepted. Does not close the queue. */
  close(timeoutMs: number): Promise<boolean>;
}

/** Starts replication; the subscription exists or is being tried when this resolves. */
export async function openReplication(options: ReplicationOptions): Promise<Replication> {
  const { site, store, queue, clock, logger } = options;
  const startedAtMs = clock.now();
  let sender: Sender | undefined;
  const membership = new Membership({
    site,
    storeId: store.id,
    startedAtMs,
    clock,
    logger,
    onMissing: (missing) => void sender?.resend(missing[sender.stream] ?? []),
  });
  const receiver: Receiver = new Receiver({
    site,
    store,
    clock,
    logger,
    onPublish: options.onPublish,
    onHeartbeat(header, bytes) {
      membership.hear(header, bytes);
      shared?.heard(header, bytes);
    },
    onApplied: (stream, sequence) => shared?.applied(stream, sequence),
  });
  const { bus } = store;
  const shared =
    bus === undefined
      ? undefined
      : new SharedKnowledge({
          bus,
          clock,
          logger,
          onHeartbeat: (header, bytes) => membership.hear(header, bytes),
          onApplied: (stream, sequence) => receiver.noteApplied(stream, sequence),
        });
  for (const source of [queue, ...(options.subscribed ?? [])]) {
    await source.subscribe((message) => void receiver.receive(message), {
      maxInFlight: CONSUMER_IN_FLIGHT_MAX,
    });
  }
  const opened = new Sender(options);
  sender = opened;
  const beat = (): void => {
    const { id: storeId, origin } = store;
    const { lastSequence, empty: outboxEmpty } = opened;
    void opened.heartbeat(
      encodeHeartbeat({
        site,
        storeId,
        origin,
        startedAtMs,
        address: options.address(),
        lastSequence,
        outboxEmpty,
        missing: receiver.missing(),
      }),
    );
  };
  const timer: Timer = clock.every(HEARTBEAT_MS, beat);
  beat();
  return {
    sender: opened,
    receiver,
    membership,
    close(timeoutMs) {
      timer.cancel();
      shared?.close();
      return opened.close(timeoutMs);
    },
  };
}
