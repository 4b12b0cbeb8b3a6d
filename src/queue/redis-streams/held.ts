// Entries that were handed out: what each may still do, and acknowledgements on their way to Redis.
import type { Clock, Timer } from '../../base/index.ts';
import type { Link } from '../../redis-link/index.ts';
import type { QueueMessage } from '../queue.ts';
import { Slots } from '../slots.ts';
import { ACK_MS } from './settings.ts';

/** An entry to hand out; `isCopy`: the group knows nothing of this delivery. */
export interface Given {
  readonly id: string;
  readonly body: Buffer;
  readonly attempts: number;
  readonly isCopy: boolean;
}

export interface HeldOptions {
  readonly clock: Clock;
  readonly link: Link;
  readonly stream: Buffer;
  readonly group: string;
  readonly maxInFlight: number;
  readonly handler: (message: QueueMessage) => void;
}

/** Hands entries out, and takes acknowledgements. */
export class Held {
  readonly slots: Slots;
  readonly #options: HeldOptions;
  /** Handed out, or waiting to be handed out again. */
  readonly #ids = new Set<string>();
  /** Acknowledged, and not yet known to be at Redis. */
  readonly #acked = new Set<string>();
  #acking: string[] = [];
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: HeldOptions) {
    this.#options = options;
    this.slots = new Slots(options.maxInFlight);
  }

  /** It is held here, or acknowledged: it is not to be handed out again. */
  has(id: string): boolean {
    return this.#ids.has(id) || this.#acked.has(id);
  }

  /** Order: the oldest first. */
  get ids(): readonly string[] {
    return [...this.#ids];
  }

  give(given: Given): void {
    if (this.#isClosed) return;
    const { id, body, attempts, isCopy } = given;
    const giveBack = this.slots.take();
    if (!isCopy) this.#ids.add(id);
    let isOpen = true;
    const once = (act: () => void): void => {
      if (!isOpen) return;
      isOpen = false;
      giveBack();
      act();
    };
    this.#options.handler({
      body,
      attempts,
      isReplayed: isCopy,
      ack: () => once(() => !isCopy && this.#ack(id)),
      requeue: (delayMs) => once(() => this.#again(given, delayMs)),
      // Everything held is kept from being claimed by others, see claiming.ts.
      touch: () => {},
    });
  }

  /** Sends what is acknowledged and not yet sent. Resolves when Redis has it, or cannot be reached. */
  async flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { link, stream, group } = this.#options;
    const ids = this.#acking;
    this.#acking = [];
    if (ids.length === 0) return;
    try {
      const reply = await link.call(['XACK', stream, group, ...ids]);
      if (reply.kind === 'error') throw new Error(reply.text);
      for (const id of ids) this.#acked.delete(id);
    } catch {
      // They are repeated with the next ones; a group that is gone forgets them.
      this.#acking = [...ids, ...this.#acking];
    }
  }

  /** Repeats acknowledgements that did not arrive. */
  retry(): void {
    if (this.#acking.length > 0) this.#flushLater();
  }

  /** Hands nothing out any more. */
  close(): void {
    this.#isClosed = true;
    this.slots.wake();
  }

  #ack(id: string): void {
    this.#ids.delete(id);
    this.#acked.add(id);
    this.#acking.push(id);
    this.#flushLater();
  }

  #again(given: Given, delayMs: number): void {
    this.#options.clock.after(delayMs, () => this.give({ ...given, attempts: given.attempts + 1 }));
  }

  #flushLater(): void {
    if (this.#isClosed) return;
    this.#timer ??= this.#options.clock.after(ACK_MS, () => void this.flush());
  }
}
