// Messages handed over and not yet accepted: those that wait, in order, and those in batches under way.
// Invariants: (1) an entry waits or is in one batch, never both; (2) every entry settles exactly once; (3) the bytes of
// an entry in a batch are still read by the socket, so that an abort waits for the answer.
import { MqkvError } from '../../base/index.ts';
import { mpubBytes } from './commands.ts';

/** One message. */
export interface Entry {
  readonly body: Uint8Array;
  /** Times that it went out without being accepted. */
  failures: number;
  error: MqkvError | undefined;
  /** In a batch under way. */
  sent: boolean;
  settled: boolean;
  readonly signal: AbortSignal | undefined;
  settle(error?: MqkvError): void;
}

/** After so many failures a message goes alone, so that one that a broker cannot take does not stop others. */
const ALONE_AFTER = 2;

export const aborted = (): MqkvError => new MqkvError('CLOSED', 'publishing was aborted');

export class Pending {
  #queue: Entry[] = [];
  readonly #open = new Set<Entry>();
  #bytes = 0;
  #drained: () => void = () => {};

  /** Units: bytes of all that is not settled. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many wait to be sent. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Those that wait now. */
  list(): readonly Entry[] {
    return [...this.#queue];
  }

  add(body: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        if (!entry.sent) entry.settle(aborted());
      };
      const settle = (error?: MqkvError): void => {
        if (entry.settled) return;
        entry.settled = true;
        signal?.removeEventListener('abort', abort);
        this.#forget(entry);
        if (error === undefined) resolve();
        else reject(error);
      };
      const entry: Entry = {
        body,
        failures: 0,
        error: undefined,
        sent: false,
        settled: false,
        signal,
        settle,
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#open.add(entry);
      this.#bytes += body.length;
      this.#queue.push(entry);
    });
  }

  /** Takes what fits into one MPUB from the front. Empty when nothing unsettled waits. */
  take(bytesMax: number): Entry[] {
    const batch: Entry[] = [];
    let bytes = 0;
    let taken = 0;
    for (const entry of this.#queue) {
      const isFull = mpubBytes(batch.length + 1, bytes + entry.body.length) > bytesMax;
      const isAlone = entry.failures >= ALONE_AFTER;
      if (!entry.settled && batch.length > 0 && (isFull || isAlone)) break;
      taken += 1;
      if (entry.settled) continue;
      entry.sent = true;
      batch.push(entry);
      bytes += entry.body.length;
      if (isAlone) break;
    }
    this.#queue.splice(0, taken);
    return batch;
  }

  /** Batches of one dead connection come back in the order sent: each goes behind those before it. */
  putBack(entries: readonly Entry[]): void {
    for (const entry of entries) entry.sent = false;
    let at = 0;
    while (at < this.#queue.length && this.#queue[at].failures > 0) at += 1;
    this.#queue.splice(at, 0, ...entries);
  }

  /** Settles those entries with an error each, and drops them from those that wait. */
  reject(entries: Iterable<Entry>, errorOf: (entry: Entry) => MqkvError): void {
    for (const entry of entries) entry.settle(errorOf(entry));
    this.#queue = this.#queue.filter((entry) => !entry.settled);
  }

  rejectAll(error: MqkvError): void {
    this.reject([...this.#open], () => error);
  }

  /** Resolves when everything has settled. */
  drained(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = resolve;
    });
  }

  #forget(entry: Entry): void {
    this.#open.delete(entry);
    this.#bytes -= entry.body.length;
    if (this.#open.size === 0) this.#drained();
  }
}
