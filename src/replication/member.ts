// One other site, put together from the heartbeats of all its gateways.
import { Delays, Pace, skewOf } from './delays.ts';
import type { Heartbeat } from './heartbeat.ts';
import { TICK_MS } from './stream-window.ts';

/** Ticks after which a silent gateway's word on what is applied no longer counts beside another's: they beat once a second. */
const APPLIED_TICKS = 5_000 / TICK_MS;
/** Ticks after which a silent gateway is taken for gone. */
const GONE_TICKS = 60_000 / TICK_MS;

/** A site as last heard: its newest heartbeat, `streams`, `applied` and the rest put together from all its gateways. */
export interface Member extends Heartbeat {
  /** Units: Unix ms by this site's clock. */
  readonly heardAtMs: number;
  /** Units: ms without a word from it, by ticks. */
  readonly silentMs: number;
  /** Units: ms from sending to hearing, skew taken out where it is known. */
  readonly lagMs: number;
  /** Units: ms that its clock is ahead of this site's; undefined: not known. */
  readonly skewMs: number | undefined;
  /** Not heard since this process started: only what was noted before. */
  readonly isNoted: boolean;
}

/** A heartbeat and how it came. */
export interface Heard {
  readonly heartbeat: Heartbeat;
  /** The stream it came in: one a gateway. */
  readonly stream: string;
  readonly sequence: number;
  /** Units: Unix ms by the sender's clock. */
  readonly sentAtMs: number;
}

interface Gateway {
  heartbeat: Heartbeat;
  sequence: number;
  sentAtMs: number;
  heardTick: number;
  readonly pace: Pace;
}

/** What a site's gateways told. */
export class MemberRecord {
  readonly site: string;
  readonly storeId: string;
  readonly #gateways = new Map<string, Gateway>();
  readonly #delays = new Delays();
  /** Without those of a backlog. */
  readonly #clockDelays = new Delays();
  #newest: Heartbeat;
  heardAtMs: number;
  heardTick: number;
  isNoted: boolean;

  constructor(
    heartbeat: Heartbeat,
    { atMs, tick, isNoted }: { atMs: number; tick: number; isNoted: boolean },
  ) {
    this.site = heartbeat.site;
    this.storeId = heartbeat.storeId;
    this.#newest = heartbeat;
    this.heardAtMs = atMs;
    this.heardTick = tick;
    this.isNoted = isNoted;
  }

  /** Takes a heartbeat. false: a later one of the same gateway was heard before. */
  hear({ heartbeat, stream, sequence, sentAtMs }: Heard, nowMs: number, tick: number): boolean {
    const gateway = this.#gateways.get(stream);
    if (gateway !== undefined && gateway.sequence >= sequence) return false;
    this.#gateways.delete(stream);
    const pace = gateway?.pace ?? new Pace();
    this.#gateways.set(stream, { heartbeat, sequence, sentAtMs, heardTick: tick, pace });
    for (const [name, { heardTick }] of this.#gateways)
      if (tick - heardTick > GONE_TICKS) this.#gateways.delete(name);
    this.#delays.add(nowMs - sentAtMs);
    if (pace.isKept(sentAtMs, nowMs)) this.#clockDelays.add(nowMs - sentAtMs);
    this.#newest = heartbeat;
    this.heardAtMs = nowMs;
    this.heardTick = tick;
    this.isNoted = false;
    return true;
  }

  /** From the sending of its heartbeats to their hearing by the two clocks, without those of a backlog. Units: ms. */
  get delayMs(): number | undefined {
    return this.#clockDelays.medianMs;
  }

  /** Gateways heard lately, with when. Order: the one heard last comes last. */
  gateways(): readonly Readonly<Gateway>[] {
    return [...this.#gateways.values()];
  }

  /** The newest heartbeat, with what all gateways say. `self`: this site's name. */
  member(self: string, tick: number): Member {
    const all = [...this.#gateways.values()];
    const recent = all.filter(({ heardTick }) => this.heardTick - heardTick <= APPLIED_TICKS);
    const skewMs = skewOf(this.delayMs, this.#newest.delays[self]);
    const transit = (this.#delays.medianMs ?? 0) + (skewMs ?? 0);
    return {
      ...this.#newest,
      streams: greatest(all.map(({ heartbeat }) => heartbeat.streams)),
      applied: greatest(recent.map(({ heartbeat }) => heartbeat.applied)),
      outboxEmpty: recent.every(({ heartbeat }) => heartbeat.outboxEmpty),
      loading: recent.some(({ heartbeat }) => heartbeat.loading),
      lacking: recent.some(({ heartbeat }) => heartbeat.lacking),
      heardAtMs: this.heardAtMs,
      silentMs: (tick - this.heardTick) * TICK_MS,
      lagMs: Math.max(0, Math.round(transit)),
      skewMs,
      isNoted: this.isNoted,
    };
  }
}

/** The greatest number of each name. */
function greatest(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const result: Record<string, number> = {};
  for (const one of all)
    for (const [name, count] of Object.entries(one)) result[name] = Math.max(count, result[name] ?? 0);
  return result;
}
