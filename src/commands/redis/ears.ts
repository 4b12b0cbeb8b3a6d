// One RESP3 connection for each node that is listened to: channel messages and invalidations come by it.
import type { Clock, Latin1, Logger, Timer } from '../../base/index.ts';
import { messageOf } from '../../base/index.ts';
import { encodeCommand, type Reply } from '../../resp/index.ts';
import type { Node } from '../../store/redis/topology/index.ts';
import type { Link } from '../../redis-link/index.ts';
import type { Port, Words } from './port.ts';

/** Who listens. */
export interface Hearer {
  /** A push: its words. Shape: bulks; nested arrays as they are. */
  heard(word: string, items: readonly Reply[], ear: Ear): void;
  /** The connection is new: what was asked of an earlier one to that node is gone. */
  fresh(ear: Ear): Promise<void>;
  /** The node is no longer listened to. */
  lost(ear: Ear): void;
  /** A moment to make up for what could not be asked earlier; about twice a second. */
  retry?(): void;
}

/** Units: ms. How often a connection is looked at: a lost one is found by then if nothing else told. */
const CHECK_MS = 500;
/** Units: ms. How long one look may take. */
const CHECK_TIMEOUT_MS = 2000;

/** The connection to one node. */
export class Ear {
  readonly name: string;
  readonly #link: Link;
  /** The connection's own number at the node; another one: it was made anew. Servers that start anew count anew. */
  #connectionId = '';
  /** Counts the connections that ended. */
  #losses = 0;
  #isChecking = false;
  isClosed = false;
  readonly #hearers: readonly Hearer[];
  readonly #logger: Logger;

  constructor(
    node: Node,
    { hearers, logger }: { readonly hearers: readonly Hearer[]; readonly logger: Logger },
  ) {
    this.name = node.name;
    this.#hearers = hearers;
    this.#logger = logger;
    this.#link = node.dedicated(3);
    this.#link.onPush = (reply) => this.#heard(reply);
    this.#link.onState = (state) => {
      if (state === 'ready') void this.check();
      else {
        this.#losses++;
        this.#connectionId = '';
      }
    };
  }

  /** One command, parsed. */
  call(args: Words): Promise<Reply> {
    return this.#link.call(args);
  }

  /** Commands answered by pushes only; resolves once they have been executed. Errors: the connection ended. */
  tell(commands: readonly Words[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const bytes = Buffer.concat([...commands, ['PING']].map((words) => encodeCommand(words)));
      this.#link.forward(bytes, 1, {
        replies: () => resolve(),
        failed: () => reject(new Error('the connection ended')),
      });
    });
  }

  /** Whether the connection is the one that was known; tells the hearers of a new one. */
  async check(): Promise<void> {
    if (this.#isChecking || this.isClosed) return;
    this.#isChecking = true;
    const before = this.#losses;
    try {
      const reply = await this.#link.call(['CLIENT', 'ID']);
      const id = reply.kind === 'integer' ? String(reply.value) : '';
      if (id === this.#connectionId || this.isClosed) return;
      for (const hearer of this.#hearers) await hearer.fresh(this);
      if (before === this.#losses) this.#connectionId = id;
    } catch (error) {
      this.#logger.debug({ node: this.name, error: messageOf(error) }, 'listening to a node failed');
    } finally {
      this.#isChecking = false;
    }
  }

  close(): void {
    this.isClosed = true;
    this.#link.onPush = undefined;
    this.#link.onState = undefined;
    this.#link.close();
    for (const hearer of this.#hearers) hearer.lost(this);
  }

  #heard(reply: Reply): void {
    if (reply.kind !== 'push' || this.isClosed) return;
    const [head, ...items] = reply.items;
    const word = head?.kind === 'bulk' ? head.bytes.toString('latin1') : '';
    for (const hearer of this.#hearers) hearer.heard(word, items, this);
  }
}

/** The connections to every node that somebody wants to hear. */
export class Ears {
  readonly #port: Port;
  readonly #clock: Clock;
  readonly #hearers: Hearer[] = [];
  readonly #ears = new Map<string, { readonly ear: Ear; readonly ready: Promise<void> }>();
  #timer: Timer | undefined;

  constructor(port: Port) {
    this.#port = port;
    this.#clock = port.clock;
  }

  add(hearer: Hearer): void {
    this.#hearers.push(hearer);
  }

  remove(hearer: Hearer): void {
    const at = this.#hearers.indexOf(hearer);
    if (at >= 0) this.#hearers.splice(at, 1);
  }

  /** The connection to the node of a slot, its hearers told; undefined: there is none at present. */
  async at(slot: number): Promise<Ear | undefined> {
    const node = this.#port.topology.nodeOf(slot);
    if (node === undefined) return undefined;
    const { ear, ready } = this.#ears.get(node.name) ?? this.#open(node);
    await ready;
    return ear;
  }

  close(): void {
    this.#timer?.cancel();
    for (const { ear } of this.#ears.values()) ear.close();
    this.#ears.clear();
  }

  #open(node: Node): { readonly ear: Ear; readonly ready: Promise<void> } {
    const ear = new Ear(node, { hearers: this.#hearers, logger: this.#port.logger });
    const entry = { ear, ready: this.#inTime(ear.check()) };
    this.#ears.set(node.name, entry);
    this.#timer ??= this.#clock.every(CHECK_MS, () => this.#checkAll());
    return entry;
  }

  #inTime(done: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(CHECK_TIMEOUT_MS, resolve);
      void done.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  #checkAll(): void {
    const present = new Set(this.#port.topology.nodes.map(({ name }) => name));
    for (const [name, { ear }] of this.#ears) {
      if (present.has(name)) void ear.check();
      else {
        this.#ears.delete(name);
        ear.close();
      }
    }
    for (const hearer of this.#hearers) hearer.retry?.();
  }
}

/** The text of a bulk; undefined: it is none. */
export function bulkText(reply: Reply | undefined): Latin1 | undefined {
  return reply?.kind === 'bulk' ? reply.bytes.toString('latin1') : undefined;
}
