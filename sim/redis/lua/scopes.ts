// Names of compiled Lua: each local is a JavaScript name of its own; what nobody declared is global.

/** The locals of a block and of those around it. */
export class Scope {
  readonly #names = new Map<string, string>();
  readonly #outer: Scope | undefined;
  readonly #counter: { last: number };

  constructor(outer?: Scope) {
    this.#outer = outer;
    this.#counter = outer === undefined ? { last: 0 } : outer.#counter;
  }

  /** A name for a new local; from now on the Lua name means it. */
  declare(name: string): string {
    const made = this.fresh(name);
    this.#names.set(name, made);
    return made;
  }

  /** A name that no local has. */
  fresh(name = 't'): string {
    return `${name}$${++this.#counter.last}`;
  }

  /** undefined: global. */
  find(name: string): string | undefined {
    return this.#names.get(name) ?? this.#outer?.find(name);
  }
}
