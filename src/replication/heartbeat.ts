// What a site tells of itself every second: made, read, checked.
import { ENVELOPE_FORMAT } from './envelope.ts';

// heartbeat := JSON of the fields of `Heartbeat`, as a heartbeat section. Unknown fields are ignored. What older builds leave out is
// filled up: `streams` is then absent, everything else empty.

/** Numbers by stream. */
export type ByStream = Readonly<Record<string, number>>;

/** What a site tells of itself. */
export interface Heartbeat {
  readonly site: string;
  readonly storeId: string;
  /** The first of its present origins. */
  readonly origin: number;
  readonly origins: readonly number[];
  /** Units: Unix ms by its clock. */
  readonly startedAtMs: number;
  /** HOST:PORT; empty: not known. */
  readonly address: string;
  /** As older builds tell it: the last sequence of the stream that the heartbeat itself is part of. */
  readonly lastSequence: number;
  /** Streams of the sending process: everything up to that sequence is in the queue. */
  readonly streams: ByStream;
  readonly outboxEmpty: boolean;
  /** Streams of others lately heard: everything up to that sequence is in its store. */
  readonly applied: ByStream;
  /** Of the same streams, the origin of what came last. */
  readonly sources: ByStream;
  /** Sequences of streams that did not come: their senders send them again. */
  readonly missing: Readonly<Record<string, readonly number[]>>;
  /** Its store holds all that there was when it joined. */
  readonly complete: boolean;
  /** It is copying from another site. */
  readonly loading: boolean;
  /** It knows of something missing that only a comparison brings: it has not all that it calls applied. */
  readonly lacking: boolean;
  /** Units: ms. How far it is behind the sites that it hears of. */
  readonly heard: Readonly<Record<string, number>>;
  /** Units: ms. From their sending to its hearing, by the two clocks (signed): what skew is computed from. */
  readonly delays: Readonly<Record<string, number>>;
  /** It wants a heartbeat once these are applied (WAIT). */
  readonly asks: ByStream;
  /** Envelope formats that it reads, from and to. */
  readonly formats: readonly [number, number];
}

/** Encodes a heartbeat. */
export function encodeHeartbeat(heartbeat: Omit<Heartbeat, 'formats'>): Buffer {
  return Buffer.from(JSON.stringify({ ...heartbeat, formats: [1, ENVELOPE_FORMAT] }));
}

/** Decodes a heartbeat, also one of an older build. undefined: it is none. */
export function decodeHeartbeat(bytes: Uint8Array): Heartbeat | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString());
    return isHeartbeat(value) ? filledUp(value) : undefined;
  } catch {
    return undefined;
  }
}

/** What every build sends. */
type Oldest = Pick<
  Heartbeat,
  'site' | 'storeId' | 'origin' | 'startedAtMs' | 'address' | 'lastSequence' | 'outboxEmpty' | 'missing'
>;

function filledUp(h: Oldest & Partial<Heartbeat>): Heartbeat {
  return {
    site: h.site,
    storeId: h.storeId,
    origin: h.origin,
    origins: isNumbers(h.origins) ? h.origins : [h.origin],
    startedAtMs: h.startedAtMs,
    address: h.address,
    lastSequence: h.lastSequence,
    streams: counts(h.streams, isCount),
    outboxEmpty: h.outboxEmpty,
    applied: counts(h.applied, isCount),
    sources: counts(h.sources, isCount),
    missing: h.missing,
    // Older builds have no bootstrap: what they hold is all there is.
    complete: h.complete !== false,
    loading: h.loading === true,
    lacking: h.lacking === true,
    heard: counts(h.heard, isNumber),
    delays: counts(h.delays, isNumber),
    asks: counts(h.asks, isCount),
    formats: [1, 1],
  };
}

function isHeartbeat(value: unknown): value is Oldest & Partial<Heartbeat> {
  if (typeof value !== 'object' || value === null) return false;
  const h = value as Partial<Record<keyof Heartbeat, unknown>>;
  return (
    typeof h.site === 'string' &&
    typeof h.storeId === 'string' &&
    isNumber(h.origin) &&
    isNumber(h.startedAtMs) &&
    typeof h.address === 'string' &&
    isNumber(h.lastSequence) &&
    typeof h.outboxEmpty === 'boolean' &&
    isMissing(h.missing)
  );
}

function isMissing(value: unknown): value is Heartbeat['missing'] {
  return typeof value === 'object' && value !== null && Object.values(value).every(isNumbers);
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

/** What a sequence or an origin may be. */
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isNumber);
}

/** A record of numbers; anything else is an empty one. */
function counts(value: unknown, accepts: (one: unknown) => one is number): Record<string, number> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  const found: Record<string, number> = {};
  for (const [name, count] of Object.entries(value)) if (accepts(count)) found[name] = count;
  return found;
}
