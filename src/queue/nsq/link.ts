// One nsqd that we consume from: connects, subscribes, and starts again for ever.
// Invariants: (1) at most one live link to one actual address; (2) a given link never ends before its signal, a
// discovered one also when nsqlookupd no longer lists it; (3) a message that was never settled comes again.
import { messageOf, sleep } from '../../base/index.ts';
import { type Address, formatAddress } from './address.ts';
import { backoffMs } from '../backoff.ts';
import { CLS, rdy, sub } from './commands.ts';
import { type NsqConnection, openConnection } from './connection.ts';
import type { RawMessage } from './frames.ts';
import { RECONNECT, type Settings } from './settings.ts';

/** What a link tells its consumer. */
export interface LinkOwner {
  /** The live link to that actual address, if another has it. */
  claimed(peer: string, by: Link): Link | undefined;
  /** Connected and subscribed, or no longer. */
  changed(): void;
  message(link: Link, connection: NsqConnection, message: RawMessage): void;
}

export interface LinkOptions {
  readonly address: string;
  readonly candidates: readonly Address[];
  readonly given: boolean;
}

export class Link {
  /** As given, or the broadcast address. */
  readonly address: string;
  readonly given: boolean;
  candidates: readonly Address[];
  /** nsqlookupd's name for it, once it was recognised. */
  producer: string | undefined;
  /** nsqlookupd lists it. */
  listed = true;
  /** What nsqlookupd reports; 0: nothing. */
  httpPort = 0;
  error: string | undefined;
  /** Connected and subscribed. */
  live: NsqConnection | undefined;
  /** Another link has this nsqd already. */
  double = false;
  /** Settles after the first try, well or not. */
  readonly tried: Promise<void>;
  #tried: () => void = () => {};
  #lastGood: Address | undefined;
  #ready = 0;
  readonly #owner: LinkOwner;
  readonly #settings: Settings;

  constructor(options: LinkOptions, owner: LinkOwner, settings: Settings) {
    this.address = options.address;
    this.given = options.given;
    this.candidates = options.candidates;
    this.#owner = owner;
    this.#settings = settings;
    this.tried = new Promise((resolve) => {
      this.#tried = resolve;
    });
  }

  /** Where it is or was connected, else the first address to try. */
  get place(): Address {
    return this.#lastGood ?? this.candidates[0];
  }

  get ready(): number {
    return this.#ready;
  }

  /** Asks for up to `count` messages under way. */
  setReady(count: number): void {
    if (this.#ready === count) return;
    this.#ready = count;
    this.live?.send(rdy(count));
  }

  /** Resolves when nsqd has taken every acknowledgement sent so far. */
  async finish(): Promise<void> {
    await this.live?.request([CLS]).catch(() => {});
  }

  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted && (this.given || this.listed)) {
      const lasted = await this.#once(signal);
      failures = lasted ? 1 : failures + 1;
      this.#tried();
      await sleep(this.#settings.clock, backoffMs(RECONNECT, failures, this.#settings.random), signal);
    }
    this.#tried();
  }

  /** One life of a connection. Answers whether it got as far as a subscription. */
  async #once(signal: AbortSignal): Promise<boolean> {
    const addresses = this.#lastGood === undefined ? this.candidates : [this.#lastGood, ...this.candidates];
    for (const address of new Set(addresses)) {
      try {
        return await this.#live(address, signal);
      } catch (error) {
        this.#failed(messageOf(error));
      }
    }
    return false;
  }

  async #live(address: Address, signal: AbortSignal): Promise<boolean> {
    const { topic, channel } = this.#settings;
    let connection: NsqConnection | undefined;
    const onMessage = (message: RawMessage): void => {
      if (connection !== undefined) this.#owner.message(this, connection, message);
    };
    connection = await openConnection({ ...this.#settings, address, clientId: channel, signal, onMessage });
    const other = this.#owner.claimed(connection.peer, this);
    if (other?.live !== undefined) return this.#waitFor(other, connection, signal);
    try {
      await connection.request([sub(topic, channel)]);
    } catch (error) {
      connection.destroy(messageOf(error));
      throw error;
    }
    this.#begin(address, connection);
    this.#failed((await connection.ended).message);
    this.live = undefined;
    this.#ready = 0;
    this.#owner.changed();
    return true;
  }

  #begin(address: Address, connection: NsqConnection): void {
    this.#lastGood = address;
    this.error = undefined;
    this.live = connection;
    this.#settings.logger.info({ nsqd: this.address, at: connection.peer }, 'subscribed');
    this.#tried();
    this.#owner.changed();
  }

  /** The other one serves this nsqd; when it ends, whoever comes first goes on. */
  async #waitFor(other: Link, connection: NsqConnection, signal: AbortSignal): Promise<boolean> {
    connection.destroy('connected already under another name');
    this.double = true;
    this.#tried();
    await Promise.race([other.live?.ended, aborted(signal)]);
    this.double = false;
    return true;
  }

  #failed(reason: string): void {
    if (this.error !== reason) this.#settings.logger.warn({ nsqd: this.address, reason }, 'not subscribed');
    this.error = reason;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** The link's name for an nsqd that nsqlookupd told of. */
export function nameOf(candidates: readonly Address[]): string {
  return formatAddress(candidates[0]);
}
