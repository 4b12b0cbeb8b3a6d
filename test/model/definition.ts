// DESIGN section 3 a second time, as a definition: a site keeps every fact it was ever told and computes the state and
// what shows from the whole list. Nothing is incremental and nothing is shared with src/crdt. Versions are bigints here.

/** ms * 2^48 + counter * 2^32 + origin; the boundary above v is v + 1n; 0n: none. */
export type V = bigint;
export type Total = bigint | number;
export const TOMB = null;
/** string, hash: text; set: true; zset: a score. */
export type Content = string | true | number;

export interface Seen {
  readonly start: V;
  readonly total: Total;
}
export interface PartFact {
  readonly is: 'part';
  readonly reg: string;
  readonly v: V;
  readonly value: Content | typeof TOMB;
  readonly seen: ReadonlyMap<number, Seen>;
}
export interface RunFact {
  readonly is: 'run';
  readonly reg: string;
  readonly v: V;
  readonly start: V;
  readonly total: Total;
}
/** Something that a site was told of a key. A register is named `TYPE:FIELD`, TYPE one digit. */
export type Fact =
  | { readonly is: 'clear'; readonly v: V }
  | { readonly is: 'reach'; readonly v: V }
  | { readonly is: 'kind'; readonly v: V; readonly type: number }
  | { readonly is: 'expiry'; readonly v: V; readonly at: number; readonly until: V }
  | PartFact
  | RunFact;

/** What a list of facts amounts to. */
export interface Held {
  clear: V;
  kind: { v: V; type: number };
  expiry: { v: V; at: number; until: V };
  reach: V;
  registers: Map<string, { part: PartFact | undefined; runs: Map<number, RunFact> }>;
}

export interface View {
  /** 0: nothing shows. */
  readonly type: number;
  readonly fields: ReadonlyMap<string, Content>;
  /** Units: Unix ms; 0: none. */
  readonly ttlAt: number;
}

/** What one command does to one key. */
export type Effect =
  | { readonly do: 'put'; readonly type: number; readonly field: string; readonly value: Content }
  | { readonly do: 'remove'; readonly type: number; readonly field: string }
  | { readonly do: 'add'; readonly type: number; readonly field: string; readonly by: Total }
  | { readonly do: 'overwrite' }
  | { readonly do: 'expire'; readonly at: number };

/** How often each rule was at work, so that a random test can tell what it exercised. */
export const hits: Record<string, number> = {};
/** Counts a rule at work. */
export function hit(rule: string): void {
  hits[rule] = (hits[rule] ?? 0) + 1;
}

export const originIn = (v: V): number => Number(v & 0xffffffffn);
const typeIn = (reg: string): number => reg.charCodeAt(0) - 48;
const later = (a: V, b: V): V => (a > b ? a : b);

/** The version of a unit: DESIGN 3, "Version". */
export function versionOf(now: number, origin: number, newest: V): V {
  const fresh = (BigInt(now) << 48n) + BigInt(origin);
  return fresh > newest ? fresh : (((newest >> 32n) + 1n) << 32n) + BigInt(origin);
}

/** All facts at once: the merge of everything, by maxima over the whole list. */
export function join(facts: readonly Fact[]): Held {
  let kind = { v: 0n, type: 0 };
  for (const f of facts) if (f.is === 'kind' && f.v > kind.v) kind = { v: f.v, type: f.type };
  let clear = 0n;
  let reach = 0n;
  let expiry = { v: 0n, at: 0, until: 0n };
  for (const f of facts) {
    if (f.is === 'clear' || (f.is === 'kind' && f.type !== kind.type)) clear = later(clear, f.v);
    if (f.is === 'reach') reach = later(reach, f.v);
    if (f.is === 'expiry' && f.v > expiry.v) expiry = { v: f.v, at: f.at, until: 0n };
  }
  for (const f of facts) {
    const bounds = f.is === 'expiry' && f.v === expiry.v && f.until !== 0n;
    if (bounds && (expiry.until === 0n || f.until < expiry.until)) expiry.until = f.until;
  }
  if (kind.v < clear) kind = { v: 0n, type: 0 };
  if (expiry.v < clear) expiry = { v: 0n, at: 0, until: 0n };
  if (reach < clear) reach = 0n;
  return { clear, kind, expiry, reach, registers: joinRegisters(facts, clear, kind.type) };
}

function joinRegisters(facts: readonly Fact[], clear: V, type: number): Held['registers'] {
  const registers: Held['registers'] = new Map();
  for (const f of facts) {
    if ((f.is !== 'part' && f.is !== 'run') || f.v < clear) continue;
    if (typeIn(f.reg) !== type && (f.is === 'run' || f.value !== TOMB)) continue;
    let reg = registers.get(f.reg);
    if (reg === undefined) registers.set(f.reg, (reg = { part: undefined, runs: new Map() }));
    if (f.is === 'part') {
      if (reg.part === undefined || f.v > reg.part.v) reg.part = f;
    } else {
      const held = reg.runs.get(originIn(f.v));
      if (held === undefined || f.v > held.v) reg.runs.set(originIn(f.v), f);
    }
  }
  for (const reg of registers.values()) {
    for (const [origin, run] of reg.runs)
      if (reg.part !== undefined && run.v < reg.part.v) reg.runs.delete(origin);
  }
  return registers;
}

/** The greatest of everything held. */
export function newestOf(h: Held): V {
  let newest = later(later(h.clear, h.kind.v), later(h.expiry.v, h.reach));
  for (const { part, runs } of h.registers.values()) {
    if (part !== undefined) newest = later(newest, part.v);
    for (const run of runs.values()) newest = later(newest, run.v);
  }
  return newest;
}

export const isFired = (h: Held, now: number): boolean => h.expiry.at !== 0 && h.expiry.at <= now;

function endOf(h: Held): V {
  const end = later(h.reach, BigInt(h.expiry.at) << 48n);
  return h.expiry.until !== 0n && h.expiry.until < end ? h.expiry.until : end;
}

export function floorOf(h: Held, now: number): V {
  return isFired(h, now) ? later(h.clear, endOf(h)) : h.clear;
}

/** "What shows at time t." */
export function viewOf(h: Held, now: number): View {
  const floor = floorOf(h, now);
  const fields = new Map<string, Content>();
  let newestShown = 0n;
  if (h.kind.v >= floor && h.kind.type !== 0) {
    for (const [name, { part, runs }] of h.registers) {
      if (typeIn(name) !== h.kind.type) continue;
      const value = part !== undefined && part.v >= floor ? part : undefined;
      const live = [...runs.values()].filter((run) => run.v >= floor && run.v >= (value?.v ?? 0n));
      if (live.length === 0 && (value === undefined || value.value === TOMB)) continue;
      fields.set(name.slice(2), shownContent(value, live, h.kind.type));
      for (const x of [...(value ? [value] : []), ...live]) newestShown = later(newestShown, x.v);
    }
  }
  if (fields.size === 0) return { type: 0, fields, ttlAt: 0 };
  const isPending = h.expiry.at > now;
  if (isPending && newestShown >= endOf(h)) hit('ttl hidden by something at or above its end');
  return { type: h.kind.type, fields, ttlAt: isPending && newestShown < endOf(h) ? h.expiry.at : 0 };
}

function shownContent(part: PartFact | undefined, live: RunFact[], type: number): Content {
  const value = part?.value ?? undefined;
  if (live.length === 0 && value !== undefined) return value;
  const base = value === undefined ? 0n : numberOf(value);
  if (base === undefined) {
    hit('run on what is no number');
    return value as Content;
  }
  const parts: Total[] = [base];
  for (const run of [...live].sort((a, b) => originIn(a.v) - originIn(b.v))) {
    const seen = part?.seen.get(originIn(run.v));
    if (seen !== undefined && seen.start === run.start) hit('seen subtracted');
    parts.push(seen !== undefined && seen.start === run.start ? minus(run.total, seen.total) : run.total);
  }
  const sum = parts.every((x) => typeof x === 'bigint')
    ? clamp(parts.reduce((a, b) => a + b))
    : parts.map(Number).reduce((a, b) => a + b);
  return type === 4 ? Number(sum) : textIn(sum);
}

/** A number without an exponent (only large ones come up here). */
function textIn(sum: Total): string {
  const [digits = '', exponent] = String(sum).split('e+');
  if (exponent === undefined) return digits;
  const decimals = digits.split('.')[1]?.length ?? 0;
  return digits.replace('.', '') + '0'.repeat(Number(exponent) - decimals);
}

function numberOf(value: Content): Total | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string' || value === '' || !Number.isFinite(Number(value))) return undefined;
  const isInteger = /^-?\d+$/.test(value) && BigInt.asIntN(64, BigInt(value)) === BigInt(value);
  return isInteger ? BigInt(value) : Number(value);
}

function minus(a: Total, b: Total): Total {
  return typeof a === 'bigint' && typeof b === 'bigint' ? a - b : Number(a) - Number(b);
}

function clamp(x: bigint): bigint {
  const max = (1n << 63n) - 1n;
  if (x > max || x < -max - 1n) hit('sum clamped to 64 bits');
  return x > max ? max : x < -max - 1n ? -max - 1n : x;
}

/** "A store first frees what has expired by its own clock." */
export function freed(facts: readonly Fact[], now: number): Fact[] {
  const h = join(facts);
  if (!isFired(h, now)) return [...facts];
  const floor = floorOf(h, now);
  const kept = facts.filter((f) => (f.is !== 'part' && f.is !== 'run') || f.v >= floor);
  if (kept.length < facts.length) hit('freed');
  return kept;
}

/** The facts that a state is sent as: its header, and all registers or the named ones. */
export function factsOf(h: Held, registers: ReadonlySet<string> | 'all'): Fact[] {
  const facts: Fact[] = [];
  if (h.clear !== 0n) facts.push({ is: 'clear', v: h.clear });
  if (h.kind.type !== 0) facts.push({ is: 'kind', ...h.kind });
  if (h.expiry.v !== 0n) facts.push({ is: 'expiry', ...h.expiry });
  if (h.reach !== 0n) facts.push({ is: 'reach', v: h.reach });
  for (const [name, { part, runs }] of h.registers) {
    if (registers !== 'all' && !registers.has(name)) continue;
    if (part !== undefined) facts.push(part);
    facts.push(...runs.values());
  }
  return facts;
}

/** A state as text: equal states, equal text. */
export function textOf(h: Held): string {
  const lines: string[] = [];
  for (const [name, { part, runs }] of h.registers) {
    if (part === undefined && runs.size === 0) continue;
    const seen = [...(part?.seen ?? [])]
      .map(([o, s]) => `${o}/${s.start}/${typeof s.total}${s.total}`)
      .sort();
    const counted = [...runs.values()].map((r) => `${r.v}/${r.start}/${typeof r.total}${r.total}`).sort();
    const value =
      part === undefined
        ? 'no'
        : `${part.v} ${typeof part.value} ${String(part.value)} seen ${seen.join(',')}`;
    lines.push(`${name} = ${value} runs ${counted.join(',')}`);
  }
  const { v, at, until } = h.expiry;
  return `clear ${h.clear} kind ${h.kind.v}/${h.kind.type} expiry ${v}/${at}/${until} reach ${h.reach}\n${lines.sort().join('\n')}`;
}
