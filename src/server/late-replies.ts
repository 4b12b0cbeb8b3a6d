// Replies that come later: their places in the order of one client's output, and what has to wait behind them.
//
// 1. Places are filled in any order and sent in the order in which they were taken.
// 2. What is written after a place was taken waits in a place of its own, which is complete at once.
// 3. Beyond LATE_COMMANDS_MAX commands or LATE_INPUT_BYTES_MAX bytes of input under way the client's next commands wait.
import { assert, LATE_COMMANDS_MAX, LATE_INPUT_BYTES_MAX } from '../base/index.ts';

/** A place in the order of a connection's replies, filled while later commands are executed. */
export interface LaterReply {
  /** Adds whole replies, in pieces. Owns: the server from now on; they must not change. */
  write(pieces: readonly Buffer[]): void;
  /** Adds whole replies. Owns: as `write`. */
  writeBytes(bytes: Buffer): void;
  /** All replies of the place are written. Idempotent; must be called, also when the client has gone. */
  end(): void;
}

/** How many commands, and of how many bytes of input, a place stands for. */
export interface Taken {
  readonly commands: number;
  readonly inputBytes: number;
}

/** What the places of one client tell. */
export interface LateEvents {
  /** Replies whose turn has come. */
  emit(piece: Buffer): void;
  /** A place is complete. */
  closed(): void;
}

/** The places of one client. */
export class LateReplies {
  /** Units: bytes of replies that wait behind a place. */
  heldBytes = 0;
  readonly #events: LateEvents;
  #head: Place | undefined;
  #tail: Place | undefined;
  #commands = 0;
  #inputBytes = 0;

  constructor(events: LateEvents) {
    this.#events = events;
  }

  /** No place is open: replies may go out at once. */
  get empty(): boolean {
    return this.#head === undefined;
  }

  /** So much is under way that the client's next commands wait. */
  get full(): boolean {
    return this.#commands > LATE_COMMANDS_MAX || this.#inputBytes > LATE_INPUT_BYTES_MAX;
  }

  /** Takes a place behind everything written so far. */
  open(taken: Taken): LaterReply {
    this.#commands += taken.commands;
    this.#inputBytes += taken.inputBytes;
    return this.#append(new Place(this, taken));
  }

  /** Keeps replies that stand behind open places. */
  write(pieces: readonly Buffer[]): void {
    assert(this.#tail !== undefined, 'something waits');
    const place = this.#tail.isOpen ? this.#append(new Place(this, undefined)) : this.#tail;
    place.keep(pieces);
  }

  /** Forgets everything: what is written to open places is dropped. */
  drop(): void {
    for (let place = this.#head; place !== undefined; place = place.next) place.orphan();
    this.#head = undefined;
    this.#tail = undefined;
    this.heldBytes = 0;
  }

  /** Replies of a place: sent when it is the first, kept otherwise. */
  add(place: Place, piece: Buffer): void {
    if (place === this.#head) this.#events.emit(piece);
    else place.keep([piece]);
  }

  /** A place is complete. */
  close(place: Place, { commands, inputBytes }: Taken): void {
    this.#commands -= commands;
    this.#inputBytes -= inputBytes;
    if (place === this.#head) this.#advance(place);
    this.#events.closed();
  }

  #append(place: Place): Place {
    if (this.#tail === undefined) this.#head = place;
    else this.#tail.next = place;
    this.#tail = place;
    return place;
  }

  #advance(done: Place): void {
    let place: Place | undefined = done;
    while (place !== undefined && !place.isOpen) {
      place = place.next;
      this.#head = place;
      if (place !== undefined) for (const piece of place.takeKept()) this.#events.emit(piece);
    }
    if (place === undefined) this.#tail = undefined;
  }
}

class Place implements LaterReply {
  next: Place | undefined;
  isOpen: boolean;
  #owner: LateReplies | undefined;
  readonly #taken: Taken | undefined;
  #kept: Buffer[] = [];

  constructor(owner: LateReplies, taken: Taken | undefined) {
    this.#owner = owner;
    this.#taken = taken;
    this.isOpen = taken !== undefined;
  }

  write(pieces: readonly Buffer[]): void {
    for (const piece of pieces) this.writeBytes(piece);
  }

  writeBytes(bytes: Buffer): void {
    assert(this.isOpen || this.#owner === undefined, 'the place is open');
    this.#owner?.add(this, bytes);
  }

  end(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    if (this.#owner !== undefined && this.#taken !== undefined) this.#owner.close(this, this.#taken);
  }

  keep(pieces: readonly Buffer[]): void {
    if (this.#owner === undefined) return;
    for (const piece of pieces) {
      this.#kept.push(piece);
      this.#owner.heldBytes += piece.length;
    }
  }

  takeKept(): readonly Buffer[] {
    const kept = this.#kept;
    this.#kept = [];
    if (this.#owner !== undefined) for (const piece of kept) this.#owner.heldBytes -= piece.length;
    return kept;
  }

  orphan(): void {
    this.#owner = undefined;
    this.#kept = [];
  }
}
