// Hears of writes behind mqkv's back by keyspace notifications, where the Redis has them switched on (notify-keyspace-events with
// K and A); mqkv does not change that setting.
//
// A script of mqkv writes a key and its header in the slot's hash together, and what one script did is told together: an event of a
// key with no event of its slot's hash about the same time (SETTLE_MS before or after) is somebody else's. Where mqkv wrote in the
// same slot just then, MQKV.VERIFY has to find it.
import {
  FOREIGN_KEYS_MAX,
  type Latin1,
  type Logger,
  messageOf,
  type Timer,
  type Clock,
} from '../../base/index.ts';
import type { Reply } from '../../resp/index.ts';
import { slotKey, slotOf } from './slots.ts';
import type { Topology } from './topology/index.ts';
import type { Link } from '../../redis-link/index.ts';

/** Units: ms. Events of one script may come in several pieces. */
const SETTLE_MS = 50;
/** Events that are nobody's write: Redis itself expires; nothing changed. */
const OWN_EVENTS: ReadonlySet<string> = new Set(['expired', 'evicted', 'new', 'rename_from']);

export interface ForeignWritesOptions {
  readonly topology: Pick<Topology, 'nodes'>;
  readonly db: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Keys that somebody else wrote. */
  readonly found: (keys: readonly Latin1[]) => Promise<void>;
}

/** One gateway's ears for them. */
export class ForeignWrites {
  readonly #options: ForeignWritesOptions;
  readonly #prefix: string;
  readonly #links = new Map<unknown, Link>();
  /** Keys with an event, and slots whose hash had one, since the last look. */
  #keys = new Set<Latin1>();
  #slots = new Set<Latin1>();
  /** Those of the time before: looked at once what belongs to them must have come. */
  #keysBefore = new Set<Latin1>();
  #slotsBefore = new Set<Latin1>();
  #timer: Timer | undefined;
  #heard = 0;

  constructor(options: ForeignWritesOptions) {
    this.#options = options;
    this.#prefix = `__keyspace@${options.db}__:`;
    this.listen();
  }

  /** Keys found so far. */
  get heard(): number {
    return this.#heard;
  }

  /** At every master; called again when they change. */
  listen(): void {
    const { nodes } = this.#options.topology;
    for (const [node, link] of this.#links) {
      if (nodes.some((one) => one === node)) continue;
      link.close();
      this.#links.delete(node);
    }
    for (const node of nodes) {
      if (this.#links.has(node)) continue;
      const link = node.dedicated(3, {
        onReady: async (setup) => setup.send(['PSUBSCRIBE', `${this.#prefix}*`]),
      });
      link.onPush = (reply) => this.#push(reply);
      this.#links.set(node, link);
    }
  }

  close(): void {
    this.#timer?.cancel();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  #push(reply: Reply): void {
    if (reply.kind !== 'push' || reply.items.length !== 4) return;
    const [, , channel, event] = reply.items.map((item) =>
      item.kind === 'bulk' ? item.bytes.toString('latin1') : '',
    );
    if (channel === undefined || !channel.startsWith(this.#prefix)) return;
    const key = channel.slice(this.#prefix.length);
    if (key.startsWith('mqkv:')) {
      if (!key.startsWith('mqkv:{')) return;
      this.#slots.add(key.slice(0, 10));
      this.#arm();
      return;
    }
    if (OWN_EVENTS.has(event ?? '') || this.#keys.size >= FOREIGN_KEYS_MAX) return;
    this.#keys.add(key);
    this.#arm();
  }

  #arm(): void {
    this.#timer ??= this.#options.clock.after(SETTLE_MS, () => void this.#look());
  }

  async #look(): Promise<void> {
    const slots = new Set([...this.#slotsBefore, ...this.#slots]);
    const foreign = [...this.#keysBefore].filter((key) => !slots.has(slotKey(slotOf(key))));
    this.#timer = undefined;
    this.#keysBefore = this.#keys;
    this.#slotsBefore = this.#slots;
    this.#keys = new Set();
    this.#slots = new Set();
    if (this.#keysBefore.size > 0 || this.#slotsBefore.size > 0) this.#arm();
    if (foreign.length === 0) return;
    this.#heard += foreign.length;
    try {
      await this.#options.found(foreign);
    } catch (error) {
      this.#options.logger.warn(
        { error: messageOf(error) },
        "writes behind mqkv's back could not be looked at",
      );
    }
  }
}
