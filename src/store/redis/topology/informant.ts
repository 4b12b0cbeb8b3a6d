// Asks some node of a cluster for its picture of it; another one when that does not answer or serves nobody.
import { MqkvError, messageOf } from '../../../base/index.ts';
import { plainReply, type Reply } from '../../../resp/index.ts';
import { type Link, nameOf } from '../../../redis-link/index.ts';
import {
  type HostPort,
  type KnownNode,
  parseClusterNodes,
  parseClusterSlots,
  type Shard,
} from './slot-map.ts';

/** One node's picture. */
export interface Layout {
  readonly asked: HostPort;
  /** At least one. */
  readonly shards: readonly Shard[];
  readonly nodes: readonly KnownNode[];
}

/** The connection to the node asked last. */
export class Informant {
  readonly #linkTo: (address: HostPort) => Link;
  #current: { readonly address: HostPort; readonly link: Link } | undefined;
  /** Why the last node asked gave no picture. */
  problem: MqkvError | undefined;
  #isClosed = false;

  constructor(linkTo: (address: HostPort) => Link) {
    this.#linkTo = linkTo;
  }

  /**
   * Asks the node asked last, unless `other`; then the candidates in turn.
   * undefined: none of them has a picture, see `problem`.
   */
  async ask(candidates: readonly HostPort[], other: boolean): Promise<Layout | undefined> {
    const last = this.#current?.address;
    const rest = candidates.filter((address) => address.host !== last?.host || address.port !== last.port);
    const order = last === undefined ? rest : other ? [...rest, last] : [last, ...rest];
    for (const address of order) {
      if (this.#isClosed) return undefined;
      const layout = await this.#askOne(address);
      if (layout !== undefined) return layout;
    }
    return undefined;
  }

  /** Nothing is asked any more. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#drop();
  }

  #drop(): void {
    this.#current?.link.close();
    this.#current = undefined;
  }

  async #askOne(address: HostPort): Promise<Layout | undefined> {
    const link = this.#linkFor(address);
    try {
      const [slots, nodes] = await Promise.all([
        link.call(['CLUSTER', 'SLOTS']),
        link.call(['CLUSTER', 'NODES']),
      ]);
      const shards = parseClusterSlots(slots, address) ?? [];
      if (shards.length > 0)
        return { asked: address, shards, nodes: parseClusterNodes(String(plainReply(nodes))) };
      this.problem = problemOf(slots, address);
    } catch (error) {
      this.problem = link.lastError ?? new MqkvError('UNAVAILABLE', messageOf(error));
    }
    this.#drop();
    return undefined;
  }

  #linkFor(address: HostPort): Link {
    const current = this.#current;
    if (current?.address === address && current.link.state !== 'closed') return current.link;
    this.#drop();
    const link = this.#linkTo(address);
    this.#current = { address, link };
    // Another node knows as much: no second attempt.
    link.onState = (state) => {
      if (state === 'down') link.close();
    };
    return link;
  }
}

function problemOf(slots: Reply, address: HostPort): MqkvError {
  const at = `Redis at ${nameOf(address)}`;
  if (slots.kind !== 'error') return new MqkvError('UNAVAILABLE', `${at} knows of no slots`);
  const isPlain = slots.text.includes('cluster support disabled');
  if (isPlain) return new MqkvError('REDIS_MODE', `${at} is not a cluster node; use redis://`);
  return new MqkvError('UNAVAILABLE', `${at}: ${slots.text}`);
}
