// What is asked once a second: how large the store is, and whether the data is still the one that was opened.
import { type Clock, MqkvError, type Random, VALUE_BYTES_MAX } from '../../base/index.ts';
import type { StoreStats } from '../store.ts';
import type { AllNodes } from './all-nodes.ts';
import { textOf } from './held-key.ts';
import { type Meta, openMeta, readMeta, setMeta } from './meta.ts';
import type { Router } from './router.ts';

/** Units: ms. */
const SIZES_MS = 1_000;
/** Limits are read once in so many of these. */
const LIMITS_EVERY = 60;
const BULK_LIMIT = 'proto-max-bulk-len';

export interface SizesOptions {
  readonly router: Router;
  readonly allNodes: AllNodes;
  readonly clock: Clock;
  readonly random: Random;
  readonly site: string;
  /** As it was when the store was opened. */
  readonly meta: Meta;
  /** A slot of each master. */
  readonly slots: () => readonly number[];
  /** Headers that show nothing; undefined: another gateway counts them. */
  readonly tombstones: () => number | undefined;
  /** The data has gone, or was discarded by another gateway. */
  readonly gone: (how: 'lost' | 'discarded', salt: string) => void;
  /** The longest argument that all masters take. Units: bytes. */
  readonly bulkLimit: (bytes: number) => void;
}

/** One gateway's looks. */
export class Sizes {
  readonly #options: SizesOptions;
  readonly #timer: { cancel(): void };
  readonly #id: string;
  #epoch: string;
  #isMeasuring = false;
  #round = 0;
  #measured = 0;
  #stats: StoreStats = { keys: 0, tombstones: 0, memoryBytes: 0 };

  constructor(options: SizesOptions) {
    this.#options = options;
    this.#id = options.meta.id;
    this.#epoch = options.meta.epoch;
    this.#timer = options.clock.every(SIZES_MS, () => void this.#measure());
  }

  get stats(): StoreStats {
    return this.#stats;
  }

  /** This gateway has discarded all. */
  began(epoch: string): void {
    this.#epoch = epoch;
    this.#round++;
    this.#stats = { ...this.#stats, keys: 0, tombstones: 0 };
  }

  /** Before anybody asks: whether there is any key at all, which is known sooner than how many. */
  async begin(): Promise<void> {
    const [key] = await Promise.all([this.#options.allNodes.randomKey(), this.lookAtLimits()]);
    const tombstones = Number(this.#options.meta.tombstones);
    if (this.#measured === 0) this.#stats = { keys: key === undefined ? 0 : 1, tombstones, memoryBytes: 0 };
    void this.#measure();
  }

  /** Looks at once whether the data is still there. */
  async look(): Promise<void> {
    await this.#lookAtMeta();
  }

  /** Reads what the masters take; what one does not tell is as Redis has it by default. */
  async lookAtLimits(): Promise<void> {
    const { router, slots, bulkLimit } = this.#options;
    const limits = slots().map(async (slot) => {
      const reply = await router.call(slot, ['CONFIG', 'GET', BULK_LIMIT], { isRead: true });
      const told = reply.kind === 'array' ? Number(textOf(reply.items[1])) : 0;
      return told > 0 ? told : VALUE_BYTES_MAX;
    });
    bulkLimit(Math.min(...(await Promise.all(limits))));
  }

  close(): void {
    this.#timer.cancel();
  }

  /** One at a time: counting many keys takes longer than the pause between two. */
  async #measure(): Promise<void> {
    if (this.#isMeasuring) return;
    this.#isMeasuring = true;
    const round = this.#round;
    try {
      if (++this.#measured % LIMITS_EVERY === 0) await this.lookAtLimits();
      const known = Number((await this.#lookAtMeta()).tombstones);
      const keys = await this.#options.allNodes.size();
      const memoryBytes = await this.#memory();
      const counted = this.#options.tombstones();
      if (counted !== undefined && counted !== known)
        await setMeta(this.#options.router, 'tombstones', String(counted));
      if (round === this.#round) this.#stats = { keys, tombstones: counted ?? known, memoryBytes };
    } catch (error) {
      if (!(error instanceof MqkvError)) throw error;
    } finally {
      this.#isMeasuring = false;
    }
  }

  async #memory(): Promise<number> {
    let memoryBytes = 0;
    for (const slot of this.#options.slots()) {
      const info = textOf(await this.#options.router.call(slot, ['INFO', 'memory'], { isRead: true }));
      memoryBytes += Number(/used_memory:(\d+)/.exec(info)?.[1] ?? 0);
    }
    return memoryBytes;
  }

  async #lookAtMeta(): Promise<Meta> {
    const { router, site, random, gone } = this.#options;
    const epoch = this.#epoch;
    let meta = await readMeta(router);
    if (meta.epoch === '') meta = await openMeta(router, { site, random, id: this.#id });
    if (meta.epoch === epoch || epoch !== this.#epoch) return meta;
    this.#epoch = meta.epoch;
    gone(meta.discarded === meta.epoch ? 'discarded' : 'lost', meta.salt);
    return meta;
  }
}
