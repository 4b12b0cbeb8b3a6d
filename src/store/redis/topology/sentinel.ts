// A master that sentinels watch: found through them, followed through every failover.
//
// (1) Only one server is the master at a time; another one told closes the links to the last, whatever it still says of itself.
// (2) An answer older (by config-epoch) than one acted on is not followed while the present master serves.
// (3) The sentinels are asked at once on news and trouble, every 100 ms while there is no master, else every second.
import type { Timer } from '../../../base/index.ts';
import { nameOf } from '../../../redis-link/index.ts';
import type { RedisUrl } from '../url-type.ts';
import { Sentinels, type Told } from './sentinels.ts';
import { SingleMaster } from './single-master.ts';
import type { Around, Topology } from './topology.ts';

const LOOK_MS = 1000;
const UNREADY_LOOK_MS = 100;
/** Looks between two searches for further sentinels. */
const DISCOVER_LOOKS = 10;

/** Opens the topology of a master with sentinels. Errors: see `openTopology`. */
export async function openSentinel(url: RedisUrl, around: Around): Promise<Topology> {
  const topology = new SentinelTopology(url, around);
  await topology.open();
  return topology;
}

class SentinelTopology extends SingleMaster {
  readonly #sentinels: Sentinels;
  #epoch = -1;
  #looks = 0;
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #timer: Timer | undefined;

  constructor(url: RedisUrl, around: Around) {
    super(url, around);
    this.#sentinels = new Sentinels(url, around);
    this.#sentinels.onNews = () => this.#look();
    this.#look();
  }

  refresh(): void {
    this.node?.look();
    this.#look();
  }

  protected troubled(): void {
    this.#look();
  }

  override async close(): Promise<void> {
    this.#timer?.cancel();
    this.#sentinels.close();
    await super.close();
    await this.#looking;
  }

  /** One look at a time; what asks for one meanwhile gets another one after it. */
  #look(): void {
    this.#lookAgain = true;
    if (this.#looking !== undefined || this.isClosed) return;
    this.#lookAgain = false;
    this.#timer?.cancel();
    this.#looking = this.#lookOnce().finally(() => {
      this.#looking = undefined;
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.isClosed) return;
    const isUnready = this.nodeOf() === undefined;
    this.#timer = this.around.clock.after(isUnready || this.#lookAgain ? UNREADY_LOOK_MS : LOOK_MS, () =>
      this.#look(),
    );
  }

  async #lookOnce(): Promise<void> {
    const told = await this.#sentinels.ask();
    if (this.isClosed) return;
    if (told === undefined) this.noteProblem(this.#sentinels.refusal ?? this.#sentinels.problem);
    else this.#take(told);
    if (told !== undefined && this.#looks++ % DISCOVER_LOOKS === 0) await this.#sentinels.discover();
  }

  #take({ address, epoch }: Told): void {
    const isOther = this.node === undefined || nameOf(address) !== this.node.name;
    if (isOther && epoch < this.#epoch && this.nodeOf() !== undefined) return;
    this.#epoch = epoch;
    if (isOther) this.follow(address);
  }
}
