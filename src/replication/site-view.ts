// What one site knows of all: who is there, in what state, and how far each is behind each other. For MQKV.SITES, MQKV.LAG, the admin HTTP.
import type { Member, Membership } from './membership.ts';
import type { Streams } from './streams.ts';

/** One site, this one included. */
export interface SiteState {
  readonly site: string;
  readonly storeId: string;
  /** HOST:PORT; empty: not known. */
  readonly address: string;
  readonly origins: readonly number[];
  readonly isSelf: boolean;
  /** Units: ms since it was last heard. */
  readonly silentMs: number;
  /** Units: Unix ms by its clock. */
  readonly startedAtMs: number;
  /** Units: ms that its clock is ahead of this site's; null: not known. */
  readonly skewMs: number | null;
  readonly outboxEmpty: boolean;
  readonly complete: boolean;
  readonly loading: boolean;
  /** It knows of something missing that a comparison will bring. */
  readonly lacking: boolean;
  /** Of its own processes: everything up to there is in the queue. */
  readonly streams: Readonly<Record<string, number>>;
  /** Of others' streams: everything up to there is in its store. */
  readonly applied: Readonly<Record<string, number>>;
}

/** How far one site is behind another. */
export interface SiteLag {
  readonly from: string;
  readonly to: string;
  /** Units: ms; null: not known. */
  readonly ms: number | null;
  /** Messages in the queue that it has not applied. */
  readonly envelopes: number;
}

/** This site as its heartbeat tells of it. */
export type OwnState = Omit<SiteState, 'isSelf' | 'silentMs' | 'skewMs'>;

/** All sites, this one first. */
export function siteStates(self: OwnState, membership: Membership): SiteState[] {
  return [
    { ...self, isSelf: true, silentMs: 0, skewMs: 0 },
    ...membership.members().map((member) => ({
      site: member.site,
      storeId: member.storeId,
      address: member.address,
      origins: member.origins,
      isSelf: false,
      silentMs: member.silentMs,
      startedAtMs: member.startedAtMs,
      skewMs: member.skewMs ?? null,
      outboxEmpty: member.outboxEmpty,
      complete: member.complete,
      loading: member.loading,
      lacking: member.lacking,
      streams: member.streams,
      applied: member.applied,
    })),
  ];
}

/** How far this site is behind another. Units: ms. */
export function lagBehind(member: Member, streams: Streams): number {
  const behind = Math.max(0, ...Object.keys(member.streams).map((stream) => streams.behindMs(stream)));
  return Math.max(member.lagMs, behind, member.silentMs > SILENT_MS ? member.silentMs : 0);
}

/** Units: ms between heartbeats, and some more. */
const SILENT_MS = 2_500;

/** What `heard` of a heartbeat tells. Units: ms, by site. */
export function lagsHere(membership: Membership, streams: Streams): Record<string, number> {
  const lags: Record<string, number> = {};
  for (const member of membership.members()) lags[member.site] = lagBehind(member, streams);
  return lags;
}

/** Every pair of sites that this one knows of. Order: by `from`, then by `to`. */
export function siteLags(self: OwnState, membership: Membership, streams: Streams): SiteLag[] {
  const own = { ...self, heard: lagsHere(membership, streams) };
  const all = [own, ...membership.members()].toSorted((a, b) => (a.site < b.site ? -1 : 1));
  return all.flatMap((from) =>
    all
      .filter((to) => to.site !== from.site)
      .map((to) => ({
        from: from.site,
        to: to.site,
        ms: to.heard[from.site] ?? null,
        envelopes: behindOf(from.streams, to.applied),
      })),
  );
}

function behindOf(sent: Readonly<Record<string, number>>, applied: Readonly<Record<string, number>>): number {
  let behind = 0;
  for (const [stream, upTo] of Object.entries(sent)) behind += Math.max(0, upTo - (applied[stream] ?? 0));
  return behind;
}
