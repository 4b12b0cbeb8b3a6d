// What a store holds and shows, in the words of the independent definition (test/model), and one text that must be equal at all sites.
import { type Latin1, STABLE_MS } from '../../src/base/index.ts';
import type { KeyState } from '../../src/crdt/index.ts';
import { heldOf } from '../../test/model/bridge.ts';
import {
  type Fact,
  factsOf,
  freed,
  type Held,
  isFired,
  join,
  newestOf,
  type PartFact,
  textOf,
  type View,
  viewOf,
} from '../../test/model/definition.ts';

/** Facts by key. */
export type Facts = ReadonlyMap<Latin1, readonly Fact[]>;

/** The facts that a state amounts to. */
export function factsIn(state: KeyState | undefined): Fact[] {
  return state === undefined ? [] : factsOf(heldOf(state), 'all');
}

/** What shows, as text. Units: `atMs` Unix ms. */
export function viewText(facts: readonly Fact[], atMs: number): string {
  return textOfView(viewOf(join(facts), atMs));
}

function textOfView({ type, fields, ttlAt }: View): string {
  if (type === 0) return '-';
  const shown = [...fields].map(([field, value]) => `${field}=${String(value)}`).sort();
  return `${type} {${shown.join(', ')}}${ttlAt === 0 ? '' : ` until ${ttlAt}`}`;
}

/**
 * What two sites must agree on: the state after freeing at a common time; nothing for what may have been forgotten at one of
 * them: what shows nothing and is older than `keptMs`, and what values older than `horizonMs` have seen.
 */
export function commonText(
  facts: readonly Fact[],
  { atMs, keptMs, horizonMs }: { readonly atMs: number; readonly keptMs: number; readonly horizonMs: number },
): string {
  const held = join(freed(facts, atMs));
  const old = BigInt(Math.max(0, atMs - Math.min(keptMs, STABLE_MS))) << 48n;
  if (viewOf(held, atMs).type === 0 && (isFired(held, atMs) || newestOf(held) < old)) return '';
  const unseen = BigInt(Math.max(0, atMs - horizonMs)) << 48n;
  return textOf(withoutOld(held, { old, unseen }));
}

/**
 * A state without what only hides and may have been forgotten at one site before something newer came: that differs until a slow
 * comparison, and shows nothing. Units: `olderMs` Unix ms.
 */
export function withoutHiding(facts: readonly Fact[], olderMs: number): Fact[] {
  const old = BigInt(Math.max(0, olderMs)) << 48n;
  const runs = new Set(facts.flatMap((fact) => (fact.is === 'run' ? [`${fact.reg} ${fact.start}`] : [])));
  const counts = ({ reg, seen }: PartFact): boolean =>
    [...seen.values()].some(({ start }) => runs.has(`${reg} ${start}`));
  const hides = (fact: Fact): boolean =>
    (fact.is === 'clear' && fact.v < old) ||
    (fact.is === 'part' && fact.value === null && fact.v < old && !counts(fact));
  return facts.filter((fact) => !hides(fact));
}

/** Tombstones without increments may be forgotten one by one, and what values without increments have seen. */
function withoutOld(held: Held, { old, unseen }: { readonly old: bigint; readonly unseen: bigint }): Held {
  const registers: Held['registers'] = new Map();
  for (const [name, { part, runs }] of held.registers) {
    const isOld = part !== undefined && part.value === null && part.v < old && runs.size === 0;
    const hasSpent = part !== undefined && part.v < unseen && runs.size === 0;
    if (!isOld) registers.set(name, { part: hasSpent ? { ...part, seen: new Map() } : part, runs });
  }
  return { ...held, registers };
}
