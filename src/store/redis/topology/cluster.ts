// Which node of a cluster serves a slot: the picture that some node has of it, corrected at once by what MOVED tells.
//
// (1) Connections go only to addresses that the cluster itself names (a reply could name any other).
// (2) A slot told by MOVED keeps its node for 1 s, whatever the next node asked says: gossip takes its time.
// (3) The picture is renewed when something says that it is old, every 100 ms while a slot has no ready master, else every 10 s.
import { MqkvError, type Timer } from '../../../base/index.ts';
import { nameOf, openLink } from '../../../redis-link/index.ts';
import type { RedisUrl } from '../url-type.ts';
import { Informant, type Layout } from './informant.ts';
import { linkOptionsOf } from './link-options.ts';
import { MasterNode } from './master-node.ts';
import { fatal } from './requirements.ts';
import type { HostPort } from './slot-map.ts';
import type { Around, Node, Topology, TopologyChange } from './topology.ts';
import { Waiters } from './waiters.ts';

type ClusterNode = MasterNode<HostPort>;

const SLOTS = 16_384;
const REFRESH_MS = 10_000;
const UNREADY_REFRESH_MS = 100;
/** Refreshes are asked for by every MOVED of a pipeline: at most twenty a second. */
const REFRESH_GAP_MS = 50;
const MOVED_HOLDS_MS = 1000;
/** Units: ms. A node that cannot say within this is not asked further. */
const ASK_TIMEOUT_MS = 500;
/** Units: ms. How long opening waits by default. */
const OPEN_TIMEOUT_MS = 10_000;
/** Units: ms. A node that serves nothing any more answers what is under way (MOVED) within this, or never: a frozen master. */
const RETIRE_MS = 500;

/** Opens a cluster's topology. Errors: as `openTopology`. */
export async function openCluster(url: RedisUrl, around: Around): Promise<Topology> {
  if (url.db !== 0) throw new MqkvError('REDIS_DB', `a cluster has database 0 only, not ${url.db}`);
  const topology = new ClusterTopology(url, around);
  try {
    await topology.open();
  } catch (error) {
    await topology.close();
    throw error;
  }
  return topology;
}

class ClusterTopology implements Topology {
  readonly isCluster = true;
  onChange: ((change: TopologyChange) => void) | undefined;
  nodes: readonly ClusterNode[] = [];
  readonly #url: RedisUrl;
  readonly #around: Around;
  readonly #seeds: readonly HostPort[];
  readonly #informant: Informant;
  readonly #slots = new Array<ClusterNode | undefined>(SLOTS).fill(undefined);
  /** All open nodes by id: masters with slots, and targets of ASK without. */
  readonly #open = new Map<string, ClusterNode>();
  /** Ids by HOST:PORT, of every name that a node has; and an address of each id. */
  #ids = new Map<string, string>();
  #addresses: readonly HostPort[] = [];
  /** Open nodes that serve nothing, and since when. */
  readonly #retiring = new Map<ClusterNode, number>();
  /** Slots told by MOVED, and when. */
  readonly #moved = new Map<number, number>();
  readonly #waiters: Waiters;
  #refreshing: Promise<void> | undefined;
  #refreshAgain = false;
  #timer: Timer | undefined;
  #isClosed = false;
  #fail: ((error: MqkvError) => void) | undefined;

  constructor(url: RedisUrl, around: Around) {
    this.#url = url;
    this.#around = around;
    this.#seeds = url.addresses.flatMap((address) => ('host' in address ? [address] : []));
    this.#addresses = this.#seeds;
    this.#informant = new Informant((address) =>
      openLink({
        ...linkOptionsOf(url, around),
        address,
        protocol: 2,
        hangTimeoutMs: ASK_TIMEOUT_MS,
        waitMs: ASK_TIMEOUT_MS,
      }),
    );
    this.#waiters = new Waiters(around.clock, (slot) => this.nodeOf(slot));
  }

  /** Waits until every slot has its master; at the end of the time one ready master is enough. */
  async open(): Promise<void> {
    const { openTimeoutMs = OPEN_TIMEOUT_MS, clock } = this.#around;
    const isLate = new Promise<void>((resolve) => clock.after(openTimeoutMs, resolve));
    const isRefused = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    const isOpen = this.#refreshNow(false).then(() => this.#allReady(openTimeoutMs).catch(() => {}));
    await Promise.race([isRefused, isLate, isOpen]);
    this.#fail = undefined;
    if (this.nodes.some((node) => node.isReady)) return;
    const problem = this.nodes[0]?.problem ?? this.#informant.problem;
    throw new MqkvError('UNAVAILABLE', `no Redis Cluster after ${openTimeoutMs} ms: ${problem?.message}`);
  }

  async #allReady(timeoutMs: number): Promise<void> {
    while (!this.#isHealthy()) {
      const firsts = this.#slots.flatMap((node, slot) =>
        node !== this.#slots[slot - 1] || slot === 0 ? [slot] : [],
      );
      await Promise.all(firsts.map((slot) => this.#waiters.wait(slot, timeoutMs)));
    }
  }

  /** Ends `open` where waiting mends nothing. */
  #noteProblem(problem: MqkvError | undefined): void {
    const lasting = fatal(problem);
    if (lasting !== undefined) this.#fail?.(lasting);
  }

  nodeOf(slot: number): Node | undefined {
    const node = this.#slots[slot];
    return node?.isReady === true ? node : undefined;
  }

  ready(slot: number): Promise<Node> {
    const node = this.nodeOf(slot);
    if (node !== undefined) return Promise.resolve(node);
    this.refresh('no master');
    return this.#waiters.wait(slot);
  }

  refresh(reason: string): void {
    this.#refreshAgain = true;
    if (this.#refreshing !== undefined || this.#isClosed) return;
    this.#around.logger.debug({ reason }, 'looks again which node serves which slot');
    this.#schedule(REFRESH_GAP_MS);
  }

  moved(slot: number, host: string, port: number): Node | undefined {
    const node = this.#nodeAt({ host: host === '' ? this.#hostOf(slot) : host, port });
    this.refresh('MOVED');
    if (node === undefined) return undefined;
    this.#slots[slot] = node;
    this.#moved.set(slot, this.#around.clock.now());
    return node;
  }

  asking(slot: number, host: string, port: number): Node | undefined {
    const node = this.#nodeAt({ host: host === '' ? this.#hostOf(slot) : host, port });
    if (node === undefined) this.refresh('ASK');
    return node;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#informant.close();
    this.#waiters.close();
    await this.#refreshing;
    for (const node of this.#open.values()) node.close();
    this.#informant.close();
  }

  /** An empty host in a redirection is that of the node which answered. */
  #hostOf(slot: number): string {
    return this.#slots[slot]?.address.host ?? '';
  }

  #nodeAt(address: HostPort): ClusterNode | undefined {
    const id = this.#ids.get(nameOf(address));
    return id === undefined ? undefined : (this.#open.get(id) ?? this.#openNode(id, address));
  }

  #openNode(id: string, address: HostPort): ClusterNode {
    const node = new MasterNode({ address, url: this.#url, around: this.#around });
    node.onReady = () => {
      this.#waiters.look();
      this.onChange?.({ kind: 'origin', node });
    };
    node.onTrouble = (reason) => {
      this.#noteProblem(node.problem);
      this.refresh(reason);
    };
    this.#open.set(id, node);
    return node;
  }

  /** The next look: soon, or when its time has come. */
  #schedule(delayMs: number): void {
    if (this.#isClosed) return;
    this.#timer?.cancel();
    this.#timer = this.#around.clock.after(delayMs, () => {
      this.#refreshing = this.#refreshNow(!this.#isHealthy()).finally(() => {
        this.#refreshing = undefined;
        const isSoon = this.#refreshAgain;
        this.#schedule(isSoon ? REFRESH_GAP_MS : this.#isHealthy() ? REFRESH_MS : UNREADY_REFRESH_MS);
      });
    });
  }

  #isHealthy(): boolean {
    return (
      this.nodes.length > 0 &&
      this.nodes.every((node) => node.isReady) &&
      ![...this.#retiring.keys()].some((node) => node.pending > 0) &&
      !this.#slots.includes(undefined)
    );
  }

  async #refreshNow(other: boolean): Promise<void> {
    this.#refreshAgain = false;
    const addresses = new Map(
      [...this.#addresses, ...this.#seeds].map((address) => [nameOf(address), address]),
    );
    const layout = await this.#informant.ask([...addresses.values()], other);
    if (layout !== undefined && !this.#isClosed) this.#apply(layout);
    else this.#noteProblem(this.#informant.problem);
    if (this.#timer === undefined) this.#schedule(this.#isHealthy() ? REFRESH_MS : UNREADY_REFRESH_MS);
  }

  #apply(layout: Layout): void {
    this.#takeNames(layout);
    const before = new Set(this.nodes);
    const now = this.#around.clock.now();
    for (const [slot, at] of this.#moved) if (now - at > MOVED_HOLDS_MS || now < at) this.#moved.delete(slot);
    const served = this.#slots.map((node, slot) => (this.#moved.has(slot) ? node : undefined));
    for (const { master, ranges, replicas } of layout.shards) {
      const node = this.#nodeFor(master.id, master);
      node.setReplicas(replicas);
      for (const [first, last] of ranges) for (let slot = first; slot <= last; slot++) served[slot] ??= node;
    }
    for (let slot = 0; slot < SLOTS; slot++) this.#slots[slot] = served[slot];
    this.nodes = [...new Set(served)].filter((node) => node !== undefined);
    this.#retire();
    this.#tell(before);
    this.#waiters.look();
  }

  /** The node of an id; a new one when it has another address now. */
  #nodeFor(id: string, address: HostPort): ClusterNode {
    const held = this.#open.get(id);
    if (held !== undefined && this.#ids.get(nameOf(held.address)) === id) return held;
    held?.close();
    return this.#openNode(id, address);
  }

  #takeNames({ shards, nodes, asked }: Layout): void {
    const ids = new Map<string, string>();
    const addresses: HostPort[] = [];
    for (const { id, hosts, port, flags } of nodes) {
      if (flags.some((flag) => flag === 'handshake' || flag === 'noaddr')) continue;
      const own = flags.includes('myself') ? [asked.host] : [];
      for (const host of [...hosts, ...own]) ids.set(nameOf({ host, port }), id);
      if (hosts.length > 0 && !flags.includes('fail')) addresses.push({ host: hosts[0], port });
    }
    for (const { master, replicas } of shards)
      for (const member of [master, ...replicas]) ids.set(nameOf(member), member.id);
    this.#ids = ids;
    this.#addresses = addresses;
  }

  /** Nodes that serve nothing any more go once nothing is under way on them; an importing one comes back with the next ASK. */
  #retire(): void {
    const serving = new Set(this.nodes);
    const now = this.#around.clock.now();
    for (const [id, node] of this.#open) {
      const since = this.#retiring.get(node) ?? now;
      const isOver = node.pending > 0 ? now - since > RETIRE_MS : !node.isNewlyIdle();
      if (serving.has(node)) this.#retiring.delete(node);
      else if (!isOver) this.#retiring.set(node, since);
      else {
        this.#retiring.delete(node);
        this.#open.delete(id);
        node.close();
      }
    }
  }

  #tell(before: ReadonlySet<ClusterNode>): void {
    for (const node of this.nodes) if (!before.has(node)) this.onChange?.({ kind: 'nodes', node });
    const after = new Set(this.nodes);
    for (const node of before) if (!after.has(node)) this.onChange?.({ kind: 'nodes', node });
  }
}
