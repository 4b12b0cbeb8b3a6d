// What one client is still to be sent: replies, out-of-band messages between them, and when to stop because it reads too slowly.
import type { Socket } from 'node:net';
import type { Timer } from '../base/index.ts';
import { LateReplies, type LaterReply, type Taken } from './late-replies.ts';
import type { ServerCore } from './server-core.ts';

/** Units: ms. After the last reply the input is read and dropped for this long, or a reset could overtake the reply. */
const LINGER_MS = 1000;
/** Units: bytes. Out-of-band messages of one turn are joined up to this size. */
const JOIN_BYTES_MAX = 64 * 1024;

/** What an output tells its client. */
export interface OutputEvents {
  /** `blocked` was true and is no longer. */
  goOn(): void;
  /** More late replies are unsent than `outputBytesMax`. */
  overflow(): void;
}

/** The output of one client. */
export class Output {
  readonly #socket: Socket;
  readonly #core: ServerCore;
  /** Made when the first place is taken: most handlers take none. */
  #late: LateReplies | undefined;
  readonly #drained: () => void;
  readonly #events: OutputEvents;
  #isUndrained = false;
  /** The late replies were full when last asked. */
  #isHeldUp = false;
  #isEnding = false;
  #pushed: Buffer[] = [];
  #pushedBytes = 0;
  #linger: Timer | undefined;

  constructor(socket: Socket, core: ServerCore, events: OutputEvents) {
    this.#socket = socket;
    this.#core = core;
    this.#events = events;
    this.#drained = () => {
      if (!this.#isUndrained) return;
      this.#isUndrained = false;
      if (!this.blocked) events.goOn();
    };
    socket.on('drain', this.#drained);
  }

  /** More is unsent than `outputPauseBytes`, or too many replies are to come: `goOn` is told when that is over. */
  get blocked(): boolean {
    if (this.#isUndrained) return true;
    if (this.#late === undefined) return false;
    this.#isHeldUp = this.#late.full;
    return this.#isHeldUp;
  }

  /** Replies are to come. */
  get isLate(): boolean {
    return this.#late?.empty === false;
  }

  /** Leaves the socket to others. */
  unattach(): void {
    this.#socket.off('drain', this.#drained);
  }

  /** Units: bytes. */
  get bytesQueued(): number {
    return this.#socket.writableLength + this.#pushedBytes + (this.#late?.heldBytes ?? 0);
  }

  /** Sends replies, those before them first. */
  write(pieces: readonly Buffer[]): void {
    if (this.#late?.empty === false) return this.#late.write(pieces);
    if (this.#pushedBytes > 0) this.flush();
    this.#send(pieces);
  }

  /** A place for replies that come later, behind what has been written. */
  later(taken: Taken): LaterReply {
    this.#late ??= new LateReplies({ emit: (piece) => this.#add(piece), closed: () => this.#lateClosed() });
    return this.#late.open(taken);
  }

  /** Sends out-of-band pieces at the end of this turn, together with others of the turn; behind replies to come. */
  push(pieces: readonly Buffer[]): void {
    if (this.#late?.empty === false) return this.#late.write(pieces);
    for (const piece of pieces) this.#add(piece);
  }

  /** Sends what was pushed, and late replies whose turn has come. */
  flush(): void {
    if (this.#pushedBytes === 0) return;
    const pushed = this.#pushed;
    const joined =
      pushed.length > 1 && this.#pushedBytes <= JOIN_BYTES_MAX ? [Buffer.concat(pushed)] : pushed;
    this.#pushed = [];
    this.#pushedBytes = 0;
    this.#send(joined);
  }

  /** The end of a turn in which something was added: sends it, and goes on with what waited for it. */
  endOfTurn(): void {
    this.flush();
    if (this.bytesQueued > this.#core.limits.outputBytesMax) return this.#events.overflow();
    if (this.#isEnding && !this.isLate) this.#end();
    else if (this.#isHeldUp && !this.blocked) this.#events.goOn();
  }

  /** Forgets what was not sent. */
  drop(): void {
    this.#pushed = [];
    this.#pushedBytes = 0;
    this.#late?.drop();
  }

  /** Sends the rest, replies to come included, then closes. */
  end(): void {
    if (this.isLate) this.#isEnding = true;
    else this.#end();
  }

  #lateClosed(): void {
    if (this.#isEnding || this.#isHeldUp) this.#core.endOfTurn(this);
  }

  #add(piece: Buffer): void {
    if (this.#pushed.push(piece) === 1) this.#core.endOfTurn(this);
    this.#pushedBytes += piece.length;
  }

  #end(): void {
    this.#isEnding = false;
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
    } else {
      socket.cork();
      for (const piece of pieces) {
        this.#core.outputBytes += piece.length;
        socket.write(piece);
      }
      socket.uncork();
    }
    if (socket.writableLength > this.#core.limits.outputPauseBytes) this.#isUndrained = true;
  }
}
