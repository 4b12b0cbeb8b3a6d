// What goes wrong in a chaos run, and when: faults by a seeded schedule, or every process killed in turn.
import { below, type Random, sleep, systemClock } from '../../src/base/index.ts';
import { type Fault, faultsOf, killsOf } from './faults.ts';
import { eachServes, type World } from './world.ts';

/** Faults at a time. */
const TOGETHER_MAX = 4;
/** Units: ms. */
const PAUSE_MAX_MS = 2_500;
const LASTS_MAX_MS = 9_000;

/** Lets faults come and go. */
export class Nemesis {
  /** How often each kind was injected. */
  readonly counts = new Map<string, number>();
  readonly #world: World;
  readonly #random: Random;
  readonly #tell: (line: string) => void;
  readonly #stopping = new AbortController();
  readonly #busy = new Set<string>();
  readonly #running = new Set<Promise<void>>();

  constructor(world: World, random: Random, tell: (line: string) => void) {
    this.#world = world;
    this.#random = random;
    this.#tell = tell;
  }

  /** Faults by chance. Resolves after `seconds`, when all is mended and started again. */
  async runFor(seconds: number): Promise<void> {
    const timer = setTimeout(() => this.#stopping.abort(), seconds * 1_000);
    while (!this.#stopping.signal.aborted) {
      await this.#pause(300 + below(this.#random, PAUSE_MAX_MS));
      const fault = this.#choose();
      const lastsMs = 200 + below(this.#random, LASTS_MAX_MS);
      if (fault === undefined || this.#stopping.signal.aborted) continue;
      const running = this.#inject(fault, lastsMs).finally(() => this.#running.delete(running));
      this.#running.add(running);
    }
    clearTimeout(timer);
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** kill -9 of each process in turn, `rounds` times; the next one when all sites serve again. */
  async killEach(rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round++)
      for (const fault of killsOf(this.#world, this.#random)) {
        await this.#pause(below(this.#random, 400));
        await this.#inject(fault, below(this.#random, 500));
        await eachServes(this.#world.sites);
      }
  }

  #choose(): Fault | undefined {
    const all = faultsOf(this.#world, this.#random);
    const fault = all[below(this.#random, all.length)];
    if (this.#running.size >= TOGETHER_MAX) return undefined;
    return fault?.targets.some((target) => this.#busy.has(target)) === false ? fault : undefined;
  }

  async #inject(fault: Fault, lastsMs: number): Promise<void> {
    for (const target of fault.targets) this.#busy.add(target);
    this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
    this.#tell(`${Date.now()} ${fault.kind} ${fault.targets.join(' ')} for ${lastsMs} ms`);
    await fault.begin();
    await this.#pause(lastsMs);
    await fault.end();
    this.#tell(`${Date.now()} over: ${fault.kind} ${fault.targets.join(' ')}`);
    for (const target of fault.targets) this.#busy.delete(target);
  }

  async #pause(ms: number): Promise<void> {
    await sleep(systemClock, ms, this.#stopping.signal);
  }
}
