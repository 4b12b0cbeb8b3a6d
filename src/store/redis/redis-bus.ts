// Messages among the gateways of one site, by their Redis' own PUBLISH: every gateway has a connection that listens.
//
// message = sender:16 hex kind ":" bytes
import { type Logger, type Random, randomHex } from '../../base/index.ts';
import type { Reply } from '../../resp/index.ts';
import type { GatewayBus } from '../store.ts';
import type { Access } from './access.ts';
import { slotOf } from './slots.ts';
import type { Topology } from './topology/index.ts';
import type { Link } from '../../redis-link/index.ts';

const CHANNEL = 'mqkv:bus';
const SENDER_CHARS = 16;

export interface BusOptions {
  readonly access: Access;
  readonly topology: Pick<Topology, 'nodeOf' | 'nodes'>;
  readonly random: Random;
  readonly logger: Logger;
}

/** One gateway's ear and mouth. On a cluster a message reaches listeners at every node. */
export class RedisBus implements GatewayBus {
  readonly #options: BusOptions;
  readonly #sender: string;
  readonly #ears = new Map<string, (bytes: Buffer) => void>();
  #link: Link | undefined;
  #linkOf: unknown;
  #isClosed = false;

  constructor(options: BusOptions) {
    this.#options = options;
    this.#sender = randomHex(options.random, SENDER_CHARS / 2);
    this.listen();
  }

  send(kind: string, bytes: Buffer): void {
    const message = Buffer.concat([Buffer.from(`${this.#sender}${kind}:`, 'latin1'), bytes]);
    this.#options.access.call(slotOf(CHANNEL), ['PUBLISH', CHANNEL, message]).catch(() => {});
  }

  on(kind: string, hear: (bytes: Buffer) => void): void {
    this.#ears.set(kind, hear);
  }

  /** Listens at a node that is there; called again when the nodes change. */
  listen(): void {
    const { topology } = this.#options;
    const node = topology.nodeOf(slotOf(CHANNEL)) ?? topology.nodes[0];
    if (this.#isClosed || node === undefined || node === this.#linkOf) return;
    this.#link?.close();
    this.#linkOf = node;
    this.#link = node.dedicated(3, {
      onReady: async (setup) => setup.send(['SUBSCRIBE', CHANNEL]),
    });
    this.#link.onPush = (reply) => this.#heard(reply);
  }

  close(): void {
    this.#isClosed = true;
    this.#link?.close();
  }

  #heard(reply: Reply): void {
    if (reply.kind !== 'push') return;
    const [what, , message] = reply.items;
    if (what?.kind !== 'bulk' || what.bytes.toString('latin1') !== 'message' || message?.kind !== 'bulk')
      return;
    const { bytes } = message;
    const colon = bytes.indexOf(58, SENDER_CHARS);
    if (colon < 0 || bytes.toString('latin1', 0, SENDER_CHARS) === this.#sender) return;
    const kind = bytes.toString('latin1', SENDER_CHARS, colon);
    try {
      this.#ears.get(kind)?.(Buffer.from(bytes.subarray(colon + 1)));
    } catch (error) {
      this.#options.logger.warn(
        { kind, error: String(error) },
        'a message among gateways was not understood',
      );
    }
  }
}
