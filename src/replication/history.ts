// Whether the store has gone back: told by the store, or found out from what others have of it.
//
// Invariants
//  C1  When the store goes back, what was applied is read from its notes again, and what was on its way into it is not acknowledged.
//  C2  When others have of this store what it never sent, it has gone back unnoticed: it takes a new origin and a new stream.
import { type Logger, messageOf } from '../base/index.ts';
import type { Store } from '../store/index.ts';
import type { Heartbeat } from './heartbeat.ts';
import type { Keeper } from './keeper.ts';
import type { Receiver } from './receiver.ts';
import type { Sender } from './sender.ts';
import type { Streams } from './streams.ts';

export interface HistoryOptions {
  readonly store: Store;
  readonly logger: Logger;
  readonly sender: Sender;
  readonly receiver: Receiver;
  readonly streams: Streams;
  readonly keeper: Keeper;
  /** All must be compared. */
  readonly onBack: () => void;
}

export class History {
  readonly #options: HistoryOptions;
  #isRenewing = false;
  #reading = 0;

  constructor(options: HistoryOptions) {
    this.#options = options;
  }

  /** Notes are being read again: what is in memory is no more than what came since. */
  get isReading(): boolean {
    return this.#reading > 0;
  }

  watch(): void {
    this.#options.store.onOrigin = () => {
      if (!this.#isRenewing) void this.#wentBack();
    };
  }

  close(): void {
    this.#options.store.onOrigin = undefined;
  }

  /** C2. Every heartbeat of another site. */
  heard({ site, applied, sources }: Heartbeat): void {
    const { store } = this.#options;
    for (const [stream, origin] of Object.entries(sources)) {
      const upTo = applied[stream] ?? 0;
      if (!store.isOwn(origin) || this.#hasSent(stream, upTo)) continue;
      if (this.#isShared && !this.#isPresent(stream)) void this.#check(stream, upTo);
      else this.#renew(site, stream, upTo);
    }
  }

  /** Several gateways may send for this store. */
  get #isShared(): boolean {
    return this.#options.store.bus !== undefined;
  }

  #isPresent(stream: string): boolean {
    return stream === this.#options.sender.stream;
  }

  #hasSent(stream: string, upTo: number): boolean {
    const own = this.#options.keeper.ownStream(stream);
    if (own === undefined) return false;
    // A gateway that was killed has sent more than it noted.
    return own.sequence >= upTo || (this.#isShared && !this.#isPresent(stream));
  }

  /** Another gateway's process may have written its stream down since the notes were read. */
  async #check(stream: string, upTo: number): Promise<void> {
    if (this.isReading) return;
    const isRead = await this.#read();
    if (isRead && !this.#hasSent(stream, upTo)) this.#renew('', stream, upTo);
  }

  #renew(site: string, stream: string, upTo: number): void {
    const { store, sender, keeper, logger, onBack } = this.#options;
    logger.warn(
      { site, stream, sequence: upTo },
      'another site has of this store what it never sent: the store has gone back, and takes a new origin',
    );
    keeper.addOwn(stream, { sequence: upTo, origin: 0, startedAtMs: 0 });
    this.#isRenewing = true;
    store.renewOrigin();
    this.#isRenewing = false;
    if (this.#isPresent(stream)) sender.renewStream();
    onBack();
  }

  /** C1. */
  async #wentBack(): Promise<void> {
    const { store, receiver, streams, keeper, logger, onBack } = this.#options;
    receiver.epoch++;
    streams.reset();
    keeper.reset();
    logger.warn({ origin: store.origin }, 'the store may have gone back: all is compared');
    await this.#read();
    onBack();
  }

  async #read(): Promise<boolean> {
    this.#reading++;
    try {
      await this.#options.keeper.read();
      return true;
    } catch (error) {
      this.#options.logger.warn({ error: messageOf(error) }, 'notes of replication could not be read');
      return false;
    } finally {
      this.#reading--;
    }
  }
}
