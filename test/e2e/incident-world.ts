// A small stage for incidents: whole sites on virtual time, with exactly those faults that the test makes.
import { HORIZON_MS, seededRandom } from '../../src/base/index.ts';
import type { Host } from '../../sim/run/host.ts';
import { planOf, type StoreKind } from '../../sim/run/plan.ts';
import { Totals } from '../../sim/run/totals.ts';
import type { SiteProcess } from '../../sim/run/site-process.ts';
import { World } from '../../sim/run/world.ts';

/** How it is set. */
export interface Stage {
  readonly sites: number;
  /** Default: embedded. */
  readonly stores?: readonly StoreKind[];
  readonly horizonMs?: number;
  readonly latencyMsMax?: number;
}

/** Units: ms of virtual time between two looks. */
const STEP_MS = 100;

export class IncidentWorld {
  readonly world: World;

  private constructor({ sites, stores = ['embedded'], horizonMs = HORIZON_MS, latencyMsMax = 5 }: Stage) {
    const random = seededRandom(1);
    const plan = {
      ...planOf(random, stores),
      sites,
      stores,
      horizonMs,
      latencyMsMax,
      brokers: 1,
      hasPeers: true,
      maxMessageBytes: 1_048_576,
      faults: [],
    };
    this.world = new World({ seed: 1, plan, totals: new Totals(), random });
  }

  /** Resolves when all sites serve. */
  static async open(stage: Stage): Promise<IncidentWorld> {
    const opened = new IncidentWorld(stage);
    for (const host of opened.world.hosts) opened.world.start(host);
    await opened.until('all sites serve', () => opened.allServe());
    return opened;
  }

  host(index: number): Host {
    const host = this.world.hosts[index];
    if (host === undefined) throw new Error(`no host ${index}`);
    return host;
  }

  site(index: number): SiteProcess {
    const { process } = this.host(index);
    if (process === undefined) throw new Error(`site ${index} does not run`);
    return process;
  }

  allServe(): boolean {
    return this.world.hosts.every(({ process, isRemoved }) => isRemoved || process?.serves === true);
  }

  /** The raw reply of one command, with spaces between its words. */
  call(index: number, command: string): string {
    return this.site(index).execute([command.split(' ')]);
  }

  /** Time passes. Errors: what went wrong inside the world. */
  async pass(ms: number): Promise<void> {
    await this.world.scheduler.run(ms);
    if (this.world.failure !== undefined) throw this.world.failure;
  }

  /** Lets time pass until it holds. Units: ms of virtual time. Result: how long that took. */
  async until(what: string, holds: () => boolean, withinMs = 120_000): Promise<number> {
    for (let passed = 0; passed <= withinMs; passed += STEP_MS) {
      if (holds()) return passed;
      await this.pass(STEP_MS);
    }
    throw new Error(`not within ${withinMs} ms of virtual time: ${what}`);
  }

  /** What all running sites answer; undefined: they differ, or one does not serve. */
  common(command: string): string | undefined {
    if (!this.allServe()) return undefined;
    const replies = new Set(this.world.running().map((site) => site.execute([command.split(' ')])));
    return replies.size === 1 ? [...replies][0] : undefined;
  }

  /** Lets time pass until every site answers `reply`. */
  untilAll(command: string, reply: string, withinMs?: number): Promise<number> {
    const now = (): string =>
      this.world.hosts.map(({ process }) => process?.execute([command.split(' ')])).join(' ');
    const isSo = (): boolean => this.common(command) === reply;
    return this.until(`${command} is ${JSON.stringify(reply)} everywhere`, isSo, withinMs).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}; it is ${JSON.stringify(now())}`);
      },
    );
  }

  /** Nobody reaches that site, and it reaches nobody, the broker neither. */
  isolate(index: number): void {
    this.#ways(index, (from, to) => this.world.network.block(from, to));
  }

  heal(index: number): void {
    this.#ways(index, (from, to) => this.world.network.open(from, to));
  }

  #ways(index: number, act: (from: string, to: string) => void): void {
    const { node } = this.host(index);
    const { hosts, brokers } = this.world;
    const others = [...hosts.map((host) => host.node), ...brokers.map(({ name }) => name)];
    for (const other of others.filter((name) => name !== node)) {
      act(node, other);
      act(other, node);
    }
  }

  /** kill -9, and up again; resolves when it serves. */
  async restart(index: number): Promise<void> {
    this.world.kill(this.host(index));
    await this.pass(STEP_MS);
    await this.start(index);
  }

  async start(index: number): Promise<void> {
    this.world.start(this.host(index));
    await this.until(`site ${index} serves`, () => this.host(index).process?.serves === true);
  }

  /** The broker loses all that waits in it. */
  loseQueue(): void {
    for (const broker of this.world.brokers) {
      broker.stop(true);
      broker.start();
    }
  }

  /** Every message that the broker accepts is lost, or none any more. */
  loseAll(isLosing: boolean): void {
    for (const { faults } of this.world.brokers) faults.lost = isLosing ? 1_000 : 0;
  }

  close(): void {
    for (const { loop } of this.world.hosts) if (loop !== undefined) loop.isAlive = false;
  }
}

/** A bulk reply. */
export const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;
/** Nothing there. */
export const NIL = '$-1\r\n';
