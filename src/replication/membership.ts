// Who is there: the sites known from their heartbeats, and a second site under one's own name.
import { type Clock, type Logger, SITES_MAX } from '../base/index.ts';
import type { EnvelopeHeader } from './envelope.ts';
import { decodeHeartbeat, type Heartbeat } from './heartbeat.ts';
import { type Member, MemberRecord } from './member.ts';
import { Rival } from './rival.ts';
import { TICK_MS } from './stream-window.ts';

export type { Heartbeat } from './heartbeat.ts';
export { encodeHeartbeat } from './heartbeat.ts';
export type { Member } from './member.ts';

/** Ticks of silence after which a site that is heard again is `linked` anew. */
const SILENT_TICKS = 10_000 / TICK_MS;
/** Units: ms. Clocks further apart than this are warned of. */
const SKEW_WARN_MS = 500;
/** Ticks between two notes of when a site was heard. */
const NOTE_TICKS = 60_000 / TICK_MS;
const NOTE = 'member:';

// note of a member := "member:" site, storeId ";" heardAtMs ";" startedAtMs ";" address

export interface MembershipOptions {
  readonly site: string;
  readonly storeId: string;
  /** Units: Unix ms. */
  readonly startedAtMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Units: ms. A site not heard for so long leaves the list. */
  readonly horizonMs: number;
  /** A heartbeat came, of another store under another name. */
  readonly onHeard?: ((heartbeat: Heartbeat, header: EnvelopeHeader) => void) | undefined;
  /**
   * Another store under this site's name is gone: it took messages of the channel, its own among them, that this site now lacks.
   */
  readonly onRivalLeft?: (() => void) | undefined;
  /** A store was heard for the first time, or again after silence. */
  readonly onLinked?: ((member: Member) => void) | undefined;
}

/** The sites heard of. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #records = new Map<string, MemberRecord>();
  /** When each store was last heard, by id. */
  readonly #stores = new Map<string, number>();
  readonly #noted = new Map<string, { readonly text: string; readonly tick: number }>();
  readonly #skewed = new Set<string>();
  readonly #rival: Rival;
  #gone: string[] = [];
  #tick = 0;
  /**
   * When any other site was last heard before this process started, as the store's notes tell. Units: Unix ms; 0: never.
   * A store that was apart for longer than the horizon may hold what the others have forgotten.
   */
  lastHeardBeforeMs = 0;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#rival = new Rival(options);
  }

  /** Order: by site name. */
  members(): readonly Member[] {
    const { site } = this.#options;
    return this.records().map((record) => record.member(site, this.#tick));
  }

  /** As they are kept. Order: by site name. */
  records(): readonly MemberRecord[] {
    return [...this.#records.values()].toSorted((a, b) => (a.site < b.site ? -1 : 1));
  }

  /** A site by its store; undefined: not heard, or its name has another store now. */
  memberOf(storeId: string): Member | undefined {
    const { site } = this.#options;
    for (const record of this.#records.values())
      if (record.storeId === storeId) return record.member(site, this.#tick);
    return undefined;
  }

  /** The store that was last heard under a name. */
  storeOf(site: string): string | undefined {
    return this.#records.get(site)?.storeId;
  }

  /** Another, earlier started store uses this site's name: data commands are to be refused. */
  get duplicate(): boolean {
    return this.#rival.isFirst;
  }

  /** Another store uses this site's name: a part of this site's messages goes there. */
  get hasRival(): boolean {
    return this.#rival.isThere;
  }

  /** Notes a heartbeat of another store; what is malformed is ignored with a warning. */
  hear(header: EnvelopeHeader, bytes: Uint8Array): void {
    const heartbeat = decodeHeartbeat(bytes);
    if (heartbeat === undefined) {
      this.#options.logger.warn({ other: header.site }, 'heartbeat not understood');
      return;
    }
    // Another gateway before the same store, or this store under an earlier origin.
    if (heartbeat.storeId === this.#options.storeId) return;
    if (heartbeat.site === this.#options.site) return this.#rival.hear(heartbeat);
    this.#hear(heartbeat, header);
  }

  /** Time goes on by TICK_MS: who was silent for longer than the horizon leaves. */
  tick(): void {
    this.#tick++;
    if (this.#rival.hasLeft()) this.#options.onRivalLeft?.();
    const oldest = this.#tick - this.#options.horizonMs / TICK_MS;
    for (const [site, { heardTick }] of this.#records) if (heardTick < oldest) this.#drop(site);
    for (const [storeId, heardTick] of this.#stores) if (heardTick < oldest) this.#stores.delete(storeId);
  }

  /** From the sending of each site's heartbeats to their hearing, by the two clocks. Units: ms. */
  delays(): Record<string, number> {
    const delays: Record<string, number> = {};
    for (const { site, delayMs } of this.records())
      if (delayMs !== undefined) delays[site] = Math.round(delayMs);
    return delays;
  }

  /** What has changed since the last call, as notes. */
  takeNotes(): Record<string, string> {
    const notes: Record<string, string> = {};
    for (const site of this.#gone.splice(0)) notes[NOTE + site] = '';
    for (const record of this.records()) {
      const noted = this.#noted.get(record.site);
      const { storeId, startedAtMs, address } = record.member(this.#options.site, this.#tick);
      const text = `${storeId};${startedAtMs};${address}`;
      const isKnown = noted !== undefined && noted.text === text && this.#tick - noted.tick < NOTE_TICKS;
      if (isKnown || (noted !== undefined && record.heardTick <= noted.tick)) continue;
      this.#noted.set(record.site, { text, tick: this.#tick });
      notes[NOTE + record.site] = `${record.heardAtMs};${text}`;
    }
    return notes;
  }

  /** The notes could not be written: they are to be given again. */
  giveBack(): void {
    this.#noted.clear();
  }

  /** Takes over what notes remember of sites that were not heard yet. */
  restore(notes: ReadonlyMap<string, string>): void {
    const now = this.#options.clock.now();
    for (const [name, text] of notes) {
      if (!name.startsWith(NOTE)) continue;
      const parts = /^(\d+);([^;]*);(\d+);(.*)$/.exec(text);
      if (parts === null) continue;
      const [, heardAt, storeId, startedAt, address] = parts;
      const atMs = Number(heardAt);
      this.lastHeardBeforeMs = Math.max(this.lastHeardBeforeMs, atMs);
      const site = name.slice(NOTE.length);
      const tick = this.#tick - Math.max(0, Math.round((now - atMs) / TICK_MS));
      if (this.#records.has(site) || site === this.#options.site) continue;
      const heartbeat = notedHeartbeat({ site, storeId, address, startedAtMs: Number(startedAt) });
      this.#records.set(site, new MemberRecord(heartbeat, { atMs, tick, isNoted: true }));
    }
  }

  #hear(heartbeat: Heartbeat, header: EnvelopeHeader): void {
    const { clock, site: self } = this.#options;
    const { site, storeId } = heartbeat;
    const now = clock.now();
    let record = this.#records.get(site);
    if (record?.storeId !== storeId)
      record = new MemberRecord(heartbeat, { atMs: now, tick: this.#tick, isNoted: false });
    const { stream, sequence, timeMs: sentAtMs } = header;
    const isNewer = record.hear({ heartbeat, stream, sequence, sentAtMs }, now, this.#tick);
    this.#options.onHeard?.(heartbeat, header);
    if (!isNewer) return;
    this.#records.delete(site);
    this.#records.set(site, record);
    this.#bound();
    const member = record.member(self, this.#tick);
    this.#warnOfSkew(member);
    const heardTick = this.#stores.get(storeId);
    this.#stores.delete(storeId);
    this.#stores.set(storeId, this.#tick);
    if (heardTick === undefined || this.#tick - heardTick > SILENT_TICKS) this.#options.onLinked?.(member);
  }

  #bound(): void {
    for (const stores = this.#stores; stores.size > SITES_MAX; ) {
      const oldest = stores.keys().next();
      if (oldest.done !== true) stores.delete(oldest.value);
    }
    if (this.#records.size <= SITES_MAX) return;
    const oldest = this.#records.keys().next();
    if (oldest.done !== true) this.#drop(oldest.value);
  }

  #drop(site: string): void {
    this.#records.delete(site);
    this.#noted.delete(site);
    this.#skewed.delete(site);
    this.#gone.push(site);
  }

  #warnOfSkew({ site, skewMs }: Member): void {
    const isSkewed = skewMs !== undefined && Math.abs(skewMs) > SKEW_WARN_MS;
    if (!isSkewed) this.#skewed.delete(site);
    else if (!this.#skewed.has(site)) {
      this.#skewed.add(site);
      this.#options.logger.warn({ other: site, skewMs }, "another site's clock differs");
    }
  }
}

function notedHeartbeat(known: Pick<Heartbeat, 'site' | 'storeId' | 'address' | 'startedAtMs'>): Heartbeat {
  return {
    ...known,
    origin: 0,
    origins: [],
    lastSequence: 0,
    streams: {},
    outboxEmpty: false,
    applied: {},
    sources: {},
    missing: {},
    complete: false,
    loading: false,
    lacking: false,
    heard: {},
    delays: {},
    asks: {},
    formats: [1, 1],
  };
}
