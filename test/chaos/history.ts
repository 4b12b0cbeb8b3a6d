// What clients of a chaos run were told, kept so that a checker can say afterwards what must be there.
import type { Outcome } from './client.ts';
import type { LossSpan } from './site.ts';

/** A site as far as a history knows it. */
export interface Place {
  readonly name: string;
  readonly kind: string;
  readonly lossSpans: readonly LossSpan[];
}

/** One command at one site. */
export interface Attempt {
  readonly site: Place;
  readonly kind: Outcome['kind'];
  readonly reply: unknown;
  /** Units: Unix ms. */
  readonly startedMs: number;
  readonly endedMs: number;
}

/** Something that is written once under a name of its own, and perhaps removed. */
export interface Element {
  /** Shape: the words that read it, e.g. `GET u:1` or `HGET h:1 f1`. */
  readonly read: readonly string[];
  /** What reading it gives while it is there. */
  readonly value: string;
  readonly written: Attempt;
  readonly removals: Attempt[];
  /** Where and when (Unix ms) it was first seen at other sites. */
  readonly seen: Map<Place, number>;
  /** Units: ms of its TTL; undefined: none. */
  readonly ttlMs: number | undefined;
}

/** A key that many overwrite. */
export interface Register {
  readonly key: string;
  readonly writes: Map<string, Attempt>;
}

/** A key that is only incremented by one. */
export interface Counter {
  readonly key: string;
  readonly increments: Attempt[];
  readonly readings: { readonly site: Place; readonly atMs: number; readonly value: number }[];
}

/** Whether what a site acknowledged or showed at that time cannot be gone from it. */
export function keptAt(site: Place, atMs: number): boolean {
  return !site.lossSpans.some(({ fromMs, untilMs }) => fromMs <= atMs && atMs <= untilMs);
}

/** Acknowledged by a store that still has it. */
export function isKept({ site, kind, endedMs }: Attempt): boolean {
  return kind === 'ok' && keptAt(site, endedMs);
}

const ANOMALIES_MAX = 1_000;
const RECENT_MAX = 16;

/** A found violation. */
export interface Anomaly {
  readonly kind: string;
  readonly about: string;
  readonly history: readonly string[];
}

/** Everything that was done and told. */
export class History {
  readonly elements: Element[] = [];
  readonly registers = new Map<string, Register>();
  readonly counters = new Map<string, Counter>();
  /** The last commands on keys of which only is asked that all sites end alike. */
  readonly recent = new Map<string, string[]>();
  readonly anomalies: Anomaly[] = [];
  /** Of all commands. */
  readonly outcomes = { ok: 0, refused: 0, unknown: 0 };
  readonly commands = new Map<string, number>();
  readonly refusals = new Map<string, number>();
  /** Units: ms; the slowest answer of a site that was well. */
  slowestMs = 0;
  /** Answers that a site that was well gave while a link was cut. */
  answeredApart = 0;
  #serial = 0;

  serial(): number {
    return this.#serial++;
  }

  register(key: string): Register {
    const found = this.registers.get(key) ?? { key, writes: new Map() };
    this.registers.set(key, found);
    return found;
  }

  counter(key: string): Counter {
    const found = this.counters.get(key) ?? { key, increments: [], readings: [] };
    this.counters.set(key, found);
    return found;
  }

  remember(keys: readonly string[], line: string): void {
    for (const key of keys) {
      const lines = this.recent.get(key) ?? [];
      lines.push(line);
      if (lines.length > RECENT_MAX) lines.shift();
      this.recent.set(key, lines);
    }
  }

  count(name: string, outcome: Outcome): void {
    this.outcomes[outcome.kind]++;
    this.commands.set(name, (this.commands.get(name) ?? 0) + 1);
    if (outcome.kind === 'ok') return;
    const why = outcome.why.split(' ')[0] ?? '';
    this.refusals.set(why, (this.refusals.get(why) ?? 0) + 1);
  }

  anomaly(kind: string, about: string, history: readonly string[] = []): void {
    if (this.anomalies.length < ANOMALIES_MAX) this.anomalies.push({ kind, about, history });
  }
}

/** One line of a history. */
export function lineOf(what: string, { site, kind, reply, startedMs, endedMs }: Attempt): string {
  const kept = kind === 'ok' && !keptAt(site, endedMs) ? ', in a loss window' : '';
  return `${startedMs}..${endedMs} ${site.name} (${site.kind}) ${what}: ${kind} ${String(reply)}${kept}`;
}
