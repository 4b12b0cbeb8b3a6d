// One unit at one site, beside the definition: its version, what it changed and what then shows (G3, G4).
import { keysNamed, decide } from '../../test/model/more-commands.ts';
import { act } from '../../test/model/definition-writes.ts';
import { type Fact, freed, join, newestOf, textOf, versionOf, viewOf } from '../../test/model/definition.ts';
import { Violation } from './violation.ts';

export interface CheckedUnit {
  readonly commands: readonly (readonly string[])[];
  readonly origin: number;
  /** Units: Unix ms. */
  readonly now: number;
  readonly before: ReadonlyMap<string, readonly Fact[]>;
  readonly after: ReadonlyMap<string, readonly Fact[]>;
  /** The store frees what has expired of the keys that a unit names along with it. */
  readonly isFreeing: boolean;
}

/** Errors: Violation where the store did something else than the definition. */
export function checkUnit({ commands, origin, now, before, after, isFreeing }: CheckedUnit): void {
  const facts = new Map([...before].map(([key, list]) => [key, [...list]]));
  const of = (key: string): Fact[] => facts.get(key) ?? [];
  let newest = 0n;
  for (const key of commands.flatMap(keysNamed)) {
    const held = newestOf(join(of(key)));
    if (held > newest) newest = held;
  }
  const unit = { v: versionOf(now, origin, newest), now };
  for (const command of commands) {
    for (const [key, effects] of decide(command, (k) => viewOf(join(of(k)), now), now)) {
      const touched = { changed: false, all: false, registers: new Set<string>() };
      act(of(key), effects, unit, touched);
    }
  }
  for (const [key, list] of after) {
    const text = (facts: readonly Fact[]): string => textOf(join(isFreeing ? freed(facts, now) : facts));
    const [held, defined] = [text(list), text(of(key))];
    if (held !== defined)
      throw new Violation(
        `G3: ${commands.map((c) => c.join(' ')).join('; ')} at ${now} on ${key}\nbefore: ${textOf(join(before.get(key) ?? []))}\nheld: ${held}\ndefinition: ${defined}`,
      );
  }
}
