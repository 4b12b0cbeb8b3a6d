// Fragments of large envelopes in the site's Redis until all are there: each may come to another gateway.
//
// 1. Whoever brings the last one claims the envelope (lua/fragment.lua), reads it piece by piece and removes it.
// 2. When that fails, the fragments stay: the message comes again, and whoever gets it claims the envelope anew, at once if it is the
//    same gateway, else after CLAIM_MS. So at least one gateway gets the whole, and exactly one where none fails.
import {
  type Clock,
  FRAGMENT_AGE_MAX_MS,
  FRAGMENT_BYTES_MAX,
  FRAGMENTS_MAX,
  type Latin1,
  MqkvError,
  type Random,
  randomHex,
} from '../../base/index.ts';
import type { Fragment, Staging } from '../store.ts';
import type { Access } from './access.ts';
import { integerOf, itemsOf } from './held-key.ts';
import type { Script } from './scripts.ts';
import { slotOf, tagOf } from './slots.ts';

/** Units: ms after which a claim counts as given up: reading the largest value takes some seconds. */
const CLAIM_MS = 10_000;
/** Units: ms before Redis lets fragments expire that this gateway looks whether they are still there. */
const LOOK_BEFORE_MS = 5_000;
/** Fragments of one reading: messages are at most 1 MiB. */
const READ_MAX = 8;

/** What this gateway knows of an envelope that is not whole yet. */
interface Known {
  readonly sinceMs: number;
  bytes: number;
}

export interface StagingOptions {
  readonly access: Access;
  readonly script: Script;
  readonly clock: Clock;
  readonly random: Random;
  /** Units: bytes, for tests. */
  readonly bytesMax?: number | undefined;
}

/** One gateway's part in it. */
export class RedisStaging implements Staging {
  readonly #options: StagingOptions;
  readonly #claimant: string;
  readonly #bytesMax: number;
  readonly #known = new Map<Latin1, Known>();
  #bytes = 0;
  #dropped = 0;

  constructor(options: StagingOptions) {
    this.#options = options;
    this.#claimant = randomHex(options.random, 8);
    this.#bytesMax = options.bytesMax ?? FRAGMENT_BYTES_MAX;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get dropped(): number {
    return this.#dropped;
  }

  /** Errors: those of the access, then it is to be added again. */
  async add({ name, index, count, bytes }: Fragment): Promise<Buffer | undefined> {
    this.#expire();
    const isFragment = Number.isInteger(index) && index >= 0 && index < count && count <= FRAGMENTS_MAX;
    if (!isFragment) return undefined;
    const key = keyOf(name, count);
    const { access, script } = this.#options;
    const age = String(FRAGMENT_AGE_MAX_MS);
    const args = [String(index), String(count), age, this.#claimant, String(CLAIM_MS), bytes];
    const reply = await access.script(slotOf(key), script, { keys: [key], args });
    const [isNew, isOurs] = itemsOf(reply).map(integerOf);
    if (isNew === 1) this.#note(key, bytes.length);
    if (isOurs !== 1) return undefined;
    const whole = await this.#readAll(key, count);
    await this.#remove(key);
    return whole;
  }

  /** Forgets what this gateway knows: the store was emptied. */
  clear(): void {
    this.#known.clear();
    this.#bytes = 0;
  }

  async #readAll(key: Latin1, count: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let from = 0; from < count; from += READ_MAX) {
      const names = Array.from({ length: Math.min(READ_MAX, count - from) }, (_, i) => String(from + i));
      const reply = await this.#options.access.call(slotOf(key), ['HMGET', key, ...names], { isRead: true });
      for (const item of itemsOf(reply)) {
        if (item.kind !== 'bulk') throw new MqkvError('UNCERTAIN', 'a fragment has gone while all were read');
        pieces.push(item.bytes);
      }
    }
    return Buffer.concat(pieces);
  }

  async #remove(key: Latin1): Promise<void> {
    this.#forget(key);
    // What is not removed expires.
    await this.#options.access.call(slotOf(key), ['UNLINK', key]).catch(() => {});
  }

  #note(key: Latin1, bytes: number): void {
    const known = this.#known.get(key) ?? { sinceMs: this.#options.clock.now(), bytes: 0 };
    known.bytes += bytes;
    this.#known.set(key, known);
    this.#bytes += bytes;
    for (const oldest of this.#known.keys()) {
      if (this.#bytes <= this.#bytesMax || this.#known.size === 1) return;
      void this.#giveUp(oldest);
    }
  }

  #forget(key: Latin1): void {
    this.#bytes -= this.#known.get(key)?.bytes ?? 0;
    this.#known.delete(key);
  }

  /** Another gateway may have put it together: then it is gone. */
  async #giveUp(key: Latin1): Promise<void> {
    this.#forget(key);
    const reply = await this.#options.access.call(slotOf(key), ['UNLINK', key]).catch(() => undefined);
    if (reply?.kind === 'integer' && Number(reply.value) > 0) this.#dropped++;
  }

  #expire(): void {
    const oldest = this.#options.clock.now() - FRAGMENT_AGE_MAX_MS + LOOK_BEFORE_MS;
    for (const [key, { sinceMs }] of this.#known) {
      if (sinceMs >= oldest) return;
      void this.#giveUp(key);
    }
  }
}

/** Another count under the same name is another message: the name is the sender's, not ours to trust. */
function keyOf(name: string, count: number): Latin1 {
  return `mqkv:fragments:{${tagOf(slotOf(name))}}:${count} ${name}`;
}
