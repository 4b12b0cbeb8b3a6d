// What a client may ask beyond the local write: that the queue has its writes, or that other sites have applied them (DESIGN 7).
import { type Clock, sleep } from '../base/index.ts';
import type { Membership } from './membership.ts';
import type { Position, Sender } from './sender.ts';

export interface LevelsOptions {
  readonly sender: Sender;
  readonly membership: Membership;
  readonly clock: Clock;
  /** Sends a heartbeat at once. */
  readonly beat: () => void;
}

interface Wait {
  readonly sites: number;
  position: Position | undefined;
  readonly done: () => void;
}

/** Waits for the queue and for other sites. */
export class Levels {
  readonly #options: LevelsOptions;
  readonly #waits = new Set<Wait>();
  readonly #closing = new AbortController();

  constructor(options: LevelsOptions) {
    this.#options = options;
  }

  /** Places that other sites are asked to tell of. */
  asks(): Record<string, number> {
    const asks: Record<string, number> = {};
    for (const { position } of this.#waits)
      if (position !== undefined)
        asks[position.stream] = Math.max(position.sequence, asks[position.stream] ?? 0);
    return asks;
  }

  /** A heartbeat came: who waits may be done. */
  heard(): void {
    for (const wait of this.#waits)
      if (wait.position !== undefined && this.#count(wait.position) >= wait.sites) wait.done();
  }

  /**
   * WAIT: resolves with how many other sites have applied everything written so far, as soon as these are `sites`, at latest after
   * `timeoutMs` (0: no limit) or when `signal` aborts.
   */
  async wait(sites: number, timeoutMs: number, signal?: AbortSignal): Promise<number> {
    const ended = new AbortController();
    const over = new Promise<void>((resolve) => {
      for (const one of [signal, this.#closing.signal])
        if (one?.aborted === true) resolve();
        else one?.addEventListener('abort', () => resolve(), { once: true, signal: ended.signal });
      if (timeoutMs > 0) void sleep(this.#options.clock, timeoutMs, ended.signal).then(resolve);
    });
    const position = await Promise.race([this.#options.sender.handOver(), over]);
    const count = position === undefined ? 0 : await this.#applied(sites, position, over);
    ended.abort();
    return count;
  }

  /** How many other sites have applied everything written so far, as far as is known now. */
  count(): number {
    const { sender } = this.#options;
    const { stream, lastSequence: sequence } = sender;
    return sender.isAllHandedOver ? this.#count({ stream, sequence }) : 0;
  }

  /** MQKV.ACK queue: resolves with whether the queue has accepted everything written so far, at latest after `timeoutMs`. */
  async accepted(timeoutMs: number): Promise<boolean> {
    const { sender, clock } = this.#options;
    const ended = new AbortController();
    const late = sleep(clock, timeoutMs, ended.signal).then(() => false);
    const accepted = sender.handOver().then((at) => at !== undefined && sender.accepted(at));
    const isAccepted = await Promise.race([accepted, late]);
    ended.abort();
    return isAccepted;
  }

  close(): void {
    this.#closing.abort();
  }

  async #applied(sites: number, position: Position, over: Promise<void>): Promise<number> {
    if (this.#count(position) < sites) {
      await new Promise<void>((done) => {
        const wait = { sites, position, done };
        this.#waits.add(wait);
        void over.then(done);
        this.#options.beat();
      });
      for (const wait of this.#waits) if (wait.position === position) this.#waits.delete(wait);
    }
    return this.#count(position);
  }

  #count({ stream, sequence }: Position): number {
    const has = this.#options.membership
      .members()
      .filter(({ loading, lacking, applied }) => !loading && !lacking && (applied[stream] ?? 0) >= sequence);
    return has.length;
  }
}
