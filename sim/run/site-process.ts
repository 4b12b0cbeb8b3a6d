// One process of a site, from its start to its stop or death: the real store, replication and command table on simulated ground.
import { type Latin1, type Logger, type Random, seededRandom } from '../../src/base/index.ts';
import type { KeyState } from '../../src/crdt/index.ts';
import { openReplication, type Replication } from '../../src/replication/index.ts';
import type { Store } from '../../src/store/index.ts';
import type { Broker } from '../world/broker.ts';
import type { Network } from '../world/network.ts';
import type { PeerNet, SimPeerPort } from '../world/peer-net.ts';
import type { Scheduler } from '../world/scheduler.ts';
import { SimQueue } from '../world/sim-queue.ts';
import type { ProcessLoop } from '../world/site-clock.ts';
import { factsIn } from './held.ts';
import type { Keeper } from './ledger.ts';

/** A store that executes commands in process, and lets the checkers look. */
export interface StoreUnderTest {
  readonly store: Store;
  /** Runs commands as one unit. Result: replies, raw. */
  execute(commands: readonly (readonly string[])[]): string;
  stateOf(key: Latin1): KeyState | undefined;
  allKeys(): readonly Latin1[];
  /** What has expired of a key is freed by the unit that names it. */
  readonly isFreeing: boolean;
  /** Growing writes are answered with an error now. */
  refusesWrites(): boolean;
}

export interface ProcessOptions {
  /** The site's name; `node`: the machine, for the network. */
  readonly site: string;
  readonly node: string;
  readonly loop: ProcessLoop;
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly brokers: readonly Broker[];
  readonly peers: PeerNet | undefined;
  readonly random: Random;
  readonly logger: Logger;
  readonly horizonMs: number;
  readonly maxMessageBytes: number;
  readonly openStore: (options: StoreOptions) => StoreUnderTest | Promise<StoreUnderTest>;
  /** Who answers for what is written here; absent: this process, whose store ends with it. */
  readonly keeper: Keeper | undefined;
  /** Its store is about to give up all data. */
  readonly onDiscard: (process: SiteProcess) => void;
}

export interface StoreOptions {
  readonly clock: ProcessLoop;
  readonly random: Random;
  readonly logger: Logger;
  readonly horizonMs: number;
}

/** A running process. */
export class SiteProcess implements Keeper {
  readonly name: string;
  readonly loop: ProcessLoop;
  readonly under: StoreUnderTest;
  readonly replication: Replication;
  readonly keeper: Keeper;
  readonly #queue: SimQueue;
  readonly #port: SimPeerPort | undefined;

  private constructor(options: ProcessOptions, opened: Opened) {
    this.name = options.node;
    this.loop = options.loop;
    this.keeper = options.keeper ?? this;
    this.under = opened.under;
    this.replication = opened.replication;
    this.#queue = opened.queue;
    this.#port = opened.port;
  }

  static async open(options: ProcessOptions): Promise<SiteProcess> {
    const { site, node, loop, scheduler, network, brokers, random, logger, horizonMs } = options;
    const under = await options.openStore({ clock: loop, random, logger, horizonMs });
    const { maxMessageBytes } = options;
    const queue = new SimQueue({ node, channel: site, brokers, scheduler, network, loop, maxMessageBytes });
    const { store } = under;
    const port = options.peers?.listen(node, { site, storeId: store.id }, loop);
    const replication = await openReplication({
      site,
      store,
      queue,
      clock: loop,
      random: seededRandom(random.uint32()),
      logger,
      address: () => port?.address ?? '',
      onPublish: () => {},
      ...(port === undefined ? {} : { port }),
      horizonMs,
    });
    const process = new SiteProcess(options, { under, replication, queue, port });
    watchDiscards(store, () => options.onDiscard(process));
    return process;
  }

  facts(key: Latin1): ReturnType<typeof factsIn> | undefined {
    return this.loop.isAlive ? factsIn(this.under.stateOf(key)) : undefined;
  }

  nowMs(): number {
    return this.loop.now();
  }

  /** Whether data commands are answered. */
  get serves(): boolean {
    return (
      this.loop.isAlive &&
      !this.under.refusesWrites() &&
      !this.loop.isStalled &&
      !this.isLoading &&
      !this.replication.membership.duplicate
    );
  }

  get isLoading(): boolean {
    return this.replication.bootstrap.isLoading;
  }

  /** Requests to other sites so far. */
  get asked(): number {
    return this.#port?.stats().asked ?? 0;
  }

  /** Runs commands as one unit. Result: replies, raw. */
  execute(commands: readonly (readonly string[])[]): string {
    return this.under.execute(commands);
  }

  /** kill -9. */
  kill(): void {
    this.loop.isAlive = false;
    this.#queue.disconnect();
    this.#port?.leave();
  }

  /** SIGTERM. */
  async stop(timeoutMs: number): Promise<boolean> {
    const all = await this.replication.close(timeoutMs);
    await this.#queue.close();
    await this.#port?.close();
    await this.under.store.close();
    this.loop.isAlive = false;
    return all;
  }
}

function watchDiscards(store: Store, task: () => void): void {
  const discard = store.discard.bind(store);
  store.discard = () => {
    task();
    return discard();
  };
}

interface Opened {
  readonly under: StoreUnderTest;
  readonly replication: Replication;
  readonly queue: SimQueue;
  readonly port: SimPeerPort | undefined;
}
