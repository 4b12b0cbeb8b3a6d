// The streams of other sites' processes: what of each is applied here, what is missing, and what was applied a while ago.
import { type Clock, MISSING_ASKED_MAX, STREAMS_MAX } from '../base/index.ts';
import type { Range } from './sequence-set.ts';
import { type Lost, StreamWindow, TICK_MS } from './stream-window.ts';

/** Ticks without a word after which heartbeats leave a stream out. */
const RECENT_TICKS = (10 * 60_000) / TICK_MS;
/**
 * Horizons of silence after which a stream is forgotten. Nothing of it comes any more after one; a site back after a long absence is
 * told for some more whether everything that it got then has arrived here, too.
 */
export const KEPT_HORIZONS = 8;
/** Ticks between two memories of what was applied, and how many are kept: half a minute. */
const HISTORY_TICKS = 4;
const HISTORY = 16;
/** Ranges above the floor that a note remembers of one stream; what is in others comes once more after a restart. */
const NOTED_RANGES_MAX = 32;
/** How names of the notes begin. */
const NOTE = 'applied:';

// note of a stream := "applied:" stream, floor ("," from "-" to)* ["!" above "-" upTo, of what was lost] ";" origin ";" heardAtMs ";" site

/** Counts by stream. */
export type Applied = Record<string, number>;

export interface StreamsOptions {
  readonly clock: Clock;
  /** Units: ms. A stream not heard for KEPT_HORIZONS times as long is forgotten. */
  readonly horizonMs: number;
  /** Messages of a stream are lost for good. */
  readonly onLost: (stream: string, window: StreamWindow) => void;
}

/** What is applied, by stream. Order of everything that is listed: the least recently heard stream first. */
export class Streams {
  readonly #options: StreamsOptions;
  readonly #windows = new Map<string, StreamWindow>();
  readonly #history: { readonly tick: number; readonly applied: Applied }[] = [];
  /** Streams that have gone since the notes were written. */
  #gone: string[] = [];
  #tick = 0;
  gaps = 0;
  lost = 0;

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  has(stream: string, sequence: number): boolean {
    return this.hasAll(stream, sequence, sequence);
  }

  hasAll(stream: string, from: number, to: number): boolean {
    return this.#windows.get(stream)?.applied.hasAll(from, to) === true;
  }

  /** Everything up to there was sent, say a message or a heartbeat. */
  tell(stream: string, sequence: number): StreamWindow {
    const window = this.#heard(stream);
    window.tell(sequence);
    return window;
  }

  /** Messages are applied, here or at another gateway of this site. That is no word from the sender. */
  note(stream: string, from: number, to = from): void {
    this.#window(stream).note(from, to);
  }

  /** A fragment is staged; `first`: sequence of the first one. */
  hold(stream: string, first: number, sequence: number): void {
    this.#window(stream).hold(first, sequence, this.#tick);
  }

  /** What a site whose data has been taken over had applied: it is here as well. */
  adopt(applied: Readonly<Applied>): void {
    for (const [stream, upTo] of Object.entries(applied)) this.#window(stream).adopt(upTo);
  }

  /** Time goes on by TICK_MS. `isAsking` false: what is missing is not asked for yet. Result: whether something is to be asked for now. */
  tick(isAsking: boolean): boolean {
    this.#tick++;
    let isDue = false;
    for (const [stream, window] of this.#windows) {
      const lost = window.tick(this.#tick, isAsking);
      this.lost += lost;
      if (lost > 0) this.#options.onLost(stream, window);
      isDue ||= window.isDue(this.#tick);
    }
    this.#forget();
    if (this.#tick % HISTORY_TICKS === 0) {
      this.#history.push({ tick: this.#tick, applied: this.applied() });
      if (this.#history.length > HISTORY) this.#history.shift();
    }
    return isDue;
  }

  /** Messages overdue by stream, for the next heartbeat. At most MISSING_ASKED_MAX. */
  missing(): Record<string, number[]> {
    const missing: Record<string, number[]> = {};
    let room = MISSING_ASKED_MAX;
    for (const [stream, window] of this.#windows) {
      if (room <= 0) break;
      const sequences = window.due(this.#tick, room);
      if (sequences.length > 0) missing[stream] = sequences;
      room -= sequences.length;
    }
    this.gaps += MISSING_ASKED_MAX - room;
    return missing;
  }

  /** Of every stream, up to where all is here for certain (W3): what another store may adopt. */
  applied(): Applied {
    const applied: Applied = {};
    for (const [stream, window] of this.#windows) applied[stream] = window.vouched;
    return applied;
  }

  /** Of every stream, the greatest sequence of which something may be here. */
  newest(): Applied {
    const newest: Applied = {};
    for (const [stream, window] of this.#windows) newest[stream] = window.applied.newest;
    return newest;
  }

  /** What a message carried will not come; it counts as applied. */
  lose(stream: string, from: number, to: number): void {
    this.#window(stream).lose(from, to);
    this.lost++;
  }

  /** Sites whose streams, heard within so many ticks, have lost something that is not here yet (W3). */
  doubtfulSites(ticks: number): ReadonlySet<string> {
    const sites = new Set<string>();
    for (const { site, lost, heardTick } of this.#windows.values())
      if (lost !== undefined && this.#tick - heardTick <= ticks) sites.add(site);
    return sites;
  }

  /** The same of the streams lately heard, with their origins. */
  recent(): { readonly applied: Applied; readonly sources: Record<string, number> } {
    const applied: Applied = {};
    const sources: Record<string, number> = {};
    for (const [stream, window] of this.#windows) {
      if (this.#tick - window.heardTick > RECENT_TICKS) continue;
      applied[stream] = window.vouched;
      if (window.origin !== 0) sources[stream] = window.origin;
    }
    return { applied, sources };
  }

  /** Up to where all of one stream is here for certain. */
  appliedOf(stream: string): number {
    return this.#windows.get(stream)?.vouched ?? 0;
  }

  /** `applied` as it was at least so long ago; empty where that is not remembered. Units: ms. */
  appliedBefore(ageMs: number): Applied {
    const newest = this.#tick - Math.ceil(ageMs / TICK_MS);
    return this.#history.findLast(({ tick }) => tick <= newest)?.applied ?? {};
  }

  /** Sequences of a stream known and not applied. */
  behindOf(stream: string): number {
    return this.#windows.get(stream)?.behind ?? 0;
  }

  /** For how long something of a stream has been known and not applied. Units: ms. */
  behindMs(stream: string): number {
    return (this.#windows.get(stream)?.behindTicks(this.#tick) ?? 0) * TICK_MS;
  }

  /** What is here for certain (W3) of streams heard lately: what other gateways may not know. */
  recentRanges(ticks: number): Record<string, Range[]> {
    const ranges: Record<string, Range[]> = {};
    for (const [stream, { applied, lost, heardTick }] of this.#windows) {
      if (this.#tick - heardTick > ticks) continue;
      const all = rangesOf(applied);
      ranges[stream] = lost === undefined ? all : all.flatMap((range) => without(range, lost));
    }
    return ranges;
  }

  /** What has changed since the last call, as notes. */
  takeNotes(): Record<string, string> {
    const notes: Record<string, string> = {};
    for (const stream of this.#gone.splice(0)) notes[NOTE + stream] = '';
    for (const [stream, window] of this.#windows) {
      if (!window.isDirty) continue;
      window.isDirty = false;
      notes[NOTE + stream] = this.#noteOf(window);
    }
    return notes;
  }

  /** The notes could not be written: they are to be given again. */
  giveBack(): void {
    for (const window of this.#windows.values()) window.isDirty = true;
  }

  /** Takes over what notes remember, beside what is known. */
  restore(notes: ReadonlyMap<string, string>): void {
    for (const [name, text] of notes) {
      const note = name.startsWith(NOTE) ? decodeNote(text) : undefined;
      if (note === undefined) continue;
      const stream = name.slice(NOTE.length);
      const isKnown = this.#windows.has(stream);
      const window = this.#window(stream);
      window.restore(note.ranges, note.lost);
      if (isKnown) continue;
      window.site = note.site;
      window.origin = note.origin;
      window.heardTick -= Math.max(0, Math.round((this.#options.clock.now() - note.heardAtMs) / TICK_MS));
    }
  }

  /** The store went back: nothing that was applied is certain, what was sent still is. */
  reset(): void {
    this.#history.length = 0;
    const told = [...this.#windows].map(([stream, window]) => [stream, window] as const);
    this.#windows.clear();
    for (const [stream, { told: sequence, site, origin, heardTick }] of told) {
      const window = this.#window(stream);
      Object.assign(window, { site, origin, heardTick });
      window.tell(sequence);
    }
  }

  get size(): number {
    return this.#windows.size;
  }

  #heard(stream: string): StreamWindow {
    const window = this.#window(stream);
    window.heardTick = this.#tick;
    this.#windows.delete(stream);
    this.#windows.set(stream, window);
    return window;
  }

  #window(stream: string): StreamWindow {
    let window = this.#windows.get(stream);
    if (window !== undefined) return window;
    window = new StreamWindow(this.#tick);
    this.#windows.set(stream, window);
    if (this.#windows.size > STREAMS_MAX) {
      const oldest = this.#windows.keys().next();
      if (oldest.done !== true) this.#drop(oldest.value);
    }
    return window;
  }

  #drop(stream: string): void {
    this.#windows.delete(stream);
    this.#gone.push(stream);
  }

  #forget(): void {
    const oldest = this.#tick - (KEPT_HORIZONS * this.#options.horizonMs) / TICK_MS;
    for (const [stream, { heardTick }] of this.#windows) if (heardTick < oldest) this.#drop(stream);
  }

  #noteOf({ applied, lost, origin, site, heardTick }: StreamWindow): string {
    const [, ...ranges] = rangesOf(applied);
    const above = ranges.slice(0, NOTED_RANGES_MAX).map(([from, to]) => `,${from}-${to}`);
    const heardAtMs = this.#options.clock.now() - (this.#tick - heardTick) * TICK_MS;
    const doubt = lost === undefined ? '' : `!${lost.above}-${lost.upTo}`;
    return `${applied.floor}${above.join('')}${doubt};${origin};${heardAtMs};${site}`;
  }
}

/** The floor as a range from 1, and the ranges above it. */
function rangesOf(applied: StreamWindow['applied']): Range[] {
  return [[1, applied.floor], ...applied.ranges.map(([from, to]): Range => [from, to])];
}

/** What of a range was not lost. */
function without([from, to]: Range, { above, upTo }: Lost): Range[] {
  const parts: Range[] = [
    [from, Math.min(to, above)],
    [Math.max(from, upTo + 1), to],
  ];
  return parts.filter(([first, last]) => first <= last);
}

interface StreamNote {
  readonly ranges: readonly Range[];
  readonly lost: Lost | undefined;
  readonly origin: number;
  readonly heardAtMs: number;
  readonly site: string;
}

function decodeNote(text: string): StreamNote | undefined {
  const parts = /^(\d+)((?:,\d+-\d+)*)(?:!(\d+)-(\d+))?;(\d+);(\d+);(.*)$/.exec(text);
  if (parts === null) return undefined;
  const [, floor, above, lostAbove, lostUpTo, origin, heardAtMs, site] = parts;
  const ranges = above
    .split(',')
    .slice(1)
    .map((range): Range => {
      const [from, to] = range.split('-');
      return [Number(from), Number(to)];
    });
  return {
    ranges: [[1, Number(floor)], ...ranges],
    lost: lostUpTo === undefined ? undefined : { above: Number(lostAbove), upTo: Number(lostUpTo) },
    origin: Number(origin),
    heardAtMs: Number(heardAtMs),
    site,
  };
}
