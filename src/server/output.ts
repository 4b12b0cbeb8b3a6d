// What one client is still to be sent: replies, out-of-band messages between them, and when to stop because it reads too slowly.
import type { Socket } from 'node:net';
import type { Timer } from '../base/index.ts';
import type { ServerCore } from './server-core.ts';

/** Units: ms. After the last reply the input is read and dropped for this long, or a reset could overtake the reply. */
const LINGER_MS = 1000;
/** Units: bytes. Out-of-band messages of one turn are joined up to this size. */
const JOIN_BYTES_MAX = 64 * 1024;

/** The output of one client. */
export class Output {
  /** More is unsent than `outputPauseBytes`; `drained` is called when that is over. */
  blocked = false;
  readonly #socket: Socket;
  readonly #core: ServerCore;
  readonly #drained: () => void;
  #pushed: Buffer[] = [];
  #pushedBytes = 0;
  #linger: Timer | undefined;

  constructor(socket: Socket, core: ServerCore, drained: () => void) {
    this.#socket = socket;
    this.#core = core;
    this.#drained = () => {
      if (!this.blocked) return;
      this.blocked = false;
      drained();
    };
    socket.on('drain', this.#drained);
  }

  /** Leaves the socket to others. */
  unattach(): void {
    this.#socket.off('drain', this.#drained);
  }

  /** Units: bytes. */
  get bytesQueued(): number {
    return this.#socket.writableLength + this.#pushedBytes;
  }

  /** Sends replies. */
  write(pieces: readonly Buffer[]): void {
    if (this.#pushedBytes > 0) this.flush();
    this.#send(pieces);
    if (this.#socket.writableLength > this.#core.limits.outputPauseBytes) this.blocked = true;
  }

  /** Sends out-of-band pieces at the end of this turn, together with others of the turn. */
  push(pieces: readonly Buffer[]): void {
    if (this.#pushedBytes === 0) queueMicrotask(() => this.flush());
    for (const piece of pieces) {
      this.#pushed.push(piece);
      this.#pushedBytes += piece.length;
    }
  }

  /** Sends what was pushed. */
  flush(): void {
    if (this.#pushedBytes === 0) return;
    const joined = this.#pushedBytes <= JOIN_BYTES_MAX ? [Buffer.concat(this.#pushed)] : this.#pushed;
    this.drop();
    this.#send(joined);
  }

  /** Forgets what was pushed and not sent. */
  drop(): void {
    this.#pushed = [];
    this.#pushedBytes = 0;
  }

  /** Sends the rest, then closes. */
  end(): void {
    this.flush();
    const socket = this.#socket;
    socket.once('close', () => this.#linger?.cancel());
    socket.end(() => {
      this.#linger = this.#core.clock.after(LINGER_MS, () => socket.destroy());
    });
  }

  #send(pieces: readonly Buffer[]): void {
    const socket = this.#socket;
    if (pieces.length === 1) {
      this.#core.outputBytes += pieces[0].length;
      socket.write(pieces[0]);
      return;
    }
    socket.cork();
    for (const piece of pieces) {
      this.#core.outputBytes += piece.length;
      socket.write(piece);
    }
    socket.uncork();
  }
}
