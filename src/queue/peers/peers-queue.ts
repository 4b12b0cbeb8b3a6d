// Direct links between the sites' own RESP ports as a queue: no broker, no forwarding, every pair of sites one link.
import type { Socket } from 'node:net';
import {
  below,
  type Clock,
  type Logger,
  messageOf,
  MqkvError,
  openScope,
  type Random,
  type Scope,
  sleep,
  VALUE_BYTES_MAX,
} from '../../base/index.ts';
import { sumsOf, UNKNOWN } from '../numbers.ts';
import type { BrokerState, Queue, QueueCapabilities, QueueMessage, QueueStats } from '../queue.ts';
import type { TlsFiles } from '../tls.ts';
import { CLOSE_GRACE_MS, UnderWay } from '../under-way.ts';
import { unlessAborted } from '../within.ts';
import { connected, dialled } from './dialling.ts';
import { PeerFrames } from './frames.ts';
import { answer, greet, type Self } from './handshake.ts';
import { Link, type Peer } from './link.ts';

/** Units: ms between tries at an address; the first and the longest. */
const DIAL_MS_MIN = 100;
const DIAL_MS_MAX = 2_000;

export interface PeersOptions {
  readonly peers: readonly { readonly host: string; readonly port: number }[];
  readonly site: string;
  readonly storeId: string;
  readonly secret?: Buffer | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Other sites are dialled with TLS. */
  readonly tls?: TlsFiles | undefined;
  /** Where peers may reach this site; empty: unknown. */
  readonly address: () => string;
}

/** The queue of peer links. */
export interface PeersQueue extends Queue {
  /** Takes over a connection whose client said MQKV.PEER HELLO. `hello`: the arguments after HELLO. */
  accept(
    connection: { readonly socket: Socket; readonly head: Buffer; readonly remoteAddress: string },
    hello: readonly string[],
  ): void;
}

const CAPABILITIES: QueueCapabilities = {
  ordered: true,
  replayable: false,
  durableAck: false,
  maxMessageBytes: VALUE_BYTES_MAX,
};

type Handler = (message: QueueMessage) => void;

interface Dial {
  readonly host: string;
  readonly port: number;
  readonly address: string;
  /** Learned from the first greeting: while a link to this store exists, the address needs none. */
  storeId: string | undefined;
  error: string | undefined;
}

/** Opens the queue; links are dialled once `subscribe` was called. */
export function openPeersQueue(options: PeersOptions): PeersQueue {
  return new DirectPeers(options);
}

class DirectPeers implements PeersQueue {
  readonly name = 'peers';
  readonly capabilities = CAPABILITIES;
  readonly #options: PeersOptions;
  readonly #self: Self;
  readonly #scope: Scope;
  readonly #links = new Map<string, Link>();
  readonly #dials: readonly Dial[];
  readonly #early = new Set<Socket>();
  readonly #publishing = new UnderWay();
  #closing: Promise<void> | undefined;
  #handler: Handler | undefined;
  #receiveMax = 1;

  constructor(options: PeersOptions) {
    this.#options = options;
    const { site, storeId, secret, clock, random, address } = options;
    this.#self = { site, storeId, secret, clock, random, address };
    this.#scope = openScope((error) =>
      options.logger.error({ error: messageOf(error) }, 'peer dialler ended'),
    );
    this.#dials = options.peers.map(({ host, port }) => ({
      host,
      port,
      address: host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
      storeId: undefined,
      error: undefined,
    }));
  }

  async publish(body: Uint8Array, signal?: AbortSignal): Promise<void> {
    if (this.#isClosing || signal?.aborted === true) throw new MqkvError('CLOSED', 'the queue is closed');
    if (body.length > CAPABILITIES.maxMessageBytes) {
      throw new MqkvError(
        'MESSAGE_TOO_LARGE',
        `${body.length} bytes, at most ${CAPABILITIES.maxMessageBytes}`,
      );
    }
    const sent = Promise.all([...this.#links.values()].map((link) => link.send(body)));
    await unlessAborted(signal, this.#publishing.add(sent));
  }

  async subscribe(handler: Handler, options: { readonly maxInFlight: number }): Promise<void> {
    this.#handler = handler;
    this.#receiveMax = options.maxInFlight;
    for (const dial of this.#dials) this.#scope.run((signal) => this.#keepDialling(dial, signal));
  }

  accept(
    connection: { readonly socket: Socket; readonly head: Buffer; readonly remoteAddress: string },
    hello: readonly string[],
  ): void {
    const { socket, head, remoteAddress } = connection;
    const frames = new PeerFrames();
    frames.feed(head);
    this.#early.add(socket);
    const check = (peer: Peer): string | undefined => this.#refusal(peer, false);
    answer(socket, frames, { self: this.#self, hello, remoteAddress, check })
      .then((peer) => this.#begin({ socket, frames, peer, outgoing: false }))
      .catch((error: unknown) => {
        this.#options.logger.warn({ error: messageOf(error), remoteAddress }, 'peer refused');
        socket.destroySoon();
      })
      .finally(() => this.#early.delete(socket));
  }

  async stats(): Promise<QueueStats> {
    const brokers = [...this.#links.values()].map((link) => ({
      address: link.peer.address,
      connections: 1,
      received: link.received,
      finished: link.acknowledged,
      requeued: 0,
      inFlight: link.inFlight,
      depth: link.waiting,
    }));
    const absent = this.#dials.filter((dial) => !this.#linked(dial)).map((dial) => absentRow(dial));
    return sumsOf({ topic: 'peers', channel: this.#options.site }, [...brokers, ...absent]);
  }

  brokers(): readonly BrokerState[] {
    const dialled = new Set(this.#dials.map((dial) => dial.storeId));
    const own = this.#dials.map((dial) => {
      const connected = this.#linked(dial);
      return {
        address: dial.address,
        connected,
        subscribed: connected,
        ...(dial.error === undefined ? {} : { error: dial.error }),
      };
    });
    const others = [...this.#links.values()].filter((link) => !dialled.has(link.peer.storeId));
    return [
      ...own,
      ...others.map((link) => ({ address: link.peer.address, connected: true, subscribed: true })),
    ];
  }

  close(graceMs = CLOSE_GRACE_MS): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  get #isClosing(): boolean {
    return this.#closing !== undefined;
  }

  async #close(graceMs: number): Promise<void> {
    await this.#publishing.settled(this.#options.clock, graceMs);
    const ended = this.#scope.close();
    for (const link of this.#links.values()) link.close();
    for (const socket of this.#early) socket.destroy();
    await ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #linked(dial: Dial): boolean {
    return dial.storeId !== undefined && this.#links.has(dial.storeId);
  }

  async #keepDialling(dial: Dial, signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#options;
    let pauseMs = DIAL_MS_MIN;
    while (!signal.aborted) {
      if (this.#linked(dial)) pauseMs = DIAL_MS_MIN;
      else {
        const error = await this.#dial(dial);
        if (error !== undefined && error !== dial.error)
          logger.warn({ peer: dial.address, error }, 'peer not linked, will be tried again');
        dial.error = error;
        pauseMs = error === undefined ? DIAL_MS_MIN : Math.min(pauseMs * 2, DIAL_MS_MAX);
      }
      await sleep(clock, pauseMs + below(random, pauseMs), signal);
    }
  }

  /** Result: undefined, or why there is no link. */
  async #dial(dial: Dial): Promise<string | undefined> {
    const socket = dialled(dial, this.#options.tls);
    this.#early.add(socket);
    try {
      const frames = new PeerFrames();
      await connected(socket, this.#options.clock);
      const peer = await greet(socket, frames, { ...this.#self, dialled: dial.address });
      dial.storeId = peer.storeId;
      const refusal = this.#refusal(peer, true);
      if (refusal === undefined) this.#begin({ socket, frames, peer, outgoing: true });
      else socket.destroy();
      return refusal?.startsWith('LINKED') === true ? undefined : refusal;
    } catch (error) {
      socket.destroy();
      return messageOf(error);
    } finally {
      this.#early.delete(socket);
    }
  }

  /** Two sites that dial each other at once keep the link which the smaller store id dialled. */
  #refusal(peer: Peer, outgoing: boolean): string | undefined {
    if (this.#isClosing) return 'ERR this site is stopping';
    if (peer.storeId === this.#options.storeId) return 'ERR this address is the site itself';
    if (peer.site === this.#options.site) return `DUPSITE another site is named '${peer.site}' too`;
    const present = this.#links.get(peer.storeId);
    if (present === undefined || present.outgoing === outgoing) return undefined;
    const keepsOutgoing = this.#options.storeId < peer.storeId;
    return keepsOutgoing === outgoing ? undefined : `LINKED ${this.#options.storeId}`;
  }

  #begin(end: {
    readonly socket: Socket;
    readonly frames: PeerFrames;
    readonly peer: Peer;
    readonly outgoing: boolean;
  }): void {
    const { clock, logger } = this.#options;
    this.#links.get(end.peer.storeId)?.close();
    end.socket.setNoDelay(true);
    end.frames.trust();
    const link = new Link({
      ...end,
      clock,
      logger,
      receiveMax: this.#receiveMax,
      deliver: (from, body, done) => this.#deliver(from, body, done),
      onClose: (closed) => this.#ended(closed),
    });
    this.#links.set(end.peer.storeId, link);
    logger.info({ peer: end.peer.site, address: end.peer.address }, 'peer linked');
    link.start();
  }

  #ended(link: Link): void {
    if (this.#links.get(link.peer.storeId) !== link) return;
    this.#links.delete(link.peer.storeId);
    this.#options.logger.info({ peer: link.peer.site, address: link.peer.address }, 'peer link over');
  }

  #deliver(link: Link, body: Buffer, done: () => void): void {
    const message: QueueMessage = {
      body,
      attempts: 1,
      ack: done,
      requeue: (delayMs) => {
        this.#options.clock.after(delayMs, () => {
          if (!link.closed) this.#handler?.(message);
        });
      },
      touch: () => {},
    };
    this.#handler?.(message);
  }
}

function absentRow({ address, error = 'not linked yet' }: Dial): QueueStats['brokers'][number] {
  return { address, ...UNKNOWN, error };
}
