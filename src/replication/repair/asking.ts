// Ways to other sites: a connection where one can be made, else the queue. Counts bytes by what they are for.
import { type Clock, MqkvError } from '../../base/index.ts';
import type { PeerAddress, PeerPort } from '../peer-port.ts';
import type { QueuePort } from './queue-port.ts';

/** Units: ms for which a site that could not be reached is asked through the queue. */
const DETOUR_MS = 30_000;
/** Sites of which that is remembered. */
const DETOURS_MAX = 1024;
/** Units: bytes that a message costs on the wire beside its content, about. */
export const FRAME_BYTES = 50;

/** What requests are for. */
export type Purpose = 'repair' | 'bootstrap';

/** By a connection only, or where none can be made through the queue. */
export type Way = 'direct' | 'any';

/** How a request is to go. */
export interface AskOptions {
  readonly purpose: Purpose;
  readonly way?: Way;
  readonly signal?: AbortSignal;
}

/** Counters; they only grow. Units: bytes, at both sides, with framing. */
export interface Traffic {
  bytesSent: number;
  bytesReceived: number;
}

export interface AskingOptions {
  readonly port: PeerPort | undefined;
  readonly queue: QueuePort;
  readonly clock: Clock;
}

/** The asking side. */
export class Asking {
  readonly #options: AskingOptions;
  readonly #detours = new Map<string, number>();
  readonly traffic: Record<Purpose, Traffic> = {
    repair: { bytesSent: 0, bytesReceived: 0 },
    bootstrap: { bytesSent: 0, bytesReceived: 0 },
  };

  constructor(options: AskingOptions) {
    this.#options = options;
  }

  /** Errors: those of `PeerPort.ask`. */
  async ask(to: PeerAddress, request: Buffer, { purpose, way, signal }: AskOptions): Promise<Buffer> {
    const traffic = this.traffic[purpose];
    traffic.bytesSent += request.length + FRAME_BYTES;
    const answer = await (way === 'direct'
      ? this.#askDirectly(to, request, signal)
      : this.#ask(to, request, signal));
    traffic.bytesReceived += answer.length + FRAME_BYTES;
    return answer;
  }

  #askDirectly(to: PeerAddress, request: Buffer, signal?: AbortSignal): Promise<Buffer> {
    const { port } = this.#options;
    if (port !== undefined && to.address !== '') return port.ask(to, request, signal);
    return Promise.reject(new MqkvError('PEER_UNREACHABLE', 'no connection can be made'));
  }

  async #ask(to: PeerAddress, request: Buffer, signal?: AbortSignal): Promise<Buffer> {
    const { port, queue } = this.#options;
    if (port === undefined || to.address === '' || this.#isDetour(to)) return queue.ask(to, request, signal);
    try {
      return await port.ask(to, request, signal);
    } catch (error) {
      const isAway = error instanceof MqkvError && error.code !== 'PEER_FAILED';
      if (!isAway || signal?.aborted === true) throw error;
      this.#detour(to);
      return queue.ask(to, request, signal);
    }
  }

  #isDetour({ address }: PeerAddress): boolean {
    const sinceMs = this.#detours.get(address);
    const ageMs = this.#options.clock.now() - (sinceMs ?? 0);
    if (sinceMs !== undefined && ageMs >= 0 && ageMs < DETOUR_MS) return true;
    this.#detours.delete(address);
    return false;
  }

  #detour({ address }: PeerAddress): void {
    this.#detours.set(address, this.#options.clock.now());
    const oldest = this.#detours.keys().next();
    if (this.#detours.size > DETOURS_MAX && oldest.done !== true) this.#detours.delete(oldest.value);
  }
}
