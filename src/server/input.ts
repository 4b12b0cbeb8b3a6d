// Input of one client that cannot be executed yet: kept up to a bound, beyond it the socket is not read.
import type { Socket } from 'node:net';
import type { ServerLimits } from './options.ts';

/** Chunks that wait their turn. */
export class Input {
  readonly #socket: Socket;
  readonly #limits: ServerLimits;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #paused = false;

  constructor(socket: Socket, limits: ServerLimits) {
    this.#socket = socket;
    this.#limits = limits;
  }

  /** Nothing waits. */
  get empty(): boolean {
    return this.#chunks.length === 0;
  }

  /** Keeps a chunk. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > this.#limits.inputPauseBytes) this.pause(true);
  }

  /** The oldest chunk. */
  shift(): Buffer | undefined {
    const chunk = this.#chunks.shift();
    this.#bytes -= chunk?.length ?? 0;
    return chunk;
  }

  /** Everything that waits, oldest first; nothing is left. */
  takeAll(): Buffer[] {
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#bytes = 0;
    return chunks;
  }

  /** Stops or resumes reading the socket. */
  pause(yes: boolean): void {
    if (this.#paused === yes) return;
    this.#paused = yes;
    if (yes) this.#socket.pause();
    else this.#socket.resume();
  }
}
