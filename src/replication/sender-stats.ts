// What the sending half counts.

/** Counters for metrics; they only grow, but for the two states at the end. */
export interface SenderStats {
  readonly envelopes: number;
  readonly bytes: number;
  readonly failures: number;
  readonly publishesDropped: number;
  /** Messages sent again because a site missed them. */
  readonly resent: number;
  /** Messages whose keys were marked again instead, and those that nobody can send again. */
  readonly remarked: number;
  readonly lost: number;
  readonly inFlight: number;
  readonly inFlightBytes: number;
}
