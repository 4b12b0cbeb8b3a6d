// Reads of strings for the near cache, on links of their own on which Redis also tells of every later change of what was read.
//
// 1. GET, PTTL and TIME go by one link per node, and so do the invalidations: what is told before an answer happened before it.
// 2. Nothing is read by a link before CLIENT TRACKING is on; when a link or node is lost, anything may have changed.
// 3. An invalidation between the replies: the value was written meanwhile. No transaction is needed.
// 4. TIME, asked with each read, tells when a TTL ends by our clock (clock-offset.ts).
import type { Clock, Latin1, Timer } from '../../base/index.ts';
import { bytesOf } from '../../base/index.ts';
import { encodeCommand, type Reply } from '../../resp/index.ts';
import { ClockOffset } from './clock-offset.ts';
import { slotOf } from './slots.ts';
import type { Node, Topology } from './topology/index.ts';
import type { Link, ReplySink } from '../../redis-link/index.ts';

/** A string as Redis showed it. */
export interface TrackedRead {
  /** null: the key shows nothing. Owns: a view of what the socket read; copy to keep it. */
  readonly value: Buffer | null;
  /** The value surely lives before it, by our clock. Units: Unix ms; Infinity: it does not expire. */
  readonly until: number;
  /** It is surely gone from then on; so near to `until` as the quickest of the last round trips lets us know. */
  readonly goneAt: number;
  /** The key was written while it was read. */
  readonly isTorn: boolean;
}

/** Reads and tells of changes; the shape that the near cache asks for. */
export interface TrackedReads {
  /** `done` is called once. undefined: no string, or no tracked connection to its node. */
  read(key: Latin1, done: (read: TrackedRead | undefined) => void): void;
  /** A key has changed; undefined: any may have. */
  onChange: ((key: Latin1 | undefined) => void) | undefined;
  close(): void;
}

/** Units: ms. How often each link is asked for a sign of life and the nodes are compared with those known. */
const CHECK_MS = 200;
/** Units: ms without an answer after which a link counts as lost, and what was read by it as changed. */
const HANG_TIMEOUT_MS = 1_000;
const COLON = 58;
const DOLLAR = 36;
const UNDERSCORE = 95;
const CRLF_BYTES = 2;
const TIME = encodeCommand(['TIME']);
const READ_REPLIES = 3;

interface TrackedLink {
  readonly link: Link;
  readonly offset: ClockOffset;
}

/** Opens tracked reads over the nodes of a store. Does not close the topology. */
export function openTrackedReads(options: {
  readonly topology: Pick<Topology, 'nodeOf' | 'nodes' | 'isCluster'>;
  readonly clock: Clock;
}): TrackedReads {
  return new OpenTrackedReads(options.topology, options.clock);
}

class OpenTrackedReads implements TrackedReads {
  onChange: ((key: Latin1 | undefined) => void) | undefined;
  readonly #topology: Pick<Topology, 'nodeOf' | 'nodes' | 'isCluster'>;
  readonly #clock: Clock;
  readonly #links = new Map<Node, TrackedLink>();
  /** Reads under way, by key: an invalidation tears them. The cache has at most one of a key; after a write, two. */
  readonly #reading = new Map<Latin1, Set<Reading>>();
  readonly #timer: Timer;
  #isClosed = false;

  constructor(topology: Pick<Topology, 'nodeOf' | 'nodes' | 'isCluster'>, clock: Clock) {
    this.#topology = topology;
    this.#clock = clock;
    this.#timer = clock.every(CHECK_MS, () => this.#check());
    this.#check();
  }

  read(key: Latin1, done: (read: TrackedRead | undefined) => void): void {
    const tracked = this.#linkOf(key);
    if (tracked === undefined || tracked.link.state !== 'ready') return done(undefined);
    const held = this.#reading.get(key) ?? new Set();
    const reading = new Reading({ clock: this.#clock, offset: tracked.offset }, (read) => {
      held.delete(reading);
      if (held.size === 0) this.#reading.delete(key);
      done(read);
    });
    held.add(reading);
    this.#reading.set(key, held);
    const name = bytesOf(key);
    const bytes = Buffer.concat([encodeCommand(['GET', name]), encodeCommand(['PTTL', name]), TIME]);
    return tracked.link.forward(bytes, READ_REPLIES, reading);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer.cancel();
    for (const { link } of this.#links.values()) link.close();
    this.#links.clear();
  }

  #linkOf(key: Latin1): TrackedLink | undefined {
    const node = this.#topology.nodeOf(this.#topology.isCluster ? slotOf(key) : 0);
    if (node === undefined || this.#isClosed) return undefined;
    return this.#links.get(node) ?? this.#open(node);
  }

  #open(node: Node): TrackedLink {
    const link = node.dedicated(3, {
      hangTimeoutMs: HANG_TIMEOUT_MS,
      // NOLOOP: a read that finds an expired key removes it there; that is no news for whoever read it.
      onReady: async (setup) => {
        const reply = await setup.call(['CLIENT', 'TRACKING', 'ON', 'NOLOOP']);
        if (reply.kind === 'error') throw new Error(reply.text);
      },
    });
    link.onPush = (reply) => this.#heard(reply);
    link.onState = (state) => {
      if (state === 'down' || state === 'closed') this.onChange?.(undefined);
    };
    const tracked = { link, offset: new ClockOffset() };
    this.#links.set(node, tracked);
    return tracked;
  }

  #heard(reply: Reply): void {
    if (reply.kind !== 'push' || !isBulk(reply.items[0], 'invalidate')) return;
    const keys = reply.items[1];
    if (keys?.kind !== 'array') {
      this.#tear(undefined);
      this.onChange?.(undefined);
      return;
    }
    for (const item of keys.items) {
      if (item.kind !== 'bulk') continue;
      const key = item.bytes.toString('latin1');
      this.#tear(key);
      this.onChange?.(key);
    }
  }

  #tear(key: Latin1 | undefined): void {
    const all = key === undefined ? [...this.#reading.values()] : [this.#reading.get(key) ?? []];
    for (const readings of all) for (const reading of readings) reading.tear();
  }

  /** Links to all masters that are there, so that nothing waits for one; none to those that have gone. */
  #check(): void {
    const present = new Set(this.#topology.nodes);
    for (const node of present) if (!this.#links.has(node)) this.#open(node);
    for (const [node, { link, offset }] of this.#links) {
      if (present.has(node)) {
        if (link.state === 'ready' && link.pending === 0)
          link.forward(TIME, 1, new TimeReply({ clock: this.#clock, offset }));
        continue;
      }
      this.#links.delete(node);
      link.close();
    }
  }
}

interface Timing {
  readonly clock: Clock;
  readonly offset: ClockOffset;
}

/** The reply to TIME alone: a sign of life. */
class TimeReply implements ReplySink {
  readonly #timing: Timing;
  readonly #askedAt: number;

  constructor(timing: Timing) {
    this.#timing = timing;
    this.#askedAt = timing.clock.now();
  }

  replies(bytes: Buffer): void {
    noteTime(this.#timing, this.#askedAt, bytes);
  }

  failed(): void {}
}

/** The replies to GET, PTTL and TIME of one key. */
class Reading implements ReplySink {
  #value: Buffer | null | undefined;
  #ttlMs = 0;
  #come = 0;
  #isTorn = false;
  readonly #timing: Timing;
  readonly #askedAt: number;
  readonly #done: (read: TrackedRead | undefined) => void;

  constructor(timing: Timing, done: (read: TrackedRead | undefined) => void) {
    this.#timing = timing;
    this.#askedAt = timing.clock.now();
    this.#done = done;
  }

  /** An invalidation came: it tears the read if that has begun. */
  tear(): void {
    if (this.#come > 0) this.#isTorn = true;
  }

  replies(bytes: Buffer, count: number): void {
    let at = 0;
    for (let i = 0; i < count; i++) {
      this.#come++;
      // TIME is an array, and the last.
      const end = this.#come === READ_REPLIES ? bytes.length : replyEnd(bytes, at);
      this.#take(bytes.subarray(at, end));
      at = end;
    }
  }

  failed(): void {
    this.#done(undefined);
  }

  #take(reply: Buffer): void {
    if (this.#come === 1) this.#value = valueOf(reply);
    else if (this.#come === 2) this.#ttlMs = reply[0] === COLON ? Number(reply.toString('latin1', 1)) : 0;
    else this.#done(this.#read(noteTime(this.#timing, this.#askedAt, reply)));
  }

  #read(time: number): TrackedRead | undefined {
    const value = this.#value;
    if (value === undefined || Number.isNaN(time)) return undefined;
    // -2 behind a value: it expired between the two.
    const isTorn = this.#isTorn || (value !== null && this.#ttlMs === -2);
    const forever = { until: Number.POSITIVE_INFINITY, goneAt: Number.POSITIVE_INFINITY };
    if (this.#ttlMs < 0) return { value, isTorn, ...forever };
    // PTTL may have been counted from the ms before that of TIME; Redis removes the key in the ms after its expiry.
    const at = Math.floor(time) + this.#ttlMs;
    const { least, most } = this.#timing.offset;
    return { value, isTorn, until: at - 1 - most, goneAt: at + 1 - least };
  }
}

/** Notes a reply to TIME. Result: its time, Unix ms; NaN: it is an error. */
function noteTime({ clock, offset }: Timing, askedAt: number, reply: Buffer): number {
  const [, , seconds, , microseconds] = reply.toString('latin1').split('\r\n');
  const time = Number(seconds) * 1000 + Number(microseconds) / 1000;
  if (!Number.isNaN(time)) offset.note(askedAt, time, clock.now());
  return time;
}

/** Behind a bulk or a line. */
function replyEnd(bytes: Buffer, at: number): number {
  const start = bytes.indexOf(10, at) + 1;
  if (bytes[at] !== DOLLAR) return start;
  return start + Number(bytes.toString('latin1', at + 1, start - CRLF_BYTES)) + CRLF_BYTES;
}

/** undefined: an error (another type, MOVED, LOADING …). */
function valueOf(reply: Buffer): Buffer | null | undefined {
  if (reply[0] === DOLLAR) return reply.subarray(reply.indexOf(10) + 1, reply.length - CRLF_BYTES);
  return reply[0] === UNDERSCORE ? null : undefined;
}

function isBulk(reply: Reply | undefined, text: string): boolean {
  return reply?.kind === 'bulk' && reply.bytes.toString('latin1') === text;
}
