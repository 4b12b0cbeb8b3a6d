// What goes wrong in a world, and how it is mended.
import { below, type Random, STABLE_MS } from '../../src/base/index.ts';
import type { Broker } from '../world/broker.ts';
import { pick } from './commands.ts';
import type { FaultKind } from './plan.ts';
import type { Host } from './host.ts';
import { happenToRedis, isRedisFault, mendRedis, type RedisFaultKind } from './redis-faults.ts';
import { fillDisk, setBack } from './disk-faults.ts';
import type { World } from './world.ts';

/** Units: ms. */
const HOUR_MS = 3_600_000;

export class Faults {
  readonly #world: World;
  readonly #random: Random;
  readonly #trace: (line: string) => void;
  #isOver = false;

  constructor(world: World, trace: (line: string) => void) {
    this.#world = world;
    this.#random = world.fork();
    this.#trace = trace;
  }

  /** Begins: one fault after the other, each mended after a while. */
  start(): void {
    const { faults, faultEveryMs } = this.#world.plan;
    if (faults.length === 0) return;
    this.#world.scheduler.after(below(this.#random, 2 * faultEveryMs), () => {
      if (this.#isOver) return;
      this.#happen(pick(this.#random, faults));
      this.start();
    });
  }

  /** No more faults, and everything that can be mended is. */
  end(): void {
    this.#isOver = true;
    const { network, brokers, hosts } = this.#world;
    network.openAll();
    for (const broker of brokers) {
      Object.assign(broker.faults, { lost: 0, doubled: 0, late: 0, slowMs: 0, isFull: false });
      if (!broker.isUp) broker.start();
    }
    for (const host of hosts) {
      host.empty(this.#world.scheduler.nowMs);
      mendRedis(host, this.#world);
      this.#mend(host);
    }
  }

  #mend(host: Host): void {
    host.loop?.wake();
    if (host.isRival) this.#remove(host);
    else if (host.loop === undefined && !host.isRemoved) this.#world.start(host);
  }

  #remove(host: Host): void {
    if (host.isRemoved) return;
    host.isRemoved = true;
    this.#world.stop(host, () => {});
  }

  /** Units: ms that a fault lasts: mostly short, sometimes long. */
  #lastMs(): number {
    return below(this.#random, 4) === 0
      ? 5_000 + below(this.#random, 20_000)
      : 50 + below(this.#random, 4_000);
  }

  #for(ms: number, mend: () => void): void {
    this.#world.scheduler.after(ms, () => {
      if (!this.#isOver) mend();
    });
  }

  #happen(kind: FaultKind): void {
    if ((isRedisFault(kind) ? this.#redis(kind) : this[kind]()) === false) return;
    this.#world.totals.fault(kind);
    this.#trace(`${this.#world.elapsedMs} ${kind}`);
  }

  #redis(kind: RedisFaultKind): boolean {
    const hosts = this.#world.hosts.filter(({ redis, isRemoved }) => redis !== undefined && !isRemoved);
    const host = hosts.length === 0 ? undefined : pick(this.#random, hosts);
    return happenToRedis(kind, host, {
      world: this.#world,
      random: this.#random,
      lastMs: this.#lastMs(),
      later: (ms, mend) => this.#for(ms, mend),
    });
  }

  #broker(): Broker {
    return pick(this.#random, this.#world.brokers);
  }

  /** A host that runs; undefined: none. `keeps`: one that keeps its data. */
  #host(keeps = false): Host | undefined {
    const running = this.#world.hosts.filter(
      ({ process, isRival, disk }) => process !== undefined && !isRival && (disk !== undefined || !keeps),
    );
    return running.length === 0 ? undefined : pick(this.#random, running);
  }

  #nodes(): string[] {
    return this.#world.hosts.filter(({ isRemoved }) => !isRemoved).map(({ node }) => node);
  }

  lossy(): void {
    this.#rate('lost', [20, 100, 300, 1000]);
  }

  doubling(): void {
    this.#rate('doubled', [50, 300]);
  }

  late(): void {
    const broker = this.#broker();
    broker.faults.lateMsMax = pick(this.#random, [50, 500, 5_000, 20_000]);
    this.#rate('late', [50, 300, 1000], broker);
  }

  #rate(fault: 'lost' | 'doubled' | 'late', rates: readonly number[], broker = this.#broker()): void {
    broker.faults[fault] = pick(this.#random, rates);
    this.#for(this.#lastMs(), () => {
      broker.faults[fault] = 0;
    });
  }

  'slow queue'(): void {
    const broker = this.#broker();
    broker.faults.slowMs = pick(this.#random, [100, 1_000, 5_000]);
    this.#for(this.#lastMs(), () => {
      broker.faults.slowMs = 0;
    });
  }

  'full queue'(): void {
    const broker = this.#broker();
    broker.faults.isFull = true;
    this.#for(this.#lastMs(), () => {
      broker.faults.isFull = false;
    });
  }

  'broker outage'(): boolean {
    return this.#stopBroker(false);
  }

  'broker loses memory'(): boolean {
    return this.#stopBroker(true);
  }

  #stopBroker(loses: boolean): boolean {
    const broker = this.#broker();
    if (!broker.isUp) return false;
    this.#world.totals.fault('message lost with its broker', broker.stop(loses));
    this.#for(this.#lastMs(), () => {
      if (!broker.isUp) broker.start();
    });
    return true;
  }

  /** Machines and brokers in two halves that do not reach each other. */
  partition(): void {
    const all = [...this.#nodes(), ...this.#world.brokers.map(({ name }) => name)];
    const left = all.filter(() => below(this.#random, 2) === 0);
    const right = all.filter((node) => !left.includes(node));
    this.#cut(left, right, true);
  }

  'one way'(): void {
    const all = [...this.#nodes(), ...this.#world.brokers.map(({ name }) => name)];
    const from = pick(this.#random, all);
    this.#cut(
      [from],
      all.filter((node) => node !== from && below(this.#random, 2) === 0),
      false,
    );
  }

  'no queue for one'(): boolean {
    const brokers = this.#world.brokers.map(({ name }) => name);
    return this.#cutOff(brokers);
  }

  'no peers for one'(): boolean {
    return this.#cutOff(this.#nodes());
  }

  /** false: every site is gone at the moment. */
  #cutOff(others: readonly string[]): boolean {
    const nodes = this.#nodes();
    if (nodes.length === 0) return false;
    const from = pick(this.#random, nodes);
    this.#cut(
      [from],
      others.filter((node) => node !== from),
      true,
    );
    return true;
  }

  #cut(left: readonly string[], right: readonly string[], both: boolean): void {
    const { network } = this.#world;
    const ways = left.flatMap((a) => right.map((b): [string, string] => [a, b]));
    const all = both ? [...ways, ...ways.map(([a, b]): [string, string] => [b, a])] : ways;
    for (const [a, b] of all) network.block(a, b);
    this.#for(this.#lastMs(), () => {
      for (const [a, b] of all) network.open(a, b);
    });
  }

  kill(): boolean {
    const host = this.#host();
    if (host === undefined) return false;
    this.#world.kill(host);
    this.#restart(host);
    return true;
  }

  /** Power is lost: what was not synced is gone or spoilt. */
  'power lost'(): boolean {
    const host = this.#host(true);
    if (host === undefined) return false;
    this.#world.kill(host, true);
    this.#restart(host);
    return true;
  }

  'disk full'(): boolean {
    const host = this.#host(true);
    if (host === undefined) return false;
    fillDisk(host, this.#world.scheduler, (mend) => this.#for(this.#lastMs(), mend));
    return true;
  }

  /** A copy of the folder is taken; later the site starts with that. */
  'set back'(): boolean {
    const host = this.#host(true);
    const copy = host?.disk?.copy();
    const takenMs = this.#world.nowMs;
    if (host === undefined || copy === undefined) return false;
    this.#for(this.#lastMs(), () => {
      if (host.process === undefined) return;
      // Of what is older than this nobody need remember that it was deleted.
      const keptMs = Math.min(STABLE_MS, this.#world.plan.horizonMs);
      if (this.#world.nowMs - takenMs >= keptMs) this.#world.mayResurrect = true;
      setBack(host, this.#world, { copy, isImage: below(this.#random, 2) === 0 });
      this.#restart(host);
    });
    return true;
  }

  #restart(host: Host): void {
    const start = (): void => {
      if (host.loop === undefined && !host.isRemoved) this.#world.start(host);
    };
    if (this.#isOver) start();
    else this.#for(this.#lastMs(), start);
  }

  stop(): boolean {
    const host = this.#host();
    if (host === undefined) return false;
    this.#world.stop(host, () => this.#restart(host));
    return true;
  }

  stall(): boolean {
    const host = this.#host();
    host?.loop?.stall(this.#lastMs());
    return host !== undefined;
  }

  'clock jump'(): boolean {
    const host = pick(this.#random, this.#world.hosts);
    const { horizonMs } = this.#world.plan;
    const most = Math.min(600_000, horizonMs / 8);
    const by = pick(this.#random, [3, 300, 5_000, 60_000, 600_000]) * (below(this.#random, 2) === 0 ? 1 : -1);
    host.clock.skewMs = Math.max(-most, Math.min(most, host.clock.skewMs + by));
    this.#world.skewMsMax = Math.max(this.#world.skewMsMax, host.clock.skewMs);
    return true;
  }

  'new site'(): boolean {
    const { hosts } = this.#world;
    if (hosts.length >= 5) return false;
    this.#world.start(this.#world.addHost(`site${hosts.length}`));
    return true;
  }

  /** A site goes, and comes again under its name with nothing. */
  wiped(): boolean {
    const host = this.#host();
    if (host === undefined) return false;
    host.isRemoved = true;
    this.#world.stop(host, () => {
      const again = this.#world.addHost(host.site);
      this.#restart(again);
    });
    return true;
  }

  'same name'(): boolean {
    const host = this.#host();
    if (host === undefined || this.#world.hosts.some(({ isRival, isRemoved }) => isRival && !isRemoved))
      return false;
    const rival = this.#world.addHost(host.site, true);
    this.#world.start(rival);
    this.#for(5_000 + this.#lastMs(), () => this.#remove(rival));
    return true;
  }

  /** One site reaches nobody while hours pass, in leaps between which everyone works on. */
  apart(): void {
    const { brokers } = this.#world;
    const [alone, ...others] = shuffled(this.#random, this.#nodes());
    if (alone === undefined) return;
    const all = [...others, ...brokers.map(({ name }) => name)];
    const leaps = 1 + below(this.#random, 6);
    const leapMs = pick(this.#random, [60_000, 20 * 60_000, HOUR_MS, 8 * HOUR_MS]);
    const ways = all.flatMap((node): [string, string][] => [
      [alone, node],
      [node, alone],
    ]);
    for (const [a, b] of ways) this.#world.network.block(a, b);
    const leap = (left: number): void =>
      this.#for(700, () => {
        if (left === 0) {
          for (const [a, b] of ways) this.#world.network.open(a, b);
          return;
        }
        this.#world.leap(leapMs);
        this.#world.totals.fault('leap of time');
        leap(left - 1);
      });
    leap(leaps);
  }
}

function shuffled<T>(random: Random, list: readonly T[]): T[] {
  const left = [...list];
  const result: T[] = [];
  while (left.length > 0) result.push(...left.splice(below(random, left.length), 1));
  return result;
}
