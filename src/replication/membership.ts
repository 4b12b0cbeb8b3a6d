// Who is there: heartbeats made and read, the sites known from them, and a second site under one's own name.
import { type Clock, type Logger, SITES_MAX } from '../base/index.ts';
import { ENVELOPE_FORMAT, type EnvelopeHeader } from './envelope.ts';

/** Units: ms. How long two stores must alternate under one name before the later one refuses (DESIGN 7). */
const DUPLICATE_AFTER_MS = 5_000;
/** Units: ms. Without a heartbeat of the other for so long, the name is free again. */
const DUPLICATE_GONE_MS = 10_000;

/** What a site tells of itself every second. Wire: JSON of just these, as a heartbeat section. */
export interface Heartbeat {
  readonly site: string;
  readonly storeId: string;
  readonly origin: number;
  readonly startedAtMs: number;
  readonly address: string;
  readonly lastSequence: number;
  readonly outboxEmpty: boolean;
  /** Sequences of streams that did not come: their senders send them again. */
  readonly missing: Readonly<Record<string, readonly number[]>>;
  readonly formats: readonly [number, number];
}

/** A site as last heard. */
export interface Member extends Heartbeat {
  /** Units: Unix ms by this site's clock. */
  readonly heardAtMs: number;
  /** Units: ms from sending to hearing, by the two clocks. */
  readonly lagMs: number;
}

export interface MembershipOptions {
  readonly site: string;
  readonly storeId: string;
  readonly startedAtMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A heartbeat names missing messages. */
  readonly onMissing: (missing: Heartbeat['missing']) => void;
}

/** The sites heard of. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #members = new Map<string, Member>();
  #rivalSinceMs = 0;
  #rivalHeardMs = 0;
  #rival: Heartbeat | undefined;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** Order: by site name. */
  members(): readonly Member[] {
    return [...this.#members.values()].sort((a, b) => (a.site < b.site ? -1 : 1));
  }

  /** Another, earlier started store uses this site's name: data commands are to be refused. */
  get duplicate(): boolean {
    const now = this.#options.clock.now();
    if (this.#rival === undefined || now - this.#rivalHeardMs > DUPLICATE_GONE_MS) return false;
    return (
      this.#rivalHeardMs - this.#rivalSinceMs >= DUPLICATE_AFTER_MS &&
      startedBefore(this.#rival, this.#options)
    );
  }

  /** Notes a heartbeat of another store; what is malformed is ignored with a warning. */
  hear(header: EnvelopeHeader, bytes: Uint8Array): void {
    const heartbeat = decodeHeartbeat(bytes);
    if (heartbeat === undefined) {
      this.#options.logger.warn({ site: header.site }, 'heartbeat not understood');
      return;
    }
    // Another gateway before the same store, or this store under an earlier origin.
    if (heartbeat.storeId === this.#options.storeId) return;
    this.#options.onMissing(heartbeat.missing);
    const now = this.#options.clock.now();
    if (heartbeat.site === this.#options.site) this.#hearRival(heartbeat, now);
    else this.#note({ ...heartbeat, heardAtMs: now, lagMs: Math.max(0, now - header.timeMs) });
  }

  #note(member: Member): void {
    this.#members.delete(member.site);
    this.#members.set(member.site, member);
    if (this.#members.size <= SITES_MAX) return;
    const oldest = this.#members.keys().next();
    if (oldest.done !== true) this.#members.delete(oldest.value);
  }

  #hearRival(heartbeat: Heartbeat, now: number): void {
    if (this.#rival?.storeId !== heartbeat.storeId || now - this.#rivalHeardMs > DUPLICATE_GONE_MS)
      this.#rivalSinceMs = now;
    const before = this.duplicate;
    this.#rival = heartbeat;
    this.#rivalHeardMs = now;
    if (!before && this.duplicate) {
      this.#options.logger.error(
        { site: heartbeat.site, storeId: heartbeat.storeId, address: heartbeat.address },
        'another site has this name',
      );
    }
  }
}

function startedBefore(a: Heartbeat, b: MembershipOptions): boolean {
  return a.startedAtMs < b.startedAtMs || (a.startedAtMs === b.startedAtMs && a.storeId < b.storeId);
}

/** Encodes a heartbeat. */
export function encodeHeartbeat(heartbeat: Omit<Heartbeat, 'formats'>): Buffer {
  return Buffer.from(JSON.stringify({ ...heartbeat, formats: [1, ENVELOPE_FORMAT] }));
}

function decodeHeartbeat(bytes: Uint8Array): Heartbeat | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString());
    return isHeartbeat(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isHeartbeat(value: unknown): value is Heartbeat {
  if (typeof value !== 'object' || value === null) return false;
  const h = value as Partial<Record<keyof Heartbeat, unknown>>;
  return (
    typeof h.site === 'string' &&
    typeof h.storeId === 'string' &&
    typeof h.origin === 'number' &&
    typeof h.startedAtMs === 'number' &&
    typeof h.address === 'string' &&
    typeof h.lastSequence === 'number' &&
    typeof h.outboxEmpty === 'boolean' &&
    isMissing(h.missing)
  );
}

function isMissing(value: unknown): value is Heartbeat['missing'] {
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).every(
    (list) => Array.isArray(list) && list.every((one) => typeof one === 'number'),
  );
}
