// The checkers' memory: each fact that an acknowledged write made, at which store, and whether it must survive.
import type { Latin1 } from '../../src/base/index.ts';
import { type Fact, freed, join, newestOf, textOf } from '../../test/model/definition.ts';
import { viewText } from './held.ts';

/** A store as the ledger knows it: what it keeps, for as long as it does. */
export interface Keeper {
  readonly name: string;
  /** What it holds of a key; undefined: it cannot be asked now. */
  facts(key: Latin1): readonly Fact[] | undefined;
  /** Units: Unix ms by its clock. */
  nowMs(): number;
}

/** What one unit did to one key. */
export interface Entry {
  readonly key: Latin1;
  readonly facts: readonly Fact[];
  /** Units: ms of the world. */
  readonly madeAtMs: number;
  /** The store that answers for it. */
  keeper: Keeper;
  /** false: every store that had it has lost it. */
  mustSurvive: boolean;
}

export class Ledger {
  readonly #entries = new Map<Latin1, Entry[]>();
  /** Entries that no store kept. */
  lost = 0;
  /** Units: ms. What shows nothing may be forgotten after so long. */
  readonly #keptMs: number;
  readonly #latestMs: () => number;

  /** `latestMs`: the latest that any clock has shown (Units: Unix ms): what had expired by then may have been freed, though clocks went back. */
  constructor(keptMs: number, latestMs: () => number) {
    this.#keptMs = keptMs;
    this.#latestMs = latestMs;
  }

  get keys(): Iterable<Latin1> {
    return this.#entries.keys();
  }

  of(key: Latin1): readonly Entry[] {
    return this.#entries.get(key) ?? [];
  }

  record(key: Latin1, made: Pick<Entry, 'facts' | 'madeAtMs' | 'keeper'>): Entry {
    const entry: Entry = { key, ...made, mustSurvive: true };
    const list = this.#entries.get(key);
    if (list === undefined) this.#entries.set(key, [entry]);
    else list.push(entry);
    return entry;
  }

  /** What a store that has come back answers for and does not hold, from before a time. Units: `untilMs` ms of the world. */
  missing(keeper: Keeper, untilMs: number): Entry | undefined {
    for (const list of this.#entries.values()) {
      for (const entry of list) {
        const isIts = entry.keeper === keeper && entry.mustSurvive && entry.madeAtMs < untilMs;
        if (isIts && !this.#covers(keeper, entry)) return entry;
      }
    }
    return undefined;
  }

  /** A store has lost some or all of what it held; `others` (itself as it is now among them) may have kept it. */
  lose(keeper: Keeper, others: readonly Keeper[]): void {
    for (const list of this.#entries.values()) {
      for (const entry of list) {
        if (entry.keeper !== keeper || !entry.mustSurvive) continue;
        const holder = others.find((other) => this.#holds(other, entry)) ?? this.#forgotten(others, entry);
        if (holder === undefined) {
          entry.mustSurvive = false;
          this.lost++;
        } else entry.keeper = holder;
      }
    }
  }

  /** Whether a store holds what an entry says, or newer; or may have forgotten it, since nothing that shows depends on it. */
  #covers(keeper: Keeper, entry: Entry): boolean {
    return this.#holds(keeper, entry) || this.#mayHaveForgotten(keeper, entry);
  }

  #holds(keeper: Keeper, entry: Entry): boolean {
    const held = keeper.facts(entry.key);
    if (held === undefined) return false;
    const now = keeper.nowMs();
    const latest = this.#latestMs();
    return addsNothing(held, entry.facts, now) || (latest > now && addsNothing(held, entry.facts, latest));
  }

  /** Nothing that shows depends on an entry that is old: what hides it may be forgotten with it. */
  #mayHaveForgotten(keeper: Keeper, entry: Entry): boolean {
    const held = keeper.facts(entry.key);
    if (held === undefined) return false;
    const now = keeper.nowMs();
    const isOld = ({ facts }: Entry): boolean =>
      newestOf(join(facts)) < BigInt(Math.max(0, now - this.#keptMs)) << 48n;
    if (!isOld(entry)) return false;
    const others = this.of(entry.key).filter((one) => one !== entry && one.mustSurvive && isOld(one));
    const known = [...held, ...others.flatMap(({ facts }) => facts.filter(showsNothing))];
    return viewText([...known, ...entry.facts], now) === viewText(known, now);
  }

  /** A store that may have forgotten an entry tells nothing alone: it may never have had it, nor what it ended, while another has. */
  #forgotten(others: readonly Keeper[], entry: Entry): Keeper | undefined {
    const asked = others.filter((other) => other.facts(entry.key) !== undefined);
    return asked.every((other) => this.#mayHaveForgotten(other, entry)) ? asked[0] : undefined;
  }
}

/** What only hides. */
function showsNothing(fact: Fact): boolean {
  return fact.is !== 'run' && (fact.is !== 'part' || fact.value === null);
}

function addsNothing(held: readonly Fact[], facts: readonly Fact[], atMs: number): boolean {
  return textOf(join(freed([...held, ...facts], atMs))) === textOf(join(freed(held, atMs)));
}

/** The facts of `after` that are not in `before`: what a unit did, headers whole, as a delta carries them. */
export function changesOf(before: readonly Fact[], after: readonly Fact[]): Fact[] {
  const had = new Set(before.map(nameOf));
  return after.filter((fact) => (fact.is !== 'part' && fact.is !== 'run') || !had.has(nameOf(fact)));
}

/** Equal for equal facts about registers. */
export function nameOf(fact: Fact): string {
  if (fact.is === 'part') return `part ${fact.reg} ${fact.v} ${typeof fact.value} ${String(fact.value)}`;
  if (fact.is === 'run') return `run ${fact.reg} ${fact.v} ${fact.start} ${fact.total}`;
  return fact.is;
}
