// What the admin HTTP asks the site around it: the boundary that keeps admin/ free of stores and queues.

/** One broker as seen from this process. */
export interface BrokerView {
  readonly address: string;
  readonly connected: boolean;
  readonly subscribed: boolean;
  readonly error?: string;
}

/** What readiness is judged by. */
export interface Readiness {
  /** Reasons of the site's own that it should get no traffic (store does not answer, bootstrap, duplicate site). */
  readonly problems: readonly string[];
  readonly brokers: readonly BrokerView[];
  /** Units: ms. How far behind the slowest other site this one is; null: unknown or alone. */
  readonly lagMs: number | null;
}

/** Numbers of one broker; null where it does not answer, and then with `error`. */
export interface BrokerNumbers {
  readonly address: string;
  readonly connections: number | null;
  readonly received: number | null;
  readonly finished: number | null;
  readonly requeued: number | null;
  readonly inFlight: number | null;
  readonly depth: number | null;
  readonly error?: string;
}

/** One queue's channel as its brokers count it. `queue`: the adapter's name (`nsq`, `peers`, …). */
export interface ChannelNumbers {
  readonly queue: string;
  readonly topic: string;
  readonly channel: string | null;
  readonly connections: number;
  readonly received: number;
  readonly finished: number;
  readonly requeued: number;
  readonly inFlight: number;
  readonly depth: number;
  readonly brokers: readonly BrokerNumbers[];
}

/** Plain counters and levels of a site; missing ones are not shown. Everything `…Total` only grows. */
export interface SiteNumbers {
  readonly clients?: number;
  readonly clientsTotal?: number;
  readonly commandsTotal?: number;
  readonly keys?: number;
  readonly tombstones?: number;
  /** Units: bytes. */
  readonly storeBytes?: number;
  readonly outboxPending?: number;
  /** Units: bytes. */
  readonly outboxBytes?: number;
  readonly envelopesSentTotal?: number;
  /** Units: bytes. */
  readonly bytesSentTotal?: number;
  readonly publishFailuresTotal?: number;
  readonly publishesInFlight?: number;
  readonly envelopesReceivedTotal?: number;
  readonly envelopesOwnTotal?: number;
  readonly envelopesRecalledTotal?: number;
  readonly quarantinedTotal?: number;
  readonly fragmentsDroppedTotal?: number;
  readonly gapsTotal?: number;
  readonly gapsLostTotal?: number;
  readonly repairRoundsTotal?: number;
  readonly repairFailuresTotal?: number;
  readonly repairKeysPulledTotal?: number;
  readonly repairKeysPushedTotal?: number;
  /** Units: bytes. */
  readonly repairBytesSentTotal?: number;
  readonly repairBytesReceivedTotal?: number;
  readonly bootstrapBytesSentTotal?: number;
  readonly bootstrapBytesReceivedTotal?: number;
  readonly peerBytesSentTotal?: number;
  readonly peerBytesReceivedTotal?: number;
  readonly repairPending?: number;
  readonly doubledTotal?: number;
  readonly oldTotal?: number;
  readonly resentTotal?: number;
  readonly remarkedTotal?: number;
  readonly unsendableTotal?: number;
  readonly streams?: number;
  /** Units: s. How long ago everything was applied everywhere; null: unknown. */
  readonly stableAgeSeconds?: number | null;
  readonly mergeConflictsTotal?: number;
  /** Units: ms; null: unknown. */
  readonly lagMs?: number | null;
  readonly sites?: number;
  /** Masters of the site's Redis that can be written to. */
  readonly redisMasters?: number;
  readonly redisScriptsTotal?: number;
  /** Commands that a node refused (MOVED, ASK, READONLY, …) and that were sent again. */
  readonly redisRefusalsTotal?: number;
  readonly mergeRetriesTotal?: number;
  /** Deltas of other sites that this site's Redis can never take. */
  readonly mergeRefusedTotal?: number;
  readonly cacheHitsTotal?: number;
  readonly cacheMissesTotal?: number;
  readonly cacheLoadsTotal?: number;
  readonly cacheInvalidationsTotal?: number;
  readonly cacheEntries?: number;
  /** Units: bytes. */
  readonly cacheBytes?: number;
  readonly walkerRoundsTotal?: number;
  readonly walkerResentTotal?: number;
  readonly walkerFreedTotal?: number;
  readonly walkerForgottenTotal?: number;
}

/** Another site, for labelled metrics. */
export interface OtherSite {
  readonly site: string;
  /** Units: ms. How far this site is behind it; null: unknown. */
  readonly lagMs: number | null;
  /** Its messages in the queue that are not applied here. */
  readonly lagEnvelopes: number;
  /** Units: ms that its clock is ahead; null: unknown. */
  readonly skewMs: number | null;
}

/** The site as the admin HTTP sees it. None of these may throw or take longer than a few seconds. */
export interface AdminHooks {
  readonly site: string;
  readonly version: string;
  /** undefined: alive; else why not. */
  health(): string | undefined;
  ready(): Readiness | Promise<Readiness>;
  /** Asks the brokers now; one entry per queue, none without a queue. */
  channels(): Promise<readonly ChannelNumbers[]>;
  numbers(): SiteNumbers;
  /** For `/metrics`: the brokers as seen from this process. */
  brokers(): readonly BrokerView[];
  /** `/api/v1/sites`: every site known and how far each is behind each other; must be JSON. */
  sites(): unknown;
  /** The other sites. */
  others(): readonly OtherSite[];
  /** Further facts for `/api/v1/stats`; must be JSON. */
  facts(): Readonly<Record<string, unknown>>;
}
