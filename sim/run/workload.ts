// What clients do: random units over a few keys of all types, counters with a list of what they count, and keys that live once.
import { below, type Random } from '../../src/base/index.ts';
import { type Fact, join, textOf, viewOf } from '../../test/model/definition.ts';
import { pick, randomUnit, type Unit } from './commands.ts';
import { changesOf, type Entry } from './ledger.ts';
import { checkUnit } from './local-check.ts';
import type { SiteProcess } from './site-process.ts';
import { Violation } from './violation.ts';
import type { World } from './world.ts';

/** A key that is written once, and perhaps deleted. */
export interface SingleKey {
  readonly key: string;
  readonly value: string;
  /** Units: Unix ms; 0: no TTL. */
  readonly at: number;
  readonly written: Entry;
  deleted: Entry | undefined;
}

/** One increment, as the member of a set written in the same unit. */
export interface Counted {
  readonly counter: number;
  readonly member: string;
  /** What was added to the counter. */
  readonly added: Entry;
  /** The member of the set. */
  readonly entry: Entry;
}

/** How each counter counts. Amounts are multiples of 0.25, so that sums of doubles are exact. */
export const COUNTERS: readonly ((key: string, amount: string) => string[])[] = [
  (key, amount) => ['INCRBY', key, amount],
  (key, amount) => ['INCRBYFLOAT', key, amount],
  (key, amount) => ['HINCRBY', key, 'n', amount],
  (key, amount) => ['ZINCRBY', key, amount, 'n'],
];

export class Workload {
  readonly singles: SingleKey[] = [];
  readonly counted: Counted[] = [];
  readonly #world: World;
  readonly #random: Random;
  #isOver = false;
  #serial = 0;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.fork();
  }

  /** Begins: units at random times at random sites. */
  start(): void {
    const { scheduler, plan } = this.#world;
    scheduler.after(below(this.#random, (2 * 1000) / plan.rate), () => {
      if (this.#isOver) return;
      this.#step();
      this.start();
    });
  }

  end(): void {
    this.#isOver = true;
  }

  #step(): void {
    const { totals } = this.#world;
    const running = this.#world.running();
    if (running.length === 0) return totals.operation('nobody there');
    const process = pick(this.#random, running);
    if (!process.serves) return totals.operation('refused');
    try {
      const chance = below(this.#random, 10);
      if (chance < 5 && this.#isTogether()) for (const site of running) this.#together(site);
      else if (chance < 5) this.#general(process);
      else if (chance < 8) this.#count(process);
      else this.#single(process);
    } catch (error) {
      this.#world.failure ??= error;
    }
  }

  /** All sites at one moment: concurrent lives of a key. */
  #isTogether(): boolean {
    return this.#world.plan.theme === 'lives' && below(this.#random, 2) === 0;
  }

  #together(process: SiteProcess): void {
    if (process.serves) this.#general(process);
  }

  #general(process: SiteProcess): void {
    const { totals } = this.#world;
    const { theme, keys } = this.#world.plan;
    const unit = randomUnit(this.#random, theme, keys);
    totals.operation(unit.commands.length > 1 ? 'transaction' : (unit.commands[0]?.[0] ?? ''));
    const isFreedEarly = unit.keys.some((key) => this.#isFreedEarly(process, key));
    const { before, after } = this.#run(process, unit);
    if (isFreedEarly) return totals.check('unit on what a clock that was ahead had freed');
    checkUnit({
      commands: unit.commands,
      origin: process.under.store.origin,
      now: process.nowMs(),
      before,
      after,
      isFreeing: process.under.isFreeing,
    });
    totals.check('unit by the definition');
  }

  /**
   * A Redis frees by itself what expires, though its clock is ahead then and goes back (DESIGN 3, expiry): natively nothing lies there,
   * while the state goes on until it fires anew.
   */
  #isFreedEarly(process: SiteProcess, key: string): boolean {
    if (!process.under.isFreeing) return false;
    const facts = process.facts(key) ?? [];
    const nowMs = process.nowMs();
    const isBetween = (fact: Fact): boolean =>
      fact.is === 'expiry' && fact.at > nowMs && fact.at <= this.#world.latestMs;
    if (!facts.some(isBetween) || viewOf(join(facts), nowMs).type === 0) return false;
    return process.execute([['TYPE', key]]) === '+none\r\n';
  }

  /** Executes a unit and notes what it did. */
  #run(process: SiteProcess, { commands, keys }: Unit): Ran {
    const before = factsOf(process, keys);
    const replies = process.execute(commands);
    const after = factsOf(process, keys);
    const entries = keys.map((key) => {
      const [old, held] = [before.get(key) ?? [], after.get(key) ?? []];
      const madeAtMs = this.#world.scheduler.nowMs;
      return this.#world.ledger.record(key, {
        facts: changesOf(old, held),
        madeAtMs,
        keeper: process.keeper,
      });
    });
    return { before, after, replies, entries };
  }

  #count(process: SiteProcess): void {
    const counter = below(this.#random, COUNTERS.length);
    const amount = counter % 2 === 0 ? 1 + below(this.#random, 9) : (1 + below(this.#random, 20)) / 4;
    const member = `${++this.#serial}/${amount}`;
    const keys = [`c${counter}`, `m${counter}`];
    const add = COUNTERS[counter]?.(`c${counter}`, String(amount)) ?? [];
    const { replies, entries } = this.#run(process, {
      commands: [add, ['SADD', `m${counter}`, member]],
      keys,
    });
    this.#world.totals.operation('count');
    if (replies.includes('-ERR')) throw new Violation(`a counter was refused: ${replies}`);
    const [added, entry] = entries;
    if (added !== undefined && entry !== undefined) this.counted.push({ counter, member, added, entry });
  }

  #single(process: SiteProcess): void {
    const alive = this.singles.filter(({ deleted }) => deleted === undefined);
    if (alive.length > 0 && below(this.#random, 3) === 0) this.#delete(process, pick(this.#random, alive));
    else this.#write(process);
  }

  #write(process: SiteProcess): void {
    const key = `o:${++this.#serial}`;
    const value = `v${this.#serial}`;
    const ttlMs = below(this.#random, 3) === 0 ? 300 + below(this.#random, 20_000) : 0;
    const at = ttlMs === 0 ? 0 : process.nowMs() + ttlMs;
    const ttl = ttlMs === 0 ? [] : ['PX', String(ttlMs)];
    const { entries } = this.#run(process, { commands: [['SET', key, value, ...ttl]], keys: [key] });
    this.#world.totals.operation('single key written');
    if (entries[0] !== undefined)
      this.singles.push({ key, value, at, written: entries[0], deleted: undefined });
    this.#expect(process, key, value);
  }

  #delete(process: SiteProcess, single: SingleKey): void {
    const { key } = single;
    const { before, after, replies, entries } = this.#run(process, { commands: [['DEL', key]], keys: [key] });
    this.#world.totals.operation('single key deleted');
    // A write whose answer was lost has been executed, if there was something to delete.
    const [old, held] = [before, after].map((facts) => textOf(join(facts.get(key) ?? [])));
    const isExecuted = replies === ':1\r\n' || (replies.startsWith('-UNCERTAIN') && held !== old);
    if (isExecuted) single.deleted = entries[0];
    this.#expect(process, key, undefined);
  }

  /** G4: a client reads its own write at once. */
  #expect(process: SiteProcess, key: string, value: string | undefined): void {
    const reply = process.execute([['GET', key]]);
    const expected = value === undefined ? '$-1\r\n' : `$${value.length}\r\n${value}\r\n`;
    this.#world.totals.check('own write read');
    if (reply !== expected)
      throw new Violation(`G4: ${key} shows ${reply} to the client that wrote ${value}`);
  }
}

interface Ran {
  readonly before: ReadonlyMap<string, readonly Fact[]>;
  readonly after: ReadonlyMap<string, readonly Fact[]>;
  readonly replies: string;
  readonly entries: readonly Entry[];
}

function factsOf(process: SiteProcess, keys: readonly string[]): Map<string, readonly Fact[]> {
  return new Map(keys.map((key) => [key, process.facts(key) ?? []]));
}
