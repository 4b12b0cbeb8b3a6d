// A world of sites that keep nothing but the definition's facts: what golden cases must show, without src/.
import {
  type Fact,
  factsOf,
  freed,
  isFired,
  join,
  newestOf,
  textOf,
  type View,
  versionOf,
  viewOf,
} from './definition.ts';
import { act, type Touched } from './definition-writes.ts';
import { decide, keysNamed } from './more-commands.ts';

type Facts = Map<string, Fact[]>;

interface Site {
  readonly origin: number;
  readonly facts: Facts;
  readonly had: Set<number>;
  skewMs: number;
}

/** Sites, clocks and deltas of one case; steps as the case language has them. */
export class DefinitionWorld {
  trueMs = 1200000;
  latestMs = 1200000;
  readonly sites: readonly Site[];
  /** One entry a command line; no facts: it changed nothing. */
  readonly deltas: { readonly site: number; readonly facts: Facts }[] = [];

  readonly #freesNamed: boolean;

  /** `freesNamed`: a command or merge leaves nothing that has expired of its keys, as Redis does. */
  constructor(sites: number, freesNamed = false) {
    this.#freesNamed = freesNamed;
    this.sites = Array.from({ length: sites }, (_, i) => ({
      origin: i + 1,
      facts: new Map(),
      had: new Set(),
      skewMs: 0,
    }));
  }

  now(index: number): number {
    return this.trueMs + this.site(index).skewMs;
  }

  site(index: number): Site {
    const site = this.sites[index];
    if (site === undefined) throw new Error(`no site ${index}`);
    return site;
  }

  facts(index: number, key: string): readonly Fact[] {
    return this.site(index).facts.get(key) ?? [];
  }

  view(index: number, key: string): View {
    return viewOf(join(this.facts(index, key)), this.now(index));
  }

  pass(ms: number): void {
    this.trueMs += ms;
    for (let i = 0; i < this.sites.length; i++) this.latestMs = Math.max(this.latestMs, this.now(i));
  }

  jump(index: number, ms: number): void {
    const site = this.site(index);
    site.skewMs = Math.max(-600000, Math.min(600000, site.skewMs + ms));
    this.latestMs = Math.max(this.latestMs, this.now(index));
  }

  run(index: number, commands: readonly (readonly string[])[]): void {
    const { origin, facts, had } = this.site(index);
    const now = this.now(index);
    let newest = 0n;
    for (const key of commands.flatMap(keysNamed)) {
      if (this.#freesNamed) this.freeKey(index, key);
      const held = newestOf(join(this.facts(index, key)));
      if (held > newest) newest = held;
    }
    const unit = { v: versionOf(now, origin, newest), now };
    const touched = new Map<string, Touched>();
    for (const command of commands) {
      for (const [key, effects] of decide(command, (k) => this.view(index, k), now)) {
        const list = [...this.facts(index, key)];
        const mark = touched.get(key) ?? { changed: false, all: false, registers: new Set<string>() };
        act(list, effects, unit, mark);
        touched.set(key, mark);
        facts.set(key, list);
      }
    }
    const made: Facts = new Map();
    for (const [key, { changed, all, registers }] of touched)
      if (changed) made.set(key, factsOf(join(this.facts(index, key)), all ? 'all' : registers));
    had.add(this.deltas.length);
    this.deltas.push({ site: index, facts: made });
  }

  deliver(number: number, to: number): void {
    const delta = this.deltas[number];
    if (delta === undefined) throw new Error(`no delta ${number}`);
    this.site(to).had.add(number);
    if (delta.site === to) return;
    for (const [key, facts] of delta.facts) this.merge(to, key, facts);
  }

  merge(to: number, key: string, facts: readonly Fact[]): void {
    this.freeKey(to, key);
    this.site(to).facts.set(key, [...this.facts(to, key), ...facts]);
    if (this.#freesNamed) this.freeKey(to, key);
  }

  deliverAll(from: number, to: number): void {
    for (const [i, delta] of this.deltas.entries()) if (delta.site === from) this.deliver(i, to);
  }

  sync(): void {
    for (let d = 0; d < this.deltas.length; d++)
      for (const [s, site] of this.sites.entries()) if (!site.had.has(d)) this.deliver(d, s);
  }

  free(index: number): void {
    for (const key of this.site(index).facts.keys()) this.freeKey(index, key);
  }

  freeKey(index: number, key: string): void {
    const { facts } = this.site(index);
    if (facts.has(key)) facts.set(key, freed(this.facts(index, key), this.now(index)));
  }

  /** All pairs exchange the keys that differ, until none does. */
  repair(): void {
    for (let round = 0; round < 20; round++) {
      let differ = false;
      for (let a = 0; a < this.sites.length; a++)
        for (let b = a + 1; b < this.sites.length; b++) if (this.repairPair(a, b)) differ = true;
      if (!differ) return;
    }
    throw new Error('repair does not come to an end');
  }

  repairPair(a: number, b: number): boolean {
    let differ = false;
    for (const key of new Set([...this.site(a).facts.keys(), ...this.site(b).facts.keys()])) {
      const left = join(this.facts(a, key));
      const right = join(this.facts(b, key));
      if (this.digest(a, key) === this.digest(b, key)) continue;
      differ = true;
      this.merge(a, key, factsOf(right, 'all'));
      this.merge(b, key, factsOf(left, 'all'));
    }
    return differ;
  }

  digest(index: number, key: string): string {
    const held = join(freed(this.facts(index, key), this.latestMs));
    if (isFired(held, this.latestMs) && viewOf(held, this.latestMs).type === 0) return '';
    const text = textOf(held);
    return text === textOf(join([])) ? '' : text;
  }
}
