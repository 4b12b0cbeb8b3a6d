// Reads of strings for the near cache, on links of their own on which Redis also tells of every later change of what was read.
//
// 1. GET and PTTL go by one link per node, and so do the invalidations: what is told before an answer happened before it.
// 2. Nothing is read by a link before CLIENT TRACKING is on; when a link or node is lost, anything may have changed.
// 3. An invalidation between the two replies: the value was written meanwhile. No transaction is needed.
import type { Clock, Latin1, Timer } from '../../base/index.ts';
import { bytesOf } from '../../base/index.ts';
import { encodeCommand, type Reply } from '../../resp/index.ts';
import { slotOf } from './slots.ts';
import type { Node, Topology } from './topology/index.ts';
import type { Link, ReplySink } from './upstream/index.ts';

/** A string as Redis showed it. */
export interface TrackedRead {
  /** null: the key shows nothing. Owns: a view of what the socket read; copy to keep it. */
  readonly value: Buffer | null;
  /** Units: ms; -1: no expiry. */
  readonly ttlMs: number;
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
const CRLF_BYTES = 2;

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
  readonly #links = new Map<Node, Link>();
  /** Reads under way, by key: an invalidation tears them. The cache has at most one of a key; after a write, two. */
  readonly #reading = new Map<Latin1, Set<Reading>>();
  readonly #timer: Timer;
  #isClosed = false;

  constructor(topology: Pick<Topology, 'nodeOf' | 'nodes' | 'isCluster'>, clock: Clock) {
    this.#topology = topology;
    this.#timer = clock.every(CHECK_MS, () => this.#check());
    this.#check();
  }

  read(key: Latin1, done: (read: TrackedRead | undefined) => void): void {
    const link = this.#linkOf(key);
    if (link === undefined || link.state !== 'ready') return done(undefined);
    const held = this.#reading.get(key) ?? new Set();
    const reading = new Reading((read) => {
      held.delete(reading);
      if (held.size === 0) this.#reading.delete(key);
      done(read);
    });
    held.add(reading);
    this.#reading.set(key, held);
    const name = bytesOf(key);
    const bytes = Buffer.concat([encodeCommand(['GET', name]), encodeCommand(['PTTL', name])]);
    return link.forward(bytes, 2, reading);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer.cancel();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  #linkOf(key: Latin1): Link | undefined {
    const node = this.#topology.nodeOf(this.#topology.isCluster ? slotOf(key) : 0);
    if (node === undefined || this.#isClosed) return undefined;
    return this.#links.get(node) ?? this.#open(node);
  }

  #open(node: Node): Link {
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
    this.#links.set(node, link);
    return link;
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
    for (const [node, link] of this.#links) {
      if (present.has(node)) {
        if (link.state === 'ready' && link.pending === 0) link.call(['PING']).catch(() => {});
        continue;
      }
      this.#links.delete(node);
      link.close();
    }
  }
}

/** The replies to GET and PTTL of one key. */
class Reading implements ReplySink {
  #value: Buffer | null | undefined;
  #come = 0;
  #isTorn = false;
  readonly #done: (read: TrackedRead | undefined) => void;

  constructor(done: (read: TrackedRead | undefined) => void) {
    this.#done = done;
  }

  /** An invalidation came: it tears the read if that has begun. */
  tear(): void {
    if (this.#come > 0) this.#isTorn = true;
  }

  replies(bytes: Buffer, count: number): void {
    let at = 0;
    for (let i = 0; i < count; i++) {
      const end = bytes[at] === DOLLAR ? bulkEnd(bytes, at) : bytes.indexOf(10, at) + 1;
      this.#take(bytes, at, end);
      at = end;
    }
  }

  failed(): void {
    this.#come = 2;
    this.#done(undefined);
  }

  #take(bytes: Buffer, at: number, end: number): void {
    this.#come++;
    if (this.#come === 1) {
      this.#value = valueOf(bytes, at, end);
      return;
    }
    const ttlMs = bytes[at] === COLON ? Number(bytes.toString('latin1', at + 1, end - CRLF_BYTES)) : 0;
    const value = this.#value;
    // -2 behind a value: it expired between the two.
    const isTorn = this.#isTorn || (value !== null && ttlMs === -2);
    this.#done(value === undefined ? undefined : { value, ttlMs: Math.max(ttlMs, -1), isTorn });
  }
}

/** undefined: an error (another type, MOVED, LOADING …). */
function valueOf(bytes: Buffer, at: number, end: number): Buffer | null | undefined {
  if (bytes[at] === DOLLAR) {
    const start = bytes.indexOf(10, at) + 1;
    return bytes.subarray(start, end - CRLF_BYTES);
  }
  return bytes[at] === 95 ? null : undefined;
}

function bulkEnd(bytes: Buffer, at: number): number {
  const start = bytes.indexOf(10, at) + 1;
  return start + Number(bytes.toString('latin1', at + 1, start - CRLF_BYTES)) + CRLF_BYTES;
}

function isBulk(reply: Reply | undefined, text: string): boolean {
  return reply?.kind === 'bulk' && reply.bytes.toString('latin1') === text;
}
