// Messages that came while the site takes none (MQKV.FREEZE in): held unacknowledged, so that the queue keeps them.
import { type Clock, FROZEN_MESSAGES_MAX, type Timer } from '../base/index.ts';
import type { QueueMessage } from '../queue/index.ts';

/** Units: ms between two signs of life to the queue; brokers wait a minute by default. */
const TOUCH_MS = 15_000;

/** At most as many as the queue delivers without an acknowledgement. */
export class FrozenMessages {
  readonly #clock: Clock;
  readonly #release: (message: QueueMessage) => void;
  #messages: QueueMessage[] = [];
  #timer: Timer | undefined;
  #isFrozen = false;

  constructor(clock: Clock, release: (message: QueueMessage) => void) {
    this.#clock = clock;
    this.#release = release;
  }

  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  set isFrozen(frozen: boolean) {
    this.#isFrozen = frozen;
    if (frozen) {
      this.#timer ??= this.#clock.every(TOUCH_MS, () => {
        for (const message of this.#messages) message.touch();
      });
      return;
    }
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const message of this.#messages.splice(0)) this.#release(message);
  }

  hold(message: QueueMessage): void {
    this.#messages.push(message);
    // A queue that has waited too long delivers again: then the oldest are no longer ours.
    if (this.#messages.length > FROZEN_MESSAGES_MAX) this.#messages.shift()?.requeue(0);
  }

  /** They go back to the queue. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const message of this.#messages.splice(0)) message.requeue(0);
  }
}
