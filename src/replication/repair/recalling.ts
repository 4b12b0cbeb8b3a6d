// What the queue still keeps, merged once where no site has data: all have lost their memory, or none ever had any.
import { isWithin, messageOf } from '../../base/index.ts';
import type { RepairContext } from '../repair-hooks.ts';

/** Units: ms between tries at a queue that could not be read. */
const RETRY_MS = 5_000;

/** The reading of one site. */
export class Recalling {
  readonly #context: RepairContext;
  #isDone = false;
  /** Units: Unix ms up to which it is not tried again; 0: at once. */
  #pausedUntilMs = 0;
  /** Why it could not be read the last time. */
  #said = '';

  constructor(context: RepairContext) {
    this.#context = context;
  }

  /** Reads it, unless that was done, or failed a moment ago. Never rejects: a failure is logged. */
  async run(signal: AbortSignal): Promise<void> {
    const { recall, receiver, clock, logger } = this.#context;
    if (recall === undefined || this.#isDone || isWithin(clock, this.#pausedUntilMs, RETRY_MS)) return;
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    try {
      await Promise.race([recall(), aborted]);
      this.#isDone = true;
      const { recalled } = receiver.stats();
      if (recalled > 0)
        logger.info({ messages: recalled }, 'no other site has data: read what the queue kept');
    } catch (error) {
      this.#pausedUntilMs = clock.now() + RETRY_MS;
      const reason = messageOf(error);
      if (reason !== this.#said)
        logger.warn({ error: reason }, 'what the queue keeps could not be read, will be tried again');
      this.#said = reason;
    }
  }
}
