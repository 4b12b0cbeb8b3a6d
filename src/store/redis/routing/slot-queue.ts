// What of one slot waits: commands that were refused and what came after them. Empty in normal times.
//
// (1) Jobs that conflict are sent in the order they came. A job sent to another node than the one before waits until that has
//     answered; behind what goes to the target of an ASK, or is tried again after a pause, later ones wait for its answer.
// (2) A read that was answered, having been sent before a refused write that came before it and conflicts, is read again.
// (3) A job that waited 2 s in all is answered UNAVAILABLE: nothing of what is open was applied.
// This is the order that clients see as long as no slot comes and goes within one round trip.
import type { Node, Topology } from '../topology/index.ts';
import type { Job, JobOwner } from './job.ts';
import type { Refusal } from './refusal.ts';

/** Units: ms. How often waiting jobs are looked at. */
export const TICK_MS = 10;
/** Units: ticks. DESIGN 5: while no master is known commands wait 2 s. */
const WAIT_TICKS_MAX = 200;
const PAUSE_TICKS_MAX = 5;
/** A redirection more than these in a row is a loop of two nodes that disagree: it pauses too. */
const REDIRECTS_MAX = 4;
/** Behind more waiting jobs than these nothing overtakes: comparing would cost more than waiting. */
const COMPARED_MAX = 64;

/** What the queues of a router share. */
export interface QueueAround {
  readonly topology: Topology;
  /** A queue begins to wait: it wants ticks until it is empty. */
  waits(queue: SlotQueue): void;
  /** Bytes of requests that wait; below zero when they leave. */
  count(bytes: number): void;
  /** No more may wait. */
  readonly isFull: boolean;
  /** A command was refused. Shape: `code` is the first word of the error. */
  note(code: string): void;
}

/** A refused write: the `left` attempts that were under way then, up to `attempt`, have not seen it. */
interface RefusedWrite {
  readonly job: Job;
  readonly attempt: number;
  left: number;
}

export class SlotQueue implements JobOwner {
  readonly slot: number;
  readonly #around: QueueAround;
  /** Ordered by `seq`. */
  readonly #waiting: Job[] = [];
  /** Attempts under way, and the node that the last one went to. */
  #under = 0;
  #node: Node | undefined;
  /** Under way at the target of an ASK, where it may well be refused again. */
  readonly #asked = new Set<Job>();
  /** Others under way that had waited. */
  readonly #sentOn = new Set<Job>();
  #attempts = 0;
  #refused: RefusedWrite[] = [];
  #probe: Job | undefined;
  #isPumping = false;
  #pumpAgain = false;

  constructor(slot: number, around: QueueAround) {
    this.slot = slot;
    this.#around = around;
  }

  get isCluster(): boolean {
    return this.#around.topology.isCluster;
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0;
  }

  /** Hot. Sends the job at once, or lets it wait for its turn. */
  send(job: Job): void {
    if (this.#waiting.length === 0 && this.#probe === undefined && this.#asked.size === 0) {
      const node = this.#nodeOf();
      if (node !== undefined && (this.#under === 0 || node === this.#node) && this.#start(job, node)) return;
    }
    if (this.#around.isFull)
      return job.fail('-UNAVAILABLE too many commands wait for Redis: not applied\r\n');
    this.#wait(job);
    this.#pump();
  }

  refused(job: Job, refusal: Refusal): void {
    const { topology } = this.#around;
    job.asked = undefined;
    job.lastRefusal = refusal.kind === 'pause' ? refusal.code : refusal.kind.toUpperCase();
    this.#around.note(job.lastRefusal);
    if (refusal.kind === 'ask') job.asked = refusal;
    else if (refusal.kind === 'moved') topology.moved(this.slot, refusal.host, refusal.port);
    else if (refusal.kind === 'noscript') job.useText = true;
    else {
      job.isProbe = true;
      if (refusal.code !== 'TRYAGAIN') topology.refresh(refusal.code);
    }
  }

  isStale(job: Job): boolean {
    if (!job.request.isRead || this.#refused.length === 0) return false;
    const missed = this.#refused.filter((one) => one.job.seq < job.seq && job.attempt <= one.attempt);
    return conflicts(
      job,
      missed.map((one) => one.job),
    );
  }

  #probed(job: Job): void {
    this.#probe = undefined;
    if (!job.isDone || job.lastRefusal === 'TRYAGAIN') return;
    // The server works again, so it does for all.
    for (const other of this.#waiting) {
      other.isProbe = false;
      other.pauseTicks = 0;
    }
  }

  /** Under way, but perhaps not for the last time. */
  #held(): Job[] {
    return this.#probe === undefined ? [...this.#asked] : [this.#probe, ...this.#asked];
  }

  settled(job: Job, wasLost: boolean): void {
    this.#under--;
    this.#asked.delete(job);
    this.#sentOn.delete(job);
    this.#forget(job.attempt);
    if (this.#probe === job) this.#probed(job);
    if (wasLost) {
      job.lastRefusal = 'connection lost';
      job.pauseTicks = 1;
      this.#around.topology.refresh('connection lost');
    }
    if (!job.isDone) {
      if (!job.request.isRead) this.#refused.push({ job, attempt: this.#attempts, left: this.#under });
      this.#delay(job);
      this.#wait(job);
    }
    if (this.#waiting.length > 0) this.#pump();
  }

  #forget(attempt: number): void {
    if (this.#refused.length === 0) return;
    for (const one of this.#refused) if (attempt <= one.attempt) one.left--;
    this.#refused = this.#refused.filter(({ left }) => left > 0);
  }

  /** Called every 10 ms while something waits. */
  tick(): void {
    for (const job of this.#waiting.slice()) {
      if (job.pauseTicks > 0) job.pauseTicks--;
      if (++job.waitedTicks > WAIT_TICKS_MAX) this.#giveUp(job);
    }
    this.#pump();
  }

  /** The topology has changed: perhaps what waits can go. */
  wake(): void {
    if (this.#waiting.length > 0) this.#pump();
  }

  /** Answers everything that waits. */
  close(): void {
    for (const job of this.#waiting.splice(0)) {
      this.#around.count(-bytesOf(job));
      job.fail('-UNAVAILABLE the gateway is closing: not applied\r\n');
    }
  }

  #delay(job: Job): void {
    if (job.isProbe) job.pauseTicks = Math.min(PAUSE_TICKS_MAX, 1 + (job.waitedTicks >> 2));
    else if (++job.redirects > REDIRECTS_MAX) {
      job.redirects = 0;
      job.pauseTicks = 1;
    }
  }

  #giveUp(job: Job): void {
    this.#leave(job);
    const why = job.lastRefusal === '' ? 'no master is reachable' : `refused for 2 s (${job.lastRefusal})`;
    job.fail(`-UNAVAILABLE ${why}: not applied\r\n`);
  }

  #wait(job: Job): void {
    let at = this.#waiting.length;
    while (at > 0 && this.#waiting[at - 1].seq > job.seq) at--;
    this.#waiting.splice(at, 0, job);
    this.#around.count(bytesOf(job));
    this.#around.waits(this);
  }

  #leave(job: Job): void {
    this.#waiting.splice(this.#waiting.indexOf(job), 1);
    this.#around.count(-bytesOf(job));
  }

  /** Sends what may go now. What fails while it is being sent comes back here: then once more from the start. */
  #pump(): void {
    this.#pumpAgain = true;
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (this.#pumpAgain) {
      this.#pumpAgain = false;
      this.#pumpOnce();
    }
    this.#isPumping = false;
  }

  #pumpOnce(): void {
    const stay = this.#held();
    for (const job of this.#waiting.slice()) {
      const mayGo = job.pauseTicks === 0 && !conflicts(job, stay);
      if (!(mayGo && this.#sendWaiting(job))) {
        // An ASK is good at once or not at all: the slot may have come back meanwhile.
        job.asked = undefined;
        stay.push(job);
      }
      if (this.#probe === job || this.#asked.has(job)) stay.push(job);
      if (this.#pumpAgain || stay.length > COMPARED_MAX) return;
    }
  }

  #sendWaiting(job: Job): boolean {
    const { asked } = job;
    const target =
      asked === undefined ? this.#nodeOf() : this.#around.topology.asking(this.slot, asked.host, asked.port);
    if (target === undefined) return false;
    if (asked === undefined && this.#under > 0 && target !== this.#node) return false;
    if (asked !== undefined && conflicts(job, [...this.#sentOn])) return false;
    if (target.link(job.request.protocol).state !== 'ready') return false;
    if (job.isProbe && this.#probe !== undefined) return false;
    this.#leave(job);
    if (job.isProbe) this.#probe = job;
    job.isProbe = false;
    if (asked === undefined) this.#sentOn.add(job);
    return this.#start(job, target);
  }

  #start(job: Job, node: Node): boolean {
    const link = node.link(job.request.protocol);
    if (link.state !== 'ready') return false;
    if (job.asked === undefined) this.#node = node;
    else this.#asked.add(job);
    this.#under++;
    job.attempt = ++this.#attempts;
    job.start(link, node.origin);
    return true;
  }

  #nodeOf(): Node | undefined {
    const { topology } = this.#around;
    return this.slot < 0 ? topology.nodes[0] : topology.nodeOf(this.slot);
  }
}

function conflicts(job: Job, earlier: readonly Job[]): boolean {
  return earlier.length > COMPARED_MAX || earlier.some((other) => job.conflictsWith(other));
}

function bytesOf(job: Job): number {
  const { bytes } = job.request;
  return bytes instanceof Uint8Array ? bytes.length : bytes.reduce((sum, piece) => sum + piece.length, 0);
}
