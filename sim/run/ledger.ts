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
  /** Since when: what another store has learned only then it may not have synced yet. Units: ms of the world. */
  keptSinceMs: number;
  /** false: every store that had it has lost it. */
  mustSurvive: boolean;
  /** The store that had it lost it when all others might have forgotten it: whether one of them ever had it is not known. */
  mayBeForgotten: boolean;
}

/** Units: ms of the world. */
export interface Times {
  readonly nowMs: number;
  /** The latest that any clock has shown: what had expired by then may have been freed, though clocks went back. */
  readonly latestMs: number;
  /** What had been ended long ago may have come back from where that was not known (DESIGN 3, forgetting). */
  readonly mayResurrect: boolean;
}

export class Ledger {
  readonly #entries = new Map<Latin1, Entry[]>();
  /** Entries that no store kept. */
  lost = 0;
  /** Units: ms. What shows nothing may be forgotten after so long. */
  readonly #keptMs: number;
  readonly #times: Times;

  constructor(keptMs: number, times: Times) {
    this.#keptMs = keptMs;
    this.#times = times;
  }

  get keys(): Iterable<Latin1> {
    return this.#entries.keys();
  }

  of(key: Latin1): readonly Entry[] {
    return this.#entries.get(key) ?? [];
  }

  record(key: Latin1, made: Pick<Entry, 'facts' | 'madeAtMs' | 'keeper'>): Entry {
    const entry: Entry = {
      key,
      ...made,
      keptSinceMs: made.madeAtMs,
      mustSurvive: true,
      mayBeForgotten: false,
    };
    const list = this.#entries.get(key);
    if (list === undefined) this.#entries.set(key, [entry]);
    else list.push(entry);
    return entry;
  }

  /** What a store that has come back answers for and does not hold, from before a time. Units: `untilMs` ms of the world. */
  missing(keeper: Keeper, untilMs: number): Entry | undefined {
    for (const list of this.#entries.values()) {
      for (const entry of list) {
        const isIts = entry.keeper === keeper && entry.mustSurvive && !entry.mayBeForgotten;
        const isSafe = entry.keptSinceMs < untilMs;
        const isThere = (): boolean =>
          this.#covers(keeper, entry) || this.#isFreed(keeper, entry) || this.#isResurrected(keeper, entry);
        if (isIts && isSafe && !isThere()) return entry;
      }
    }
    return undefined;
  }

  /** A store has lost some or all of what it held; `others` (itself as it is now among them) may have kept it. */
  lose(keeper: Keeper, others: readonly Keeper[]): void {
    for (const list of this.#entries.values()) {
      for (const entry of list) {
        if (entry.keeper !== keeper || !entry.mustSurvive) continue;
        if (this.#handOver(entry, others)) continue;
        entry.mustSurvive = false;
        this.lost++;
      }
    }
  }

  /** A store gives up its data: others that have it answer for it from now on. What none of them has stays as it is. */
  give(keeper: Keeper, others: readonly Keeper[]): void {
    for (const list of this.#entries.values()) {
      for (const entry of list) {
        if (entry.keeper === keeper && entry.mustSurvive) this.#handOver(entry, others);
      }
    }
  }

  /** Another store that has it, or may have forgotten it, answers for it from now on. false: there is none. */
  #handOver(entry: Entry, others: readonly Keeper[]): boolean {
    const holder = others.find((other) => this.#holds(other, entry));
    const heir = holder ?? this.#forgotten(entry, others);
    if (heir === undefined) return false;
    if (holder === undefined) entry.mayBeForgotten = true;
    if (entry.keeper !== heir) entry.keptSinceMs = this.#times.nowMs;
    entry.keeper = heir;
    return true;
  }

  /** Whether a store holds what an entry says, or newer; or may have forgotten it, since nothing that shows depends on it. */
  #covers(keeper: Keeper, entry: Entry): boolean {
    return this.#holds(keeper, entry) || this.#mayHaveForgotten(keeper, entry);
  }

  #holds(keeper: Keeper, entry: Entry): boolean {
    const held = keeper.facts(entry.key);
    if (held === undefined) return false;
    const now = keeper.nowMs();
    const latest = this.#times.latestMs;
    return addsNothing(held, entry.facts, now) || (latest > now && addsNothing(held, entry.facts, latest));
  }

  /** What is not held of it lay under an expiry that fired at some site, and was freed before another site prolonged it (DESIGN 3). */
  #isFreed(keeper: Keeper, { key, facts }: Entry): boolean {
    const held = keeper.facts(key);
    if (held === undefined) return false;
    const end = endOf([...held, ...this.of(key).flatMap((entry) => entry.facts)], this.#times.latestMs);
    const left = facts.filter((fact) => (fact.is !== 'part' && fact.is !== 'run') || fact.v >= end);
    return addsNothing(held, left, keeper.nowMs());
  }

  /** It was forgotten, and what it had ended came back. */
  #isResurrected(keeper: Keeper, { key, facts }: Entry): boolean {
    const held = keeper.facts(key);
    if (held === undefined || !this.#times.mayResurrect) return false;
    return addsNothing(held, unforgotten(facts, keeper.nowMs() - this.#keptMs), keeper.nowMs());
  }

  /**
   * Nothing that shows depends on an entry that is old: what hides it may be forgotten with it. `loser` has lost what it held: what it alone
   * still answers for excuses nothing, else two of its entries would excuse each other.
   */
  #mayHaveForgotten(keeper: Keeper, entry: Entry, loser?: Keeper): boolean {
    const held = keeper.facts(entry.key);
    if (held === undefined) return false;
    const now = keeper.nowMs();
    const isOld = ({ facts }: Entry): boolean =>
      newestOf(join(facts)) < BigInt(Math.max(0, now - this.#keptMs)) << 48n;
    if (!isOld(entry)) return false;
    const others = this.of(entry.key).filter(
      (one) => one !== entry && one.mustSurvive && one.keeper !== loser && isOld(one),
    );
    const known = [...held, ...others.flatMap(({ facts }) => facts.filter(showsNothing))];
    return viewText([...known, ...entry.facts], now) === viewText(known, now);
  }

  /** A store that may have forgotten an entry tells nothing alone: it may never have had it, nor what it ended, while another has. */
  #forgotten(entry: Entry, others: readonly Keeper[]): Keeper | undefined {
    const asked = others.filter((other) => other.facts(entry.key) !== undefined);
    const isForgotten = asked.every((other) => this.#mayHaveForgotten(other, entry, entry.keeper));
    return isForgotten ? asked[0] : undefined;
  }
}

/** Below it everything may have been freed: the end of the latest expiry that has fired anywhere, 0: none has. */
export function endOf(facts: readonly Fact[], latestMs: number): bigint {
  const fired = facts.filter((fact) => fact.is === 'expiry' && fact.at !== 0 && fact.at <= latestMs);
  let end = 0n;
  for (const fact of facts) {
    if (fact.is === 'expiry' && fired.includes(fact)) end = larger(end, BigInt(fact.at) << 48n);
    if (fact.is === 'reach' && fired.length > 0) end = larger(end, fact.v);
  }
  return end;
}

/** Without what ended other things before that time and shows nothing by itself, and without what it ended. Units: `beforeMs` Unix ms. */
export function unforgotten(facts: readonly Fact[], beforeMs: number): Fact[] {
  const endings = new Set(facts.filter((fact) => isOldEnding(fact, beforeMs)));
  const removed = new Map<string, bigint>();
  let floor = endOf([...endings], beforeMs);
  for (const fact of endings) {
    if (fact.is === 'clear' && fact.v > floor) floor = fact.v;
    if (fact.is === 'part' && fact.v > (removed.get(fact.reg) ?? 0n)) removed.set(fact.reg, fact.v);
  }
  return facts.filter((fact) => {
    if (fact.v < floor || endings.has(fact)) return false;
    return (fact.is !== 'part' && fact.is !== 'run') || fact.v >= (removed.get(fact.reg) ?? 0n);
  });
}

function isOldEnding(fact: Fact, beforeMs: number): boolean {
  if (fact.v >= BigInt(Math.max(0, beforeMs)) << 48n) return false;
  if (fact.is === 'expiry') return fact.at !== 0 && fact.at <= beforeMs;
  return fact.is === 'clear' || fact.is === 'reach' || (fact.is === 'part' && fact.value === null);
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

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
