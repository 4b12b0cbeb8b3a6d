// What the topologies of one master have in common: who waits for it, what is told of it, how opening ends.
import { MqkvError } from '../../../base/index.ts';
import type { RedisAddress, RedisUrl } from '../url-type.ts';
import { MasterNode } from './master-node.ts';
import { fatal } from './requirements.ts';
import type { Around, Node, Topology, TopologyChange } from './topology.ts';
import { Waiters } from './waiters.ts';

/** Units: ms. How long opening waits for a master by default. */
const OPEN_TIMEOUT_MS = 10_000;
const ANY_SLOT = 0;

/** A topology with at most one master at a time. */
export abstract class SingleMaster implements Topology {
  readonly isCluster = false;
  onChange: ((change: TopologyChange) => void) | undefined;
  protected readonly url: RedisUrl;
  protected readonly around: Around;
  readonly #waiters: Waiters;
  #node: MasterNode | undefined;
  #problem: MqkvError | undefined;
  #isClosed = false;
  #fail: ((error: MqkvError) => void) | undefined;

  constructor(url: RedisUrl, around: Around) {
    this.url = url;
    this.around = around;
    this.#waiters = new Waiters(around.clock, () => this.nodeOf());
  }

  get nodes(): readonly MasterNode[] {
    return this.#node === undefined ? [] : [this.#node];
  }

  nodeOf(): Node | undefined {
    return this.#node?.isReady === true ? this.#node : undefined;
  }

  ready(): Promise<Node> {
    const node = this.nodeOf();
    return node === undefined ? this.#waiters.wait(ANY_SLOT) : Promise.resolve(node);
  }

  abstract refresh(reason: string): void;

  /** The master is not what it was, as it says itself. */
  protected abstract troubled(reason: string): void;

  moved(): undefined {
    return undefined;
  }

  asking(): undefined {
    return undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiters.close();
    this.#node?.close();
  }

  /** Waits for the first master. Errors: at once those that waiting does not mend, else UNAVAILABLE with what was wrong last. */
  async open(): Promise<void> {
    const refused = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    const { openTimeoutMs = OPEN_TIMEOUT_MS } = this.around;
    try {
      await Promise.race([refused, this.#waiters.wait(ANY_SLOT, openTimeoutMs)]);
    } catch (error) {
      const problem = this.#node?.problem ?? this.#problem;
      await this.close();
      if (fatal(problem) !== undefined) throw problem;
      const reason = problem === undefined ? '' : `: ${problem.message}`;
      throw new MqkvError('UNAVAILABLE', `no Redis master after ${openTimeoutMs} ms${reason}`, {
        cause: error,
      });
    } finally {
      this.#fail = undefined;
    }
  }

  protected get isClosed(): boolean {
    return this.#isClosed;
  }

  protected get node(): MasterNode | undefined {
    return this.#node;
  }

  /** Why there is no master. */
  protected noteProblem(problem: MqkvError | undefined): void {
    this.#problem = problem;
    const lasting = fatal(problem);
    if (lasting !== undefined) this.#fail?.(lasting);
  }

  /** Takes that server as the master; it serves once it has said so itself. */
  protected follow(address: RedisAddress): void {
    const before = this.#node;
    const { url, around } = this;
    const node = new MasterNode({ address, url, around, isSingle: true });
    this.#node = node;
    node.onReady = () => this.#isUp(node);
    node.onTrouble = (reason) => this.#hasTrouble(node, reason);
    if (before === undefined) return;
    before.close();
    this.onChange?.({ kind: 'nodes', node });
  }

  #isUp(node: MasterNode): void {
    if (node !== this.#node || this.#isClosed) return;
    this.around.logger.info({ redis: node.name, origin: node.origin }, 'Redis master');
    this.#waiters.look();
    this.onChange?.({ kind: 'origin', node });
  }

  #hasTrouble(node: MasterNode, reason: string): void {
    if (node !== this.#node || this.#isClosed) return;
    this.noteProblem(node.problem);
    this.troubled(reason);
  }
}
