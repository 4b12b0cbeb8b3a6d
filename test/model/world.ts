// A world of sites at merge level: each site runs src/crdt and the definition side by side on the same commands and
// deliveries, and throws where they differ. No store, no queue: only states, deltas and clocks.
import { bytesOf } from '../../src/base/index.ts';
import {
  DeltaWriter,
  decodeDeltas,
  digest,
  Edit,
  encodeDelta,
  free,
  KeyState,
  laterOf,
  merge,
  NONE,
  nextVersion,
  type ValueType,
  type Version,
} from '../../src/crdt/index.ts';
import { bigOf, checkBounds, crdtView, heldOf, same } from './bridge.ts';
import { effectsOf, keysOf } from './commands.ts';
import * as def from './definition.ts';
import { act, type Touched } from './definition-writes.ts';

/** Unix ms at which every case begins. */
export const START_MS = 1200000;

export interface SiteUnderTest {
  readonly origin: number;
  clockOffsetMs: number;
  readonly states: Map<string, KeyState>;
  readonly facts: Map<string, def.Fact[]>;
  /** Deltas that it has had or made. */
  readonly had: Set<number>;
}

export interface MadeDelta {
  readonly site: number;
  readonly bytes: Buffer;
  readonly facts: ReadonlyMap<string, readonly def.Fact[]>;
}

export interface Totals {
  commands: number;
  deliveries: number;
  merges: number;
  conflicts: number;
}

export class World {
  trueMs = START_MS;
  /** The latest that any site's clock has shown. */
  latestMs = START_MS;
  readonly sites: SiteUnderTest[] = [];
  /** One entry a command line; undefined: it changed nothing. */
  readonly deltas: (MadeDelta | undefined)[] = [];
  readonly totals: Totals = { commands: 0, deliveries: 0, merges: 0, conflicts: 0 };

  constructor(sites: number) {
    for (let i = 0; i < sites; i++) {
      this.sites.push({
        origin: i + 1,
        clockOffsetMs: 0,
        states: new Map(),
        facts: new Map(),
        had: new Set(),
      });
    }
  }

  pass(ms: number): void {
    this.trueMs += ms;
    for (let i = 0; i < this.sites.length; i++) this.nowAt(i);
  }

  /** The clock is never more than 600 s off the true time. */
  jump(site: number, ms: number): void {
    const s = this.site(site);
    s.clockOffsetMs = Math.max(-600000, Math.min(600000, s.clockOffsetMs + ms));
    this.nowAt(site);
  }

  nowAt(site: number): number {
    const now = this.trueMs + this.site(site).clockOffsetMs;
    this.latestMs = Math.max(this.latestMs, now);
    return now;
  }

  site(i: number): SiteUnderTest {
    return this.sites[i] as SiteUnderTest;
  }

  /** A command or a transaction at a site. */
  run(index: number, commands: readonly (readonly string[])[]): void {
    const now = this.nowAt(index);
    const unit = new Unit(this.site(index), commands, now);
    for (const command of commands) unit.command(command);
    this.totals.commands += commands.length;
    const made = unit.delta(index);
    if (made !== undefined) this.site(index).had.add(this.deltas.length);
    this.deltas.push(made);
  }

  /** A delta reaches a site; to its own site nothing happens. */
  deliver(delta: number, to: number): void {
    const made = this.deltas[delta];
    this.site(to).had.add(delta);
    if (made === undefined || made.site === to) return;
    this.totals.deliveries++;
    for (const { key, state } of decodeDeltas(made.bytes))
      this.mergeAt(to, key, state, made.facts.get(key) ?? []);
  }

  mergeAt(to: number, key: string, state: KeyState, facts: readonly def.Fact[]): void {
    const site = this.site(to);
    this.freeKey(to, key);
    const into = stateOf(site, key);
    const before = def.textOf(heldOf(into));
    const { changed, conflicts } = merge(into, state);
    this.totals.merges++;
    this.totals.conflicts += conflicts;
    site.facts.set(key, [...factsAt(site, key), ...facts]);
    const after = def.textOf(heldOf(into));
    same(`"changed" of a merge of ${key}`, String(changed), String(before !== after));
  }

  freeAll(site: number): void {
    for (const key of this.site(site).states.keys()) this.freeKey(site, key);
  }

  freeKey(index: number, key: string): void {
    const site = this.site(index);
    const now = this.nowAt(index);
    free(stateOf(site, key), now);
    site.facts.set(key, def.freed(factsAt(site, key), now));
  }

  sync(): void {
    for (let d = 0; d < this.deltas.length; d++) {
      for (let s = 0; s < this.sites.length; s++) if (!this.site(s).had.has(d)) this.deliver(d, s);
    }
  }

  /** Anti-entropy between all pairs until nothing differs. */
  repair(): void {
    for (let round = 0; round < 10; round++) {
      let isDifferent = false;
      for (let a = 0; a < this.sites.length; a++) {
        for (let b = 0; b < this.sites.length; b++) if (a !== b && this.repairFrom(a, b)) isDifferent = true;
      }
      if (!isDifferent) return;
    }
    throw new Error('repair does not come to an end');
  }

  repairFrom(from: number, to: number): boolean {
    let isDifferent = false;
    for (const key of this.site(from).states.keys()) {
      const theirs = digest(stateOf(this.site(from), key), this.latestMs);
      if (theirs === digest(stateOf(this.site(to), key), this.latestMs)) continue;
      isDifferent = true;
      const { bytes, facts } = wholeDelta(this.site(from), key);
      for (const { state } of decodeDeltas(bytes)) this.mergeAt(to, key, state, facts);
    }
    return isDifferent;
  }

  /** What a site shows of a key; both views must agree. */
  view(site: number, key: string): def.View {
    return viewAt(this.site(site), key, this.nowAt(site));
  }

  /** Everything held must agree, not only what shows. */
  check(): void {
    for (const site of this.sites) {
      for (const [key, state] of site.states) {
        const held = def.join(factsAt(site, key));
        same(`state of ${key} at origin ${site.origin}`, def.textOf(heldOf(state)), def.textOf(held));
        same(`newest of ${key}`, String(bigOf(state.newest)), String(def.newestOf(held)));
        checkBounds(state);
      }
    }
  }
}

/** A command or transaction under way at one site. */
class Unit {
  readonly site: SiteUnderTest;
  readonly now: number;
  readonly v: Version;
  readonly touched = new Map<string, Touched>();
  /** crdt's own account of what to send. */
  readonly marks = new Map<string, { whole: boolean; fields: Map<string, [ValueType, string]> }>();

  constructor(site: SiteUnderTest, commands: readonly (readonly string[])[], now: number) {
    this.site = site;
    this.now = now;
    const keys = new Set(commands.flatMap((command) => keysOf(command)));
    let newest = NONE;
    let definition = 0n;
    for (const key of keys) {
      newest = laterOf(newest, site.states.get(key)?.newest ?? NONE);
      const other = def.newestOf(def.join(factsAt(site, key)));
      if (other > definition) definition = other;
    }
    this.v = nextVersion(now, site.origin, newest);
    same('version of the unit', String(bigOf(this.v)), String(def.versionOf(now, site.origin, definition)));
  }

  command(args: readonly string[]): void {
    const { site, now } = this;
    const ours = effectsOf(args, (key) => viewAt(site, key, now), now);
    for (const [key, effects] of ours) {
      this.define(key, effects);
      this.edit(key, effects);
    }
  }

  define(key: string, effects: readonly def.Effect[]): void {
    let touched = this.touched.get(key);
    if (touched === undefined)
      this.touched.set(key, (touched = { changed: false, all: false, registers: new Set() }));
    const facts = [...factsAt(this.site, key)];
    act(facts, effects, { v: bigOf(this.v), now: this.now }, touched);
    this.site.facts.set(key, facts);
  }

  edit(key: string, effects: readonly def.Effect[]): void {
    const edit = new Edit(stateOf(this.site, key), this.v, this.now);
    for (const e of effects) applyTo(edit, e);
    const { changed, whole, fields } = edit.finish();
    if (!changed) return;
    let mark = this.marks.get(key);
    if (mark === undefined) this.marks.set(key, (mark = { whole: false, fields: new Map() }));
    mark.whole ||= whole;
    for (const [type, field] of fields) mark.fields.set(`${type}:${field}`, [type, field]);
  }

  delta(site: number): MadeDelta | undefined {
    const writer = new DeltaWriter();
    const facts = new Map<string, def.Fact[]>();
    for (const [key, touched] of this.touched) {
      if (!touched.changed) continue;
      const held = def.join(factsAt(this.site, key));
      facts.set(key, def.factsOf(held, touched.all ? 'all' : touched.registers));
    }
    for (const [key, { whole, fields }] of this.marks) {
      encodeDelta(writer, bytesOf(key), stateOf(this.site, key), whole ? 'whole' : [...fields.values()]);
    }
    const bytes = writer.take();
    for (const { key, state } of decodeDeltas(bytes)) {
      same(`delta of ${key}`, def.textOf(heldOf(state)), def.textOf(def.join(facts.get(key) ?? [])));
      checkBounds(state);
    }
    same('keys of the delta', [...this.marks.keys()].sort().join(), [...facts.keys()].sort().join());
    return facts.size === 0 ? undefined : { site, bytes, facts };
  }
}

function applyTo(edit: Edit, e: def.Effect): void {
  if (e.do === 'overwrite') edit.overwrite();
  else if (e.do === 'expire') edit.expire(e.at);
  else if (e.do === 'remove') edit.remove(e.type as ValueType, e.field);
  else if (e.do === 'add') edit.add(e.type as ValueType, e.field, e.by);
  else edit.put(e.type as ValueType, e.field, e.type === 1 ? bytesOf(e.value as string) : e.value);
}

function wholeDelta(site: SiteUnderTest, key: string): { bytes: Buffer; facts: def.Fact[] } {
  const writer = new DeltaWriter();
  encodeDelta(writer, bytesOf(key), stateOf(site, key), 'whole');
  return { bytes: writer.take(), facts: def.factsOf(def.join(factsAt(site, key)), 'all') };
}

export function stateOf(site: SiteUnderTest, key: string): KeyState {
  let state = site.states.get(key);
  if (state === undefined) site.states.set(key, (state = new KeyState()));
  return state;
}

function factsAt(site: SiteUnderTest, key: string): readonly def.Fact[] {
  return site.facts.get(key) ?? [];
}

function viewAt(site: SiteUnderTest, key: string, now: number): def.View {
  const ours = crdtView(stateOf(site, key), now);
  const theirs = def.viewOf(def.join(factsAt(site, key)), now);
  same(`view of ${key} at origin ${site.origin}`, viewText(ours), viewText(theirs));
  return ours;
}

function viewText(view: def.View): string {
  const fields = [...view.fields].map(([field, value]) => `${field}=${typeof value} ${String(value)}`).sort();
  return `${view.type} {${fields.join(' ')}} ${view.ttlAt}`;
}
