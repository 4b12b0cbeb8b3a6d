// The world of one seed: machines and the sites on them, brokers, ways between them; what happens to them is in faults.ts.
import { type Logger, type Random, seededRandom, silentLogger } from '../../src/base/index.ts';
import { openEmbeddedStore } from '../../src/store/embedded/index.ts';
import { Broker } from '../world/broker.ts';
import { Network } from '../world/network.ts';
import { PeerNet } from '../world/peer-net.ts';
import { Scheduler } from '../world/scheduler.ts';
import { type MachineClock, ProcessLoop } from '../world/site-clock.ts';
import { Ledger } from './ledger.ts';
import type { Plan } from './plan.ts';
import { SiteProcess } from './site-process.ts';
import type { Totals } from './totals.ts';

/** Unix ms at which every world begins. */
const START_MS = 1_800_000_000_000;

/** A machine with a site on it. */
export interface Host {
  readonly site: string;
  /** Unique, for the network. */
  readonly node: string;
  readonly clock: MachineClock;
  /** Only for a while beside the true site of its name. */
  readonly isRival: boolean;
  loop: ProcessLoop | undefined;
  process: SiteProcess | undefined;
  isRemoved: boolean;
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
  readonly ledger = new Ledger();
  readonly logger: Logger;
  /** Some site was away for longer than the horizon, or a clock was off by as much: what was deleted may have come back (DESIGN 3). */
  mayResurrect = false;
  /** Units: ms that a clock was ahead of the world at most: up to then things may have expired somewhere. */
  skewMsMax = 0;
  /** The first failure of anything that runs by itself. */
  failure: unknown;
  readonly #random: Random;

  constructor(options: { seed: number; plan: Plan; totals: Totals; random: Random; logger?: Logger }) {
    this.seed = options.seed;
    this.plan = options.plan;
    this.totals = options.totals;
    this.#random = options.random;
    this.logger = options.logger ?? silentLogger;
    this.network = new Network(this.fork(), this.plan.latencyMsMax);
    this.peers = new PeerNet(this.scheduler, this.network);
    for (let i = 0; i < this.plan.brokers; i++) this.#addBroker(`broker${i}`);
    for (let i = 0; i < this.plan.sites; i++) this.addHost(`site${i}`);
  }

  /** A source of randomness of one part's own. */
  fork(): Random {
    return seededRandom(this.#random.uint32());
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
    const node = `${site}@${this.hosts.length}`;
    const clock = { skewMs: 0 };
    const host: Host = { site, node, clock, isRival, loop: undefined, process: undefined, isRemoved: false };
    this.hosts.push(host);
    return host;
  }

  /** Processes that run, rivals included. */
  running(): SiteProcess[] {
    return this.hosts.flatMap(({ process }) => (process?.loop.isAlive === true ? [process] : []));
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
      openStore(options) {
        const store = openEmbeddedStore(options);
        return {
          store,
          keyspace: store.keyspace,
          stateOf: (key) => store.stateOf(key),
          allKeys: () => store.allKeys(),
        };
      },
    });
    this.watch(
      opening.then((process) => {
        if (loop.isAlive) host.process = process;
        else process.kill();
      }),
    );
  }

  kill(host: Host): void {
    const { process, loop } = host;
    if (loop !== undefined) loop.isAlive = false;
    host.loop = undefined;
    host.process = undefined;
    if (process === undefined) return;
    process.kill();
    this.ledger.lose(process, this.running());
  }

  /** SIGTERM; `then` when it has ended. */
  stop(host: Host, then: () => void): void {
    const { process } = host;
    host.process = undefined;
    if (process === undefined) return then();
    this.watch(
      process.stop(2_000).then(() => {
        if (host.loop === process.loop) host.loop = undefined;
        this.ledger.lose(process, this.running());
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

  #addBroker(name: string): void {
    const { scheduler, network, totals } = this;
    this.brokers.push(new Broker({ name, scheduler, network, random: this.fork(), totals }));
  }
}
