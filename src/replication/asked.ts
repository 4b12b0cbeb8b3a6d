// Places in other sites' streams that their clients wait for (WAIT): a heartbeat goes as soon as they are applied here.
import { type Clock, STREAMS_MAX, type Timer } from '../base/index.ts';
import type { SharedKnowledge } from './shared-knowledge.ts';
import type { Streams } from './streams.ts';

/** Units: ms by which the other gateways hear first what this one has applied, before all answer. */
const TOLD_MS = 5;

export interface AskedOptions {
  readonly clock: Clock;
  readonly streams: Streams;
  readonly shared: () => SharedKnowledge | undefined;
  readonly beat: () => void;
}

export class Asked {
  readonly #options: AskedOptions;
  readonly #places = new Map<string, number>();
  #timer: Timer | undefined;

  constructor(options: AskedOptions) {
    this.#options = options;
  }

  /** Another site wants to hear when this is applied. */
  ask(stream: string, upTo: number): void {
    if ((this.#places.get(stream) ?? 0) >= upTo) return;
    if (this.#places.size >= STREAMS_MAX) this.#places.clear();
    this.#places.set(stream, upTo);
    this.applied(stream);
  }

  /** More of a stream is applied. */
  applied(stream: string): void {
    const upTo = this.#places.get(stream);
    const { clock, streams, shared, beat } = this.#options;
    if (upTo === undefined || streams.appliedOf(stream) < upTo) return;
    this.#places.delete(stream);
    const knowledge = shared();
    if (knowledge === undefined) return beat();
    knowledge.tell();
    this.#timer ??= clock.after(TOLD_MS, () => {
      this.#timer = undefined;
      beat();
    });
  }

  close(): void {
    this.#timer?.cancel();
  }
}
