// Up to when everything that any site wrote is applied at every site: what is dead and older may be forgotten early (DESIGN 3).
//
// Invariant  T1  A site is stable up to t when at its time t it had nothing to send, and everyone has applied all that it had sent. A site
//                that is loading, that knows of something missing, or that was not heard yet has applied nothing.
import type { Member, MemberRecord } from './member.ts';
import type { ByStream } from './heartbeat.ts';

/** Reports remembered of one gateway. */
const REPORTS_MAX = 64;

/** At its time `atMs` a gateway had nothing to send, and all up to `streams` was in the queue. */
interface Report {
  readonly atMs: number;
  readonly streams: ByStream;
}

interface Progress {
  /** Order: the oldest first. */
  readonly reports: Report[];
  /** Units: Unix ms; 0: never. */
  stableMs: number;
}

/** This site, as its own heartbeats tell of it. */
export interface OwnProgress extends Report {
  readonly site: string;
  readonly isEmpty: boolean;
  /** Something is missing here, or being copied. */
  readonly isLacking: boolean;
  readonly applied: (stream: string) => number;
}

/** Watches reports; asked once a second. */
export class Stability {
  readonly #progress = new Map<string, Progress>();

  /** Units: Unix ms; 0: nothing is known. */
  stableBeforeMs(self: OwnProgress, members: readonly Member[], records: readonly MemberRecord[]): number {
    if (members.length === 0 || self.isLacking) return 0;
    if (members.some(({ loading, lacking, isNoted }) => loading || lacking || isNoted)) return 0;
    if (knowsOthers(self.site, members)) return 0;
    const has = (streams: ByStream, but: string): boolean => isApplied(streams, but, { self, members });
    const names = new Set<string>();
    let stableMs = this.#of(names, 'self', self.isEmpty ? self : undefined, (streams) => has(streams, ''));
    for (const record of records)
      for (const { heartbeat, sentAtMs } of record.gateways()) {
        const { streams, outboxEmpty } = heartbeat;
        const hasStreams = Object.keys(streams).length > 0;
        const report = outboxEmpty && hasStreams ? { atMs: sentAtMs, streams } : undefined;
        const name = `${record.storeId} ${Object.keys(streams).join(' ')}`;
        const atMs = this.#of(names, name, report, (of) => has(of, record.storeId));
        stableMs = Math.min(stableMs, atMs);
      }
    for (const name of this.#progress.keys()) if (!names.has(name)) this.#progress.delete(name);
    return stableMs;
  }

  #of(
    names: Set<string>,
    name: string,
    report: Report | undefined,
    has: (streams: ByStream) => boolean,
  ): number {
    names.add(name);
    const progress = this.#progress.get(name) ?? { reports: [], stableMs: 0 };
    this.#progress.set(name, progress);
    const { reports } = progress;
    if (report !== undefined && report.atMs > (reports.at(-1)?.atMs ?? progress.stableMs))
      reports.push({ atMs: report.atMs, streams: report.streams });
    const newest = reports.findLastIndex(({ streams }) => has(streams));
    const found = reports[newest];
    if (found !== undefined) {
      progress.stableMs = found.atMs;
      reports.splice(0, newest + 1);
    }
    if (reports.length > REPORTS_MAX) thin(reports);
    return progress.stableMs;
  }
}

/** T1. `but`: the store that sent them; '': this one. */
function isApplied(
  streams: ByStream,
  but: string,
  { self, members }: { readonly self: OwnProgress; readonly members: readonly Member[] },
): boolean {
  return Object.entries(streams).every(
    ([stream, upTo]) =>
      (but === '' || self.applied(stream) >= upTo) &&
      members.every(({ storeId, applied }) => storeId === but || (applied[stream] ?? 0) >= upTo),
  );
}

/** A member hears of a site that this one does not. */
function knowsOthers(self: string, members: readonly Member[]): boolean {
  const known = new Set([self, ...members.map(({ site }) => site)]);
  return members.some(({ heard }) => Object.keys(heard).some((site) => !known.has(site)));
}

/** Lets go the report whose neighbours lie closest together: what stays is spread evenly. */
function thin(reports: Report[]): void {
  let [place, closestMs] = [1, Number.POSITIVE_INFINITY];
  for (let i = 1; i < reports.length - 1; i++) {
    const apartMs = reports[i + 1].atMs - reports[i - 1].atMs;
    if (apartMs < closestMs) [place, closestMs] = [i, apartMs];
  }
  reports.splice(place, 1);
}
