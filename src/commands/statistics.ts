// Counters for INFO and metrics.
import { HotCounts } from './hot.ts';

/** One command's numbers. Units: microseconds. */
export interface CommandCount {
  calls: number;
  microseconds: number;
  rejected: number;
  failed: number;
}

const NONE: CommandCount = { calls: 0, microseconds: 0, rejected: 0, failed: 0 };

const HOT_NAMES = ['get', 'set', 'incr', 'ping', 'mget', 'hset', 'sadd'] as const;

/** Counters of one gateway; all of them only grow until CONFIG RESETSTAT. */
export class Statistics {
  connectionsReceived = 0;
  commandsProcessed = 0;
  errors = 0;
  readonly #commands = new Map<string, CommandCount>();
  readonly #hot: HotCounts;

  constructor(hot = new HotCounts()) {
    this.#hot = hot;
  }

  /** The numbers of a command off the hot path, by lower-case name: the same object every time. */
  of(name: string): CommandCount {
    let count = this.#commands.get(name);
    if (count === undefined) {
      count = { ...NONE };
      this.#commands.set(name, count);
    }
    return count;
  }

  /** Every command called, those of the hot path (whose time is not measured) included. */
  commands(): ReadonlyMap<string, Readonly<CommandCount>> {
    const called = [...this.#commands].filter(
      ([, { calls, rejected, failed }]) => calls + rejected + failed > 0,
    );
    const all = new Map(called.map(([name, count]) => [name, { ...count }]));
    for (const name of HOT_NAMES) {
      if (this.#hot[name] === 0) continue;
      const held = all.get(name) ?? NONE;
      all.set(name, { ...held, calls: held.calls + this.#hot[name] });
    }
    return all;
  }

  /** Commands executed, and GETs and MGETs that found something or nothing. */
  totals(): { readonly commands: number; readonly hits: number; readonly misses: number } {
    let commands = this.commandsProcessed;
    for (const name of HOT_NAMES) commands += this.#hot[name];
    return { commands, hits: this.#hot.hits, misses: this.#hot.misses };
  }

  /** Zeroes everything. */
  reset(): void {
    this.connectionsReceived = 0;
    this.commandsProcessed = 0;
    this.errors = 0;
    for (const count of this.#commands.values()) Object.assign(count, NONE);
    Object.assign(this.#hot, new HotCounts());
  }
}
