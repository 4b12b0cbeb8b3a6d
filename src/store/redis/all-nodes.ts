// Commands about all keys: on one node, or on every master of a cluster. Keys beginning `mqkv:` are never shown.
import { below, type Clock, MqkvError, type Random } from '../../base/index.ts';
import { plainReply, type Reply } from '../../resp/index.ts';
import { isShown, type ScanPage, stepCluster, stepSingle } from './all-nodes-scan.ts';
import type { Router } from './router.ts';
import type { Node, Topology } from './topology/index.ts';

/** A page of SCAN, or the error reply. */
export type Scanned = ScanPage | { readonly kind: 'error'; readonly text: string };

/** All keys of the store. Errors: UNAVAILABLE when a node could not be reached for 2 s. */
export interface AllNodes {
  /**
   * One step of SCAN. Shape: `cursor` an unsigned 64-bit decimal, '0' begins and ends; `options` as clients give them
   * (MATCH, COUNT, TYPE). A key that was there all the time comes at least once, perhaps twice.
   */
  scan(cursor: string, options: readonly (string | Uint8Array)[]): Promise<Scanned>;
  /** KEYS. */
  keys(pattern: string | Uint8Array): Promise<readonly Buffer[]>;
  /**
   * DBSIZE. Exact up to 100,000 keys; beyond that the keys of mqkv's own, which Redis counts too, are those of a count at most
   * twenty times as old as it took (a twentieth of the time is spent counting).
   */
  size(): Promise<number>;
  /** RANDOMKEY; undefined: none is there. */
  randomKey(): Promise<Buffer | undefined>;
  /** Every key, page by page, some perhaps twice: FLUSHALL. */
  each(visit: (keys: readonly Buffer[]) => void | Promise<void>): Promise<void>;
}

/** What is needed: the way to the nodes, and where they are. */
export interface AllNodesAround {
  readonly router: Router;
  readonly topology: Topology;
  readonly clock: Clock;
  readonly random: Random;
}

const SLOTS = 16_384;
const KEYS_AT_ONCE = '1000';
/** Up to this many keys are counted one by one whenever asked: some 50 ms. */
const COUNTED_KEYS_MAX = 100_000;
/** A count of mqkv's own keys stays in use this many times as long as it took. */
const REUSE = 20;
/** RANDOMKEY is asked this often before the keys are walked: where half the keys are hidden, it misses once in 10^30. */
const PICKS_MAX = 100;

/** Opens it; nothing is to be closed. */
export function openAllNodes(around: AllNodesAround): AllNodes {
  return new Nodes(around);
}

interface HiddenCount {
  readonly keys: number;
  readonly atMs: number;
  readonly tookMs: number;
}

class Nodes implements AllNodes {
  readonly #around: AllNodesAround;
  /** By node, of large ones. */
  readonly #hidden = new WeakMap<Node, HiddenCount>();

  constructor(around: AllNodesAround) {
    this.#around = around;
  }

  async scan(cursor: string, options: readonly (string | Uint8Array)[]): Promise<Scanned> {
    if (!/^\d{1,20}$/.test(cursor) || BigInt(cursor) >= 2n ** 64n)
      return { kind: 'error', text: 'ERR invalid cursor' };
    const step = this.#around.topology.isCluster ? stepCluster : stepSingle;
    return step(this.#around, BigInt(cursor), options);
  }

  async keys(pattern: string | Uint8Array): Promise<readonly Buffer[]> {
    const replies = await this.#everywhere(['KEYS', pattern]);
    const keys = replies.flatMap(bulksOf).filter(isShown);
    if (replies.length === 1) return keys;
    // A key that is just being moved may have been seen twice.
    return [...new Map(keys.map((key) => [key.toString('latin1'), key])).values()];
  }

  async size(): Promise<number> {
    const slots = this.#slots();
    const sizes = await Promise.all(slots.map((slot) => this.#sizeOf(slot)));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  async randomKey(): Promise<Buffer | undefined> {
    const { router, random } = this.#around;
    for (let i = 0; i < PICKS_MAX; i++) {
      const reply = await router.call(below(random, SLOTS), ['RANDOMKEY'], { isRead: true });
      if (reply.kind === 'bulk' && isShown(reply.bytes)) return reply.bytes;
      if (reply.kind === 'null' && !router.isCluster) return undefined;
    }
    for await (const page of this.#pages()) if (page.length > 0) return page[below(random, page.length)];
    return undefined;
  }

  async each(visit: (keys: readonly Buffer[]) => void | Promise<void>): Promise<void> {
    for await (const page of this.#pages()) if (page.length > 0) await visit(page);
  }

  async *#pages(): AsyncGenerator<readonly Buffer[]> {
    let cursor = '0';
    do {
      const page = await this.scan(cursor, ['COUNT', KEYS_AT_ONCE]);
      if (page.kind === 'error') throw new MqkvError('UNAVAILABLE', page.text);
      yield page.keys;
      cursor = page.cursor;
    } while (cursor !== '0');
  }

  /** One slot of every node that serves any. */
  #slots(): readonly number[] {
    const { topology } = this.#around;
    if (!topology.isCluster) return [0];
    const slots = new Map<Node | undefined, number>();
    for (let slot = 0; slot < SLOTS; slot++) {
      const node = topology.nodeOf(slot);
      if (!slots.has(node)) slots.set(node, slot);
    }
    return [...slots.values()];
  }

  async #everywhere(args: readonly (string | Uint8Array)[]): Promise<readonly Reply[]> {
    const replies = this.#slots().map((slot) => this.#around.router.call(slot, args, { isRead: true }));
    return Promise.all(replies);
  }

  async #sizeOf(slot: number): Promise<number> {
    const { router, topology, clock } = this.#around;
    const node = topology.nodeOf(slot);
    const before = clock.now();
    const all = Number(plainReply(await router.call(slot, ['DBSIZE'], { isRead: true })));
    const held = node === undefined ? undefined : this.#hidden.get(node);
    const isLarge = all > COUNTED_KEYS_MAX;
    if (isLarge && held !== undefined && before - held.atMs < held.tookMs * REUSE)
      return Math.max(0, all - held.keys);
    const keys = await this.#countHidden(slot);
    const tookMs = clock.now() - before;
    if (node !== undefined) this.#hidden.set(node, { keys, atMs: before + tookMs, tookMs });
    return Math.max(0, all - keys);
  }

  /** Counts by SCAN; names are remembered while they are few, since SCAN may tell one twice. */
  async #countHidden(slot: number): Promise<number> {
    const seen = new Set<string>();
    let more = 0;
    let cursor = '0';
    do {
      const args = ['SCAN', cursor, 'MATCH', 'mqkv:*', 'COUNT', KEYS_AT_ONCE];
      const reply = await this.#around.router.call(slot, args, { isRead: true });
      if (reply.kind !== 'array') throw new MqkvError('UNAVAILABLE', String(plainReply(reply)));
      cursor = String(plainReply(reply.items[0]));
      for (const key of bulksOf(reply.items[1])) {
        if (seen.size < COUNTED_KEYS_MAX) seen.add(key.toString('latin1'));
        else more++;
      }
    } while (cursor !== '0');
    return seen.size + more;
  }
}

function bulksOf(reply: Reply): readonly Buffer[] {
  if (reply.kind !== 'array') throw new MqkvError('UNAVAILABLE', String(plainReply(reply)));
  return reply.items.flatMap((item) => (item.kind === 'bulk' ? [item.bytes] : []));
}
