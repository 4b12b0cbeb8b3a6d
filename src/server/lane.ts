// A batch and a writer: what executing one chunk takes. One lane serves all clients; those that wait keep small ones.
import { CommandBatch, ReplyWriter } from '../resp/index.ts';

/** Free small lanes kept; more are left to the collector. */
const FREE_LANES_MAX = 64;
const CAPACITY_KEPT = 64;
const BYTES_KEPT = 16 * 1024;

/** A batch of commands and the replies to them. */
export class Lane {
  batch = new CommandBatch();
  writer = new ReplyWriter();
}

/** The lanes of one server. */
export class Lanes {
  /** The lane of whoever executes now. Its arrays have grown to the size of whole chunks. */
  #main = new Lane();
  #mainBusy = false;
  #free: Lane[] = [];

  /** The lane for the next chunk, until `release`: the main one, unless a handler has made another client execute. */
  take(): Lane {
    if (this.#mainBusy) return this.#free.pop() ?? new Lane();
    this.#mainBusy = true;
    return this.#main;
  }

  /** The client that executes must wait: it keeps its lane (the same objects), the server goes on with another. */
  keep(lane: Lane): void {
    if (lane !== this.#main) return;
    const next = this.#free.pop() ?? new Lane();
    next.batch.exchange(lane.batch);
    next.writer.exchange(lane.writer);
    this.#main = next;
    this.#mainBusy = false;
  }

  /** Gives a lane back, its work done or dropped. */
  release(lane: Lane): void {
    lane.batch.release();
    lane.writer.truncate(0);
    if (lane === this.#main) this.#mainBusy = false;
    else this.#keepFree(lane);
  }

  #keepFree(lane: Lane): void {
    if (this.#free.length >= FREE_LANES_MAX) return;
    if (lane.batch.capacity <= CAPACITY_KEPT && lane.writer.capacity <= BYTES_KEPT) this.#free.push(lane);
  }
}
