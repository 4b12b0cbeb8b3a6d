// The world of one seed: machines and the sites on them, brokers, ways between them; what happens to them is in faults.ts.
import { type Logger, type Random, seededRandom, silentLogger, STABLE_MS } from '../../src/base/index.ts';
import { join, textOf } from '../../test/model/definition.ts';
import { Broker } from '../world/broker.ts';
import { RedisNode } from '../redis/node.ts';
import { MachineDisk } from '../world/machine-disk.ts';
import { Network } from '../world/network.ts';
import { PeerNet } from '../world/peer-net.ts';
import { Scheduler } from '../world/scheduler.ts';
import { ProcessLoop, type Span } from '../world/site-clock.ts';
import { Host } from './host.ts';
import { type Keeper, Ledger } from './ledger.ts';
import type { Plan } from './plan.ts';
import { SiteProcess } from './site-process.ts';
import { openStoreOf } from './stores.ts';
import type { Totals } from './totals.ts';
import { Violation } from './violation.ts';

/** Unix ms at which every world begins. */
const START_MS = 1_800_000_000_000;
/** Units: ms. What a process that is killed may not have written yet, and what a machine may not have synced yet. */
const UNWRITTEN_MS = 150;
const UNSYNCED_MS = 1_300;
/** Units: ms. What an absence lasts beside its leaps, at most. */
const UNLEAPT_MS = 30_000;

export interface WorldOptions {
  readonly seed: number;
  readonly plan: Plan;
  readonly totals: Totals;
  readonly random: Random;
  readonly logger?: Logger;
}

export class World {
  readonly seed: number;
  readonly plan: Plan;
  readonly totals: Totals;
  readonly scheduler = new Scheduler(START_MS);
  readonly network: Network;
  readonly brokers: Broker[] = [];
  readonly peers: PeerNet;
  readonly hosts: Host[] = [];
  readonly ledger: Ledger;
  readonly logger: Logger;
  /**
   * Some site may have been away for longer than the horizon, or was given an old copy of its folder: what was deleted may have come
   * back (DESIGN 3).
   */
  mayResurrect = false;
  /** A machine was set back without a trace: what it wrote before anybody could tell it so may count wrongly. */
  mayMiscount = false;
  /** Units: ms that a clock was ahead of the world at most: up to then things may have expired somewhere. */
  skewMsMax = 0;
  /** A process ended or was doubled: what then differs in keys that are written all the time, only slow comparisons mend. */
  wasInterrupted = false;
  /** Processes that have been told to stop and have not ended. */
  stopping = 0;
  /** The first failure of anything that runs by itself. */
  failure: unknown;
  readonly #leaps: Span[] = [];
  #leaptMs = 0;
  readonly #random: Random;

  constructor(options: WorldOptions) {
    this.seed = options.seed;
    this.plan = options.plan;
    this.totals = options.totals;
    this.#random = options.random;
    this.logger = options.logger ?? silentLogger;
    this.ledger = new Ledger(Math.min(STABLE_MS, options.plan.horizonMs), this);
    this.network = new Network(this.fork(), this.plan.latencyMsMax);
    this.peers = new PeerNet(this.scheduler, this.network);
    for (let i = 0; i < this.plan.brokers; i++) this.#addBroker(`broker${i}`);
    for (let i = 0; i < this.plan.sites; i++) this.addHost(`site${i}`);
  }

  /** A source of randomness of one part's own. */
  fork(): Random {
    return seededRandom(this.#random.uint32());
  }

  get nowMs(): number {
    return this.scheduler.nowMs;
  }

  /** Units: ms since the beginning. */
  get elapsedMs(): number {
    return this.scheduler.nowMs - START_MS;
  }

  /** Units: Unix ms that no clock has shown yet. */
  get latestMs(): number {
    return this.scheduler.nowMs + this.skewMsMax + 1;
  }

  addHost(site: string, isRival = false): Host {
    const { stores } = this.plan;
    const node = `${site}@${this.hosts.length}`;
    const kind = stores[this.hosts.length % stores.length] ?? 'embedded';
    const { scheduler } = this;
    const disk = kind === 'file' ? new MachineDisk({ scheduler, random: this.fork() }) : undefined;
    const host = new Host({ site, node, kind, disk, isRival });
    if (kind === 'redis') {
      const clock = new ProcessLoop(scheduler, host.clock);
      host.redis = new RedisNode({ clock, ground: scheduler, random: this.fork() });
    }
    this.hosts.push(host);
    return host;
  }

  /** Processes that run, rivals included. */
  running(): SiteProcess[] {
    return this.hosts.flatMap(({ process }) => (process?.loop.isAlive === true ? [process] : []));
  }

  /** Who answers for what is held now. */
  keepers(): Keeper[] {
    return this.running().map(({ keeper }) => keeper);
  }

  /** Time passes at once: everything that should have happened meanwhile is late. */
  leap(ms: number): void {
    const fromMs = this.scheduler.nowMs;
    this.scheduler.skip(ms);
    this.#leaps.push({ fromMs, toMs: fromMs + ms });
    // Between two leaps there may be too little time to hear of what came before: all of them count as one absence.
    this.#leaptMs += ms;
    if (this.#leaptMs + UNLEAPT_MS >= this.plan.horizonMs) this.mayResurrect = true;
    // Nobody can tell a second store under a name from the first one after a loss of memory: what others forgot the first may not have heard.
    if (this.hosts.some(({ isRival }) => isRival)) this.mayResurrect = true;
  }

  start(host: Host): void {
    const loop = new ProcessLoop(this.scheduler, host.clock);
    host.loop = loop;
    const opening = SiteProcess.open({
      site: host.site,
      node: host.node,
      loop,
      scheduler: this.scheduler,
      network: this.network,
      brokers: this.brokers,
      peers: this.plan.hasPeers ? this.peers : undefined,
      random: this.fork(),
      logger: this.logger,
      horizonMs: this.plan.horizonMs,
      maxMessageBytes: this.plan.maxMessageBytes,
      openStore: openStoreOf(host),
      keeper: host.keeps ? host : undefined,
      onDiscard: ({ keeper }) => this.#discards(keeper),
    });
    this.watch(
      opening.then(
        (process) => {
          host.process = process;
          if (!loop.isAlive || host.isRemoved) return this.kill(host);
          if (host.keeps) this.#cameBack(host);
        },
        (error: unknown) => {
          const mayLackSpace = host.redis !== undefined || host.wasFull(this.scheduler.nowMs);
          if (!mayLackSpace) throw error;
          this.#retry(host, loop);
        },
      ),
    );
  }

  /** kill -9, or the whole machine at once. */
  kill(host: Host, isMachine = false): void {
    const { process, loop } = host;
    this.wasInterrupted = true;
    const unsafeMs = isMachine ? UNSYNCED_MS : UNWRITTEN_MS;
    if (process !== undefined) this.#keeps(host, unsafeMs);
    if (loop !== undefined) loop.isAlive = false;
    host.loop = undefined;
    host.process = undefined;
    if (isMachine) this.totals.fault('bytes torn', host.disk?.crash() ?? 0);
    process?.kill();
    if (process !== undefined && !host.keeps) this.ledger.lose(process, this.keepers());
  }

  /** SIGTERM; `then` when it has ended. */
  stop(host: Host, then: () => void): void {
    const { process } = host;
    this.wasInterrupted = true;
    host.process = undefined;
    if (process === undefined) return then();
    this.stopping++;
    this.watch(
      process.stop(2_000).then(() => {
        this.stopping--;
        this.#keeps(host, 0);
        if (host.loop === process.loop) host.loop = undefined;
        if (!host.keeps || host.isRemoved) this.ledger.lose(process.keeper, this.keepers());
        then();
      }),
    );
  }

  /** What a promise of the world fails with is a failure of the seed. */
  watch(promise: Promise<unknown>): void {
    promise.catch((error: unknown) => {
      this.failure ??= error;
    });
  }

  /** Up to when a store that ends now has kept everything. */
  #keeps(host: Host, unsafeMs: number): void {
    host.keptUntilMs = this.#workedMsAgo(host, unsafeMs);
  }

  /** The time of the world `ms` ago, without the times at which nothing was written there: leaps, stalls, a full disk. */
  #workedMsAgo(host: Host, ms: number): number {
    const stalls = host.loop?.stalls ?? [];
    const idle = [...this.#leaps, ...stalls, ...host.full].toSorted((a, b) => b.toMs - a.toMs);
    let atMs = this.scheduler.nowMs;
    let left = ms;
    for (const { fromMs, toMs } of idle) {
      if (atMs - toMs >= left && atMs > toMs) break;
      left -= Math.max(0, atMs - toMs);
      atMs = Math.min(atMs, fromMs);
    }
    return atMs - left;
  }

  /** A process could not start: its supervisor tries again. */
  #retry(host: Host, loop: ProcessLoop): void {
    this.totals.check('start refused for want of space');
    loop.isAlive = false;
    if (host.loop === loop) host.loop = undefined;
    this.scheduler.after(1_500, () => {
      if (host.loop === undefined && !host.isRemoved) this.start(host);
    });
  }

  /** A store that keeps its data is there again: with all that it must have kept; the rest may be elsewhere. */
  #cameBack(host: Host): void {
    this.totals.check('store opened again');
    const missing = this.ledger.missing(host, host.keptUntilMs);
    if (missing !== undefined)
      throw new Violation(
        `${host.node} has lost what it had kept: ${missing.key}, ${host.keptUntilMs - missing.madeAtMs} ms before\n${textOf(join(missing.facts))}\nof ${textOf(join(host.facts(missing.key) ?? []))}`,
      );
    this.ledger.lose(host, [host, ...this.keepers()]);
  }

  /**
   * A store gives up its copy, which must be held elsewhere by now (DESIGN 3): another one answers for what it answered for. What nobody
   * else holds it goes on answering for, and is found to have lost.
   */
  #discards(keeper: Keeper): void {
    this.ledger.give(
      keeper,
      this.keepers().filter((other) => other !== keeper),
    );
  }

  #addBroker(name: string): void {
    const { scheduler, network, totals } = this;
    this.brokers.push(new Broker({ name, scheduler, network, random: this.fork(), totals }));
  }
}
