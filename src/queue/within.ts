// Waiting for something, but not for ever.
import { type Clock, MqkvError, sleep } from '../base/index.ts';

/** What a promise gives within a time; undefined: it has not settled by then. Units: `ms`. Errors: the promise's. */
export async function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T | undefined> {
  const over = new AbortController();
  try {
    return await Promise.race([promise, sleep(clock, ms, over.signal).then(() => undefined)]);
  } finally {
    over.abort();
  }
}

/** The same for as long as nobody gives up. Errors: the promise's; MqkvError `CLOSED` when the signal aborts. */
export async function unlessAborted<T>(signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> {
  if (signal === undefined) return promise;
  let giveUp = (): void => {};
  const given = new Promise<never>((_resolve, reject) => {
    giveUp = () => reject(new MqkvError('CLOSED', 'given up'));
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
  });
  try {
    return await Promise.race([promise, given]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
