// The boundary to other sites beside the queue: one request, one answer. Over TCP, through the queue, or simulated.

/** Another site, as its heartbeat tells of it. */
export interface PeerAddress {
  readonly site: string;
  readonly storeId: string;
  /** HOST:PORT; empty: not known. */
  readonly address: string;
}

/** Who asks. */
export interface Asker {
  readonly site: string;
  readonly storeId: string;
}

/** Counters; they only grow. Units: bytes on the wire, framing included. */
export interface PeerPortStats {
  readonly asked: number;
  readonly answered: number;
  readonly failures: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** Requests to other sites and theirs to this one. */
export interface PeerPort {
  /**
   * Asks a site. Owns: `request` must not change until it settles; the answer is the caller's.
   * Errors: MqkvError `PEER_UNREACHABLE` (it may have been carried out), `PEER_REFUSED` (secret, name), `PEER_FAILED` (the other side's words).
   */
  ask(to: PeerAddress, request: Buffer, signal?: AbortSignal): Promise<Buffer>;
  /** Answers the requests of other sites; a rejection goes back as `PEER_FAILED`. Set once, by replication. */
  answer: ((from: Asker, request: Buffer) => Promise<Buffer>) | undefined;
  stats(): PeerPortStats;
  close(): Promise<void>;
}
