// The boundary to a message queue: what every adapter offers, and what it may promise beyond that.

/** What a queue promises by itself. Correctness never depends on any of it. */
export interface QueueCapabilities {
  /** Messages of one publisher arrive in the order of their publishing when nothing fails. */
  readonly ordered: boolean;
  /** A consumer can read again what it has acknowledged (`replay`). */
  readonly replayable: boolean;
  /** `publish` resolves only when the message is on disk or in several places. */
  readonly durableAck: boolean;
  /** Units: bytes. A larger message is refused with `MESSAGE_TOO_LARGE`; replication fragments below it. */
  readonly maxMessageBytes: number;
}

/** One message as delivered. Exactly one of `ack` and `requeue` is called, once, at any time later. */
export interface QueueMessage {
  /** Owns: the receiver; the queue does not touch the bytes again. */
  readonly body: Buffer;
  /** Deliveries of this message so far, this one included; 1 where the queue does not count. */
  readonly attempts: number;
  /** It comes by `replay`: its sender may be long gone, and what it tells of itself with it. */
  readonly isReplayed?: boolean;
  /** The message is done with. Late calls (connection gone meanwhile) are ignored: the queue delivers again. */
  ack(): void;
  /** Deliver again, not before `delayMs` (Units: ms) where the queue can delay. */
  requeue(delayMs: number): void;
  /** The receiver is still at work: extend the time before redelivery. */
  touch(): void;
}

/** Numbers of one broker; null where it does not answer, and then with `error`. */
export interface BrokerStats {
  readonly address: string;
  readonly connections: number | null;
  readonly received: number | null;
  readonly finished: number | null;
  readonly requeued: number | null;
  readonly inFlight: number | null;
  readonly depth: number | null;
  readonly error?: string;
}

/** This site's channel as the brokers count it (DESIGN 8, `/api/v1/consumer_stats`), sums over `brokers`. */
export interface QueueStats {
  readonly topic: string;
  readonly channel: string | null;
  readonly connections: number;
  readonly received: number;
  readonly finished: number;
  readonly requeued: number;
  readonly inFlight: number;
  readonly depth: number;
  readonly brokers: readonly BrokerStats[];
}

/** One broker (or peer) as seen from this process, for `/readyz` and metrics. */
export interface BrokerState {
  readonly address: string;
  readonly connected: boolean;
  /** The subscription exists there; false where nothing is subscribed yet. */
  readonly subscribed: boolean;
  /** The last failure, cleared on success. */
  readonly error?: string;
}

/** A way for messages from each site to all others. At least once, any order; the receiver merges. */
export interface Queue extends AsyncDisposable {
  /** For metrics and logs: `nsq`, `peers`, … */
  readonly name: string;
  readonly capabilities: QueueCapabilities;
  /**
   * Hands a message to the queue. Resolves when the broker has accepted it. Tries every broker given before it
   * rejects; the caller repeats the same bytes later (a doubled message is harmless).
   * Owns: the bytes must not change until it settles.
   * Errors: MqkvError `QUEUE_UNREACHABLE`, `QUEUE_REFUSED`, `MESSAGE_TOO_LARGE`, `CLOSED`.
   */
  publish(body: Uint8Array, signal?: AbortSignal): Promise<void>;
  /**
   * Starts consuming, once; reconnects for ever until `close`. Never rejects because a broker is away: it goes on
   * trying. At most `maxInFlight` messages are unacknowledged at any time.
   */
  subscribe(
    handler: (message: QueueMessage) => void,
    options: { readonly maxInFlight: number },
  ): Promise<void>;
  /**
   * Delivers to the handler once more what was published since then and is still kept, what was acknowledged included.
   * Resolves when all that was there at the call has been handed over. The messages' `ack` and `requeue` change nothing at the
   * broker; `maxInFlight` holds. Only with `capabilities.replayable`. Units: ms since 1970.
   * Errors: MqkvError `QUEUE_UNREACHABLE`, the driver's: not all could be read.
   */
  replay?(sinceMs: number): Promise<void>;
  /** What the brokers themselves count, asked now. Never rejects: an unreachable broker is a row with `error`. */
  stats(): Promise<QueueStats>;
  /** As seen from this process, without asking anyone. */
  brokers(): readonly BrokerState[];
  /** Stops consuming, waits for publishes under way (up to `graceMs`), closes connections. Idempotent. */
  close(graceMs?: number): Promise<void>;
}
