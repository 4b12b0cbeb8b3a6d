// A second site under one's own name: two store ids that alternate.
import type { Clock, Logger } from '../base/index.ts';
import type { Heartbeat } from './heartbeat.ts';

/** Units: ms. How long two stores must alternate under one name before the later one refuses (DESIGN 7). */
const DUPLICATE_AFTER_MS = 5_000;
/** Units: ms. Without a heartbeat of the other for so long, the name is free again. */
const DUPLICATE_GONE_MS = 10_000;

export interface RivalOptions {
  readonly storeId: string;
  /** Units: Unix ms. */
  readonly startedAtMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The other store under this site's name. */
export class Rival {
  readonly #options: RivalOptions;
  #sinceMs = 0;
  #heardMs = 0;
  #rival: Heartbeat | undefined;

  constructor(options: RivalOptions) {
    this.#options = options;
  }

  /** It is there, or was until a moment ago: it takes messages that this site lacks. */
  get isThere(): boolean {
    return this.#rival !== undefined;
  }

  /** It started earlier: data commands are to be refused here. */
  get isFirst(): boolean {
    if (this.#rival === undefined || this.#isGone) return false;
    return this.#heardMs - this.#sinceMs >= DUPLICATE_AFTER_MS && startedBefore(this.#rival, this.#options);
  }

  /** It has left, having taken a part of this site's messages. true: once. */
  hasLeft(): boolean {
    if (this.#rival === undefined || !this.#isGone) return false;
    this.#rival = undefined;
    return true;
  }

  hear(heartbeat: Heartbeat): void {
    const now = this.#options.clock.now();
    if (this.#rival?.storeId !== heartbeat.storeId || this.#isGone) this.#sinceMs = now;
    const before = this.isFirst;
    this.#rival = heartbeat;
    this.#heardMs = now;
    if (before || !this.isFirst) return;
    const { storeId, address } = heartbeat;
    this.#options.logger.error({ storeId, address }, 'another site has this name');
  }

  get #isGone(): boolean {
    return Math.abs(this.#options.clock.now() - this.#heardMs) > DUPLICATE_GONE_MS;
  }
}

function startedBefore(a: Heartbeat, b: RivalOptions): boolean {
  return a.startedAtMs < b.startedAtMs || (a.startedAtMs === b.startedAtMs && a.storeId < b.storeId);
}
