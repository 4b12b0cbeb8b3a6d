// The checkers after healing: all sites equal, nothing lost, nothing invented, nothing dead alive, sums exact, work at an end.
import { STABLE_MS } from '../../src/base/index.ts';
import { SETTLED } from '../../src/store/index.ts';
import { type Fact, join, textOf, viewOf } from '../../test/model/definition.ts';
import { commonText, viewText, withoutHiding } from './held.ts';
import { endOf, type Entry, nameOf, unforgotten } from './ledger.ts';
import type { SiteProcess } from './site-process.ts';
import { Violation } from './violation.ts';
import type { Workload } from './workload.ts';
import type { World } from './world.ts';

export class Checks {
  readonly #world: World;
  readonly #workload: Workload;

  constructor(world: World, workload: Workload) {
    this.#world = world;
    this.#workload = workload;
  }

  /**
   * What keeps the sites from being equal now; undefined: nothing. `isEarly`: what was freed too early may still differ, and what was
   * forgotten at one of them just before something newer came.
   */
  difference(isEarly = false): string | undefined {
    if (this.#world.stopping > 0) return `${this.#world.stopping} processes are stopping`;
    const sites = this.#world.running();
    const missing = this.#world.hosts.find(({ process, isRemoved }) => !isRemoved && process === undefined);
    if (missing !== undefined) return `${missing.node} does not run`;
    const loading = sites.find(({ serves }) => !serves);
    if (loading !== undefined) return `${loading.name} does not serve`;
    const atMs = this.#nowMs(sites);
    const { horizonMs } = this.#world.plan;
    const age = { atMs, keptMs: Math.min(STABLE_MS, horizonMs), horizonMs };
    const keys = new Set(sites.flatMap(({ under }) => [...under.allKeys()]));
    for (const key of keys) {
      if (isEarly && this.#mayBeFreed(key)) continue;
      const held = sites.map((site) => site.facts(key) ?? []);
      const texts = held
        .map((facts) => (isEarly ? withoutHiding(facts, atMs - age.keptMs) : facts))
        .map((facts) => commonText(facts, age));
      const other = texts.findIndex((text) => text !== texts[0]);
      if (other < 0) continue;
      return `${key} differs at ${atMs}\n${sites[0]?.name}: ${texts[0]}\n${sites[other]?.name}: ${texts[other]}`;
    }
    return undefined;
  }

  /** Something of it may have expired at a site: what was freed just before it was prolonged comes back by slow repair only. */
  #mayBeFreed(key: string): boolean {
    const isFired = (fact: Fact): boolean =>
      fact.is === 'expiry' && fact.at !== 0 && fact.at <= this.#world.latestMs;
    return this.#world.ledger.of(key).some(({ facts }) => facts.some(isFired));
  }

  /** G2 once more, by the stores' own fingerprints: those that count are the same everywhere. Errors: Violation. */
  async fingerprints(): Promise<void> {
    const sites = this.#world.running();
    const atMs = this.#nowMs(sites);
    const seen = new Map<string, string>();
    for (const { under, name } of sites) {
      await under.store.compare({ atMs }, (key) => {
        if (key.standing !== SETTLED) return;
        const print = `${key.slot} ${key.hash} ${key.low} ${key.high}`;
        const first = seen.get(key.key()) ?? print;
        seen.set(key.key(), first);
        this.#world.totals.check('fingerprint');
        if (
          first !== print &&
          !this.#hasExpired(key.key(), atMs) &&
          !this.#isForgottenAtHorizon(key.key(), atMs)
        )
          throw new Violation(`G2: fingerprint of ${key.key()} at ${name}: ${print}, elsewhere ${first}`);
      });
    }
  }

  /** While the stores were asked it expired, and one had freed it before it was asked. */
  #hasExpired(key: string, sinceMs: number): boolean {
    const isIn = (fact: Fact): boolean =>
      fact.is === 'expiry' && fact.at >= sinceMs && fact.at <= this.#world.latestMs;
    return this.#world.ledger.of(key).some(({ facts }) => facts.some(isIn));
  }

  /** A horizon shorter than STABLE_MS forgets what fingerprints count; then the states differ, in nothing else. */
  #isForgottenAtHorizon(key: string, atMs: number): boolean {
    const { horizonMs } = this.#world.plan;
    const age = { atMs, keptMs: STABLE_MS, horizonMs: STABLE_MS };
    const texts = this.#world.running().map((site) => commonText(site.facts(key) ?? [], age));
    return horizonMs < STABLE_MS && new Set(texts).size > 1;
  }

  /** Errors: Violation. */
  all(): void {
    const sites = this.#world.running();
    const difference = this.difference();
    if (difference !== undefined) throw new Violation(`G2: ${difference}`);
    this.#world.totals.check('sites equal');
    for (const key of this.#world.ledger.keys) this.#survival(key, sites);
    for (const site of sites) {
      this.#noInvention(site);
      this.#sums(site);
      this.#singles(site);
    }
  }

  #nowMs(sites: readonly SiteProcess[]): number {
    return Math.max(...sites.map((site) => site.nowMs()));
  }

  /** G3, G5: what must survive, applied to what a site holds, changes nothing that shows. */
  #survival(key: string, sites: readonly SiteProcess[]): void {
    const atMs = this.#nowMs(sites);
    const must = this.#world.ledger.of(key).filter(({ mustSurvive }) => mustSurvive);
    const facts = must.flatMap((entry) => entry.facts);
    const held = sites[0]?.facts(key) ?? [];
    this.#world.totals.check('key against all its writes');
    const shown = viewText(held, atMs);
    const expected = viewText([...held, ...facts], atMs);
    if (shown === expected) return this.#wholeState(key, held, facts);
    // What ended it is known elsewhere, and has expired: a site that lacks it need not be told.
    const known = sites.flatMap((site) => site.facts(key) ?? []);
    if (viewText([...known, ...facts], atMs) === shown)
      return this.#world.totals.check('ended by what has expired elsewhere');
    if (this.#isFreedEarly(held, facts, atMs) || this.#isResurrected(key, held, atMs)) return;
    if (this.#isForgottenWith(key, [...held, ...facts], { shown, atMs })) return;
    const sure = must.filter(({ mayBeForgotten }) => !mayBeForgotten);
    if (viewText([...held, ...sure.flatMap((entry) => entry.facts)], atMs) === shown)
      return this.#world.totals.check('lost when it might have been forgotten');
    const missing = must.filter((entry) => viewText([...held, ...entry.facts], atMs) !== shown);
    const whose = missing.map(({ keeper, madeAtMs }) => `${keeper.name} at ${madeAtMs}`).join(', ');
    throw new Violation(`G5: ${key} at ${atMs}\nshows    ${shown}\nexpected ${expected}\nof ${whose}`);
  }

  /** The same for all that is held, where nothing has been freed or forgotten yet. */
  #wholeState(key: string, held: readonly Fact[], facts: readonly Fact[]): void {
    const { elapsedMs, plan, latestMs, mayMiscount } = this.#world;
    if (mayMiscount || elapsedMs > Math.min(plan.horizonMs, STABLE_MS) / 2) return;
    const all = [...held, ...facts];
    if (all.some((fact) => fact.is === 'expiry' && fact.at !== 0 && fact.at <= latestMs)) return;
    this.#world.totals.check('state against all its writes');
    const [text, whole] = [textOf(join(held)), textOf(join(all))];
    if (text !== whole) throw new Violation(`G3: ${key} is held as\n${text}\nits writes are\n${whole}`);
  }

  /** What one site freed before another prolonged it may be gone (DESIGN 3, expiry). */
  #isFreedEarly(held: readonly Fact[], facts: readonly Fact[], atMs: number): boolean {
    const end = endOf([...held, ...facts], this.#world.latestMs);
    const names = new Set(held.map(nameOf));
    const left = facts.filter(
      (f) => (f.is !== 'part' && f.is !== 'run') || f.v >= end || names.has(nameOf(f)),
    );
    if (viewText(held, atMs) !== viewText([...held, ...left], atMs)) return false;
    this.#world.totals.check('freed before it was prolonged');
    return true;
  }

  /** A deletion that its store lost was on its way already: it ended what it names, and both were forgotten. */
  #isForgottenWith(
    key: string,
    known: readonly Fact[],
    { shown, atMs }: { readonly shown: string; readonly atMs: number },
  ): boolean {
    const keptMs = Math.min(STABLE_MS, this.#world.plan.horizonMs);
    const isOld = ({ madeAtMs }: Entry): boolean => this.#world.scheduler.nowMs - madeAtMs > keptMs;
    const lost = this.#world.ledger.of(key).filter((entry) => !entry.mustSurvive && isOld(entry));
    if (viewText([...known, ...lost.flatMap(({ facts }) => facts)], atMs) !== shown) return false;
    this.#world.totals.check('forgotten with a deletion that was lost later');
    return true;
  }

  /** What had been ended long ago came back from where that was not known (DESIGN 3, forgetting). */
  #isResurrected(key: string, held: readonly Fact[], atMs: number): boolean {
    if (!this.#world.mayResurrect) return false;
    const must = this.#world.ledger.of(key).filter(({ mustSurvive }) => mustSurvive);
    const left = unforgotten(
      must.flatMap(({ facts }) => facts),
      atMs - Math.min(STABLE_MS, this.#world.plan.horizonMs),
    );
    if (viewText(held, atMs) !== viewText([...held, ...left], atMs)) return false;
    this.#world.totals.check('came back after the horizon');
    return true;
  }

  /** Every part and increment that is held was written by somebody. */
  #noInvention(site: SiteProcess): void {
    for (const key of site.under.allKeys()) {
      const written = new Set(this.#world.ledger.of(key).flatMap(({ facts }) => facts.map(nameOf)));
      for (const fact of site.facts(key) ?? []) {
        if ((fact.is !== 'part' && fact.is !== 'run') || written.has(nameOf(fact))) continue;
        throw new Violation(`G3: ${key} at ${site.name} holds what nobody wrote: ${nameOf(fact)}`);
      }
    }
  }

  /** Each increment counts once: a counter is the sum of what the set written with it lists. */
  #sums(site: SiteProcess): void {
    const atMs = site.nowMs();
    for (let counter = 0; counter < 4; counter++) {
      const members = viewOf(join(site.facts(`m${counter}`) ?? []), atMs).fields;
      const all = this.#workload.counted.filter((one) => one.counter === counter);
      const [shown = '0'] = viewOf(join(site.facts(`c${counter}`) ?? []), atMs).fields.values();
      this.#world.totals.check('counter');
      // An increment and its member of the set are two keys: of what a store has lost, one may have come further than the other.
      const least = sumOf(all.filter(({ added }) => added.mustSurvive).map(({ member }) => member));
      const most = sumOf(all.map(({ member }) => member));
      if ((Number(shown) < least || Number(shown) > most) && !this.#world.mayMiscount)
        throw new Violation(
          `G5: c${counter} shows ${String(shown)} at ${site.name}, its increments are ${least} of ${most}`,
        );
      const lost = this.#workload.counted.find(
        (one) => one.counter === counter && one.entry.mustSurvive && !members.has(one.member),
      );
      if (lost !== undefined) throw new Violation(`G5: increment ${lost.member} is not at ${site.name}`);
    }
  }

  #singles(site: SiteProcess): void {
    for (const { key, value, at, written, deleted } of this.#workload.singles) {
      const reply = site.execute([['GET', key]]);
      // A Redis shows a key until its clock is beyond the time, not only up to it.
      const fires = site.under.isFreeing ? at + 1 : at;
      const isDead = deleted?.mustSurvive === true || (at !== 0 && fires <= site.nowMs());
      const mayLive = this.#world.mayResurrect && deleted !== undefined;
      this.#world.totals.check('single key');
      if (isDead && !mayLive && reply !== '$-1\r\n')
        throw new Violation(`dead ${key} returned at ${site.name}`);
      const isAlive = deleted === undefined && written.mustSurvive && (at === 0 || at > this.#world.latestMs);
      if (isAlive && reply !== `$${value.length}\r\n${value}\r\n`)
        throw new Violation(
          `G5: ${key} of ${written.keeper.name} shows ${JSON.stringify(reply)} at ${site.name}, its TTL ${at - site.nowMs()}`,
        );
    }
  }

  /** G6, at any time: a mark for each key at most. Errors: Violation. */
  marks(): void {
    for (const { under, name } of this.#world.running()) {
      // A Redis counts its keys once a second, and its marks by register.
      if (under.isFreeing) continue;
      const { keys, tombstones } = under.store.stats();
      const { pending } = under.store.outbox;
      if (pending > keys + tombstones)
        throw new Violation(`G6: ${pending} marks at ${name}, which holds ${keys + tombstones} keys`);
    }
  }

  /** What waits or is under way at a site now; undefined: nothing. */
  unrest(site: SiteProcess): string | undefined {
    const { outbox } = site.under.store;
    if (outbox.pending > 0) return `${outbox.pending} marks are left at ${site.name}`;
    const { inFlight, inFlightBytes } = site.replication.sender.stats();
    return inFlight > 0 || inFlightBytes > 0 ? `messages are still under way at ${site.name}` : undefined;
  }
}

/** Members name their amounts. */
function sumOf(members: Iterable<string>): number {
  let sum = 0;
  for (const member of members) sum += Number(member.split('/')[1]);
  return sum;
}
