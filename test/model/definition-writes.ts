// The definition's local writes: rules 1 to 8 of DESIGN section 3 on a list of facts (definition.ts).
import {
  type Content,
  type Effect,
  type Fact,
  floorOf,
  hit,
  isFired,
  join,
  originIn,
  type PartFact,
  type Seen,
  TOMB,
  type Total,
  type V,
  type View,
  viewOf,
} from './definition.ts';

/** What a unit did to a key. */
export interface Touched {
  changed: boolean;
  all: boolean;
  registers: Set<string>;
}

/** One command on one key as "Local writes" 1 to 8 say. `facts` is the site's own list and is changed. */
export function act(
  facts: Fact[],
  effects: readonly Effect[],
  unit: { v: V; now: number },
  touched: Touched,
): void {
  new Command(facts, unit, touched).run(effects);
}

class Command {
  readonly facts: Fact[];
  readonly v: V;
  readonly now: number;
  readonly touched: Touched;
  had: boolean;
  setsTtl = false;
  changed = false;
  overwrote = false;
  readonly shownBefore: View;

  constructor(facts: Fact[], unit: { v: V; now: number }, touched: Touched) {
    this.facts = facts;
    this.v = unit.v;
    this.now = unit.now;
    this.touched = touched;
    this.shownBefore = viewOf(join(facts), unit.now);
    this.had = this.shownBefore.ttlAt !== 0;
  }

  run(effects: readonly Effect[]): void {
    for (const effect of effects) this.apply(effect);
    if (!this.changed) return;
    this.touched.changed = true;
    const shows = viewOf(join(this.facts), this.now).ttlAt !== 0;
    const counts = this.overwrote ? this.setsTtl : this.setsTtl || this.had || shows;
    if (shows && !this.had && !this.setsTtl) hit('8: reach because it now shows a TTL');
    if (!counts) return;
    hit('8: reach');
    this.facts.push({ is: 'reach', v: this.v + 1n });
  }

  apply(effect: Effect): void {
    if (effect.do === 'put') this.put(effect.type, effect.field, effect.value);
    else if (effect.do === 'add') this.add(effect.type, effect.field, effect.by);
    else if (effect.do === 'remove') this.remove(effect.type, effect.field);
    else if (effect.do === 'overwrite') this.overwrite();
    else this.expire(effect.at);
  }

  /** Facts of this very unit that a later effect of it replaces. */
  retract(isGone: (f: Fact) => boolean): void {
    const kept = this.facts.filter((f) => !isGone(f));
    this.facts.length = 0;
    this.facts.push(...kept);
  }

  fold(): void {
    if (this.changed) return;
    this.changed = true;
    const h = join(this.facts);
    if (!isFired(h, this.now)) return;
    hit('1: fold');
    if (viewOf(h, this.now).type !== 0) hit('1: fold while something shows');
    this.facts.push({ is: 'clear', v: floorOf(h, this.now) });
  }

  seenAfter(name: string): Map<number, Seen> {
    const reg = join(this.facts).registers.get(name);
    const seen = new Map(reg?.part?.seen);
    for (const [origin, run] of reg?.runs ?? []) {
      if (origin === originIn(this.v)) continue;
      hit('2: run of another origin remembered');
      seen.set(origin, { start: run.start, total: run.total });
    }
    return seen;
  }

  write(name: string, value: Content | typeof TOMB): void {
    const seen = this.seenAfter(name);
    this.retract((f) => (f.is === 'part' || f.is === 'run') && f.reg === name && f.v === this.v);
    this.facts.push({ is: 'part', reg: name, v: this.v, value, seen });
    this.touched.registers.add(name);
  }

  put(type: number, field: string, value: Content): void {
    this.fold();
    this.write(`${type}:${field}`, value);
    this.stamp(type);
    this.rebirth();
  }

  remove(type: number, field: string): void {
    const shown = viewOf(join(this.facts), this.now);
    if (shown.type !== type || !shown.fields.has(field)) return;
    this.fold();
    hit('2: remove');
    this.write(`${type}:${field}`, TOMB);
  }

  add(type: number, field: string, by: Total): void {
    this.fold();
    const name = `${type}:${field}`;
    const own = join(this.facts).registers.get(name)?.runs.get(originIn(this.v));
    hit(own === undefined ? '3: run begun' : '3: run continued');
    const total = own === undefined ? by : plus(own.total, by);
    this.retract((f) => f.is === 'run' && f.reg === name && f.v === this.v);
    this.facts.push({ is: 'run', reg: name, v: this.v, start: own?.start ?? this.v, total });
    this.touched.registers.add(name);
    this.stamp(type);
    this.rebirth();
  }

  stamp(type: number): void {
    const old = join(this.facts).kind;
    this.retract((f) => f.is === 'kind' && f.v === this.v);
    this.facts.push({ is: 'kind', v: this.v, type });
    if (old.type === 0 || old.type === type) return;
    hit('4: change of type');
    this.facts.push({ is: 'clear', v: old.v });
  }

  rebirth(): void {
    const { expiry } = join(this.facts);
    if (this.overwrote || this.shownBefore.type !== 0 || expiry.at <= this.now) return;
    if (expiry.until !== 0n) {
      if (expiry.until < this.v) hit('7: until stays the first');
      return;
    }
    hit('7: until');
    this.facts.push({ is: 'expiry', v: expiry.v, at: expiry.at, until: this.v });
    this.touched.all = true;
  }

  overwrite(): void {
    this.fold();
    hit('5: overwrite');
    const h = join(this.facts);
    const tombs: PartFact[] = [];
    for (const [name] of h.registers) {
      const seen = this.seenAfter(name);
      if (seen.size > 0) tombs.push({ is: 'part', reg: name, v: this.v, value: TOMB, seen });
    }
    this.retract((f) => f.v === this.v || (f.is === 'reach' && f.v === this.v + 1n));
    this.facts.push({ is: 'clear', v: this.v }, ...tombs);
    if (tombs.length > 0) hit('5: tombstone with a seen');
    this.overwrote = true;
    this.setsTtl = false;
    this.touched.all = true;
  }

  expire(at: number): void {
    if (at !== 0 && at <= this.now) {
      hit('6: a time in the past');
      this.overwrite();
      return;
    }
    this.fold();
    hit(at === 0 ? '6: persist' : '6: expire');
    this.retract((f) => f.is === 'expiry' && f.v === this.v);
    this.facts.push({ is: 'expiry', v: this.v, at, until: 0n });
    if (at !== 0) this.setsTtl = true;
    this.touched.all = true;
  }
}

function plus(a: Total, b: Total): Total {
  return typeof a === 'bigint' && typeof b === 'bigint' ? a + b : Number(a) + Number(b);
}
