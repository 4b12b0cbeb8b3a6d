// One seed: a world with faults and clients for a while, then it is mended, and must come to rest with everything in its place.
import { type Logger, messageOf, seededRandom } from '../../src/base/index.ts';
import { guardMachine } from '../world/guard.ts';
import { Checks } from './checks.ts';
import { Faults } from './faults.ts';
import { type Plan, planOf, type StoreKind } from './plan.ts';
import type { Totals } from './totals.ts';
import { Violation } from './violation.ts';
import { Workload } from './workload.ts';
import { World } from './world.ts';

/** Units: ms. The longest that sites may take to become equal once all faults are over: some slow comparisons. */
const SETTLE_MS_MAX = 60 * 60_000;
/** Units: ms that it may take without such a comparison: a gap asked for in vain, then repaired. */
const EVEN_MS_MAX = 180_000;
/** Units: ms without a request between sites, once they are equal, and in how many such times one must come. */
const REST_MS = 12_000;
/** Units: ms between two looks at whether a site is at rest; not a divisor of what it does regularly. */
const STILL_MS = 97;
const REST_WINDOWS_MAX = 40;
/** Units: ms in which all stores tell their fingerprints: a Redis may reconnect meanwhile. */
const COMPARED_STEP_MS = 1_000;
const COMPARED_MS_MAX = 30_000;

export interface SimulationOptions {
  readonly seed: number;
  /** Units: ms of simulated time with faults. */
  readonly durationMs: number;
  readonly stores: readonly StoreKind[];
  readonly totals: Totals;
  readonly trace?: (line: string) => void;
  readonly logger?: Logger;
  /** Changes what the seed decides, for tests of one thing. */
  readonly change?: (plan: Plan) => Plan;
}

/** Runs a seed. Result: what was violated; undefined: nothing. */
export async function simulate(options: SimulationOptions): Promise<string | undefined> {
  const unguard = guardMachine();
  const simulation = new Simulation(options);
  const unhandled = (error: unknown): void => simulation.fail(error);
  process.on('unhandledRejection', unhandled);
  try {
    await simulation.run();
    return undefined;
  } catch (error) {
    options.totals.violations++;
    return error instanceof Violation ? error.message : ((error as Error).stack ?? messageOf(error));
  } finally {
    process.off('unhandledRejection', unhandled);
    simulation.end();
    unguard();
  }
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #world: World;
  readonly #faults: Faults;
  readonly #workload: Workload;
  readonly #checks: Checks;

  constructor(options: SimulationOptions) {
    this.#options = options;
    const { seed, totals, stores, logger } = options;
    const random = seededRandom(seed);
    const planned = planOf(random, stores);
    const plan = options.change?.(planned) ?? planned;
    this.#world = new World({ seed, plan, totals, random, ...(logger === undefined ? {} : { logger }) });
    this.#faults = new Faults(this.#world, (line) => options.trace?.(line));
    this.#workload = new Workload(this.#world);
    this.#checks = new Checks(this.#world, this.#workload);
  }

  fail(error: unknown): void {
    this.#world.failure ??= error;
  }

  async run(): Promise<void> {
    const { plan, hosts, totals } = this.#world;
    this.#options.trace?.(JSON.stringify(plan));
    totals.seeds++;
    for (const host of hosts) this.#world.start(host);
    await this.#pass(1_000);
    this.#workload.start();
    this.#faults.start();
    for (let left = this.#options.durationMs; left > 0; left -= 1_000) {
      await this.#pass(Math.min(1_000, left));
      this.#checks.marks();
    }
    this.#workload.end();
    this.#faults.end();
    await this.#settle();
    this.#checks.all();
    await this.#rest();
    totals.simulatedMs += this.#world.elapsedMs;
  }

  /** Everything of it stops. */
  end(): void {
    for (const { loop } of this.#world.hosts) if (loop !== undefined) loop.isAlive = false;
  }

  async #pass(ms: number): Promise<void> {
    await this.#world.scheduler.run(ms);
    if (this.#world.failure !== undefined) throw this.#world.failure;
  }

  async #settle(): Promise<void> {
    let passed = 0;
    let isEarly = !this.#world.wasInterrupted;
    for (let step = 1_000; passed < SETTLE_MS_MAX; step = Math.min(step + 500, 10_000)) {
      await this.#pass(step);
      passed += step;
      if (isEarly && passed > EVEN_MS_MAX) {
        const late = this.#checks.difference(true);
        if (late !== undefined) throw new Violation(`not equal ${passed} ms after the last fault: ${late}`);
        isEarly = false;
      }
      if (this.#checks.difference() === undefined) {
        this.#options.trace?.(`equal ${passed} ms after the faults`);
        this.#world.totals.check(
          passed <= 30_000 ? 'equal within 30 s' : passed <= 120_000 ? 'equal within 2 min' : 'equal later',
        );
        return;
      }
    }
    throw new Violation(`not equal ${SETTLE_MS_MAX} ms after the last fault: ${this.#checks.difference()}`);
  }

  /**
   * Once equal, sites stay so, and after a while ask each other nothing more. What a broker or a stopped process still had on its way may
   * reach one of them first: they become equal anew, in the time they had before.
   */
  async #rest(): Promise<void> {
    let windows = 0;
    for (
      let asked = -1;
      asked !== this.#asked() || this.#world.brokers.some(({ late }) => late > 0);
      windows++
    ) {
      if (windows > REST_WINDOWS_MAX) throw new Violation(`equal sites go on asking each other`);
      asked = this.#asked();
      await this.#pass(REST_MS);
    }
    if (this.#checks.difference() !== undefined) await this.#settle();
    const difference = this.#checks.difference();
    if (difference !== undefined) throw new Violation(`G2: equal, and then no longer: ${difference}`);
    this.#checks.all();
    await this.#stillness();
    const compared = { isDone: false };
    this.#world.watch(
      this.#checks.fingerprints().then(() => {
        compared.isDone = true;
      }),
    );
    for (let passed = 0; !compared.isDone; passed += COMPARED_STEP_MS) {
      if (passed >= COMPARED_MS_MAX) throw new Violation('a comparison does not end');
      await this.#pass(COMPARED_STEP_MS);
    }
  }

  /** G6, at rest: each site has moments at which nothing waits and nothing is under way (heartbeats and slow comparisons go on). */
  async #stillness(): Promise<void> {
    for (const site of this.#world.running()) {
      let unrest = this.#checks.unrest(site);
      for (let passed = 0; unrest !== undefined; unrest = this.#checks.unrest(site)) {
        if (passed > REST_MS) throw new Violation(`G6: ${unrest}`);
        await this.#pass(STILL_MS);
        passed += STILL_MS;
      }
    }
  }

  #asked(): number {
    let asked = 0;
    for (const site of this.#world.running()) asked += site.asked;
    return asked;
  }
}
