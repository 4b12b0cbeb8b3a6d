// Requests to other sites over connections of their own, to and from the sites' RESP ports; beside any queue.
import type { Socket } from 'node:net';
import {
  type Clock,
  type Logger,
  messageOf,
  MqkvError,
  PEER_ASKERS_MAX,
  type Random,
  type Timer,
} from '../../base/index.ts';
import { type AskCounters, AskLink } from './ask-link.ts';
import type { TlsFiles } from '../tls.ts';
import { connected, dialled } from './dialling.ts';
import { PeerFrames } from './frames.ts';
import { answer, FOR_ASKING, greet, type Self } from './handshake.ts';
import type { Peer } from './link.ts';

/** Units: ms after which a connection that nobody uses is closed by the one that dialled it; between two looks for such. */
const IDLE_MS = 30_000;
const LOOK_MS = 5_000;

/** Another site. */
export interface AskedPeer {
  readonly site: string;
  readonly storeId: string;
  /** HOST:PORT; brackets around IPv6. */
  readonly address: string;
}

export interface PeerPortOptions {
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

/** Counters; they only grow. Units: bytes on the wire. */
export interface PeerPortStats {
  readonly asked: number;
  readonly answered: number;
  readonly failures: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** Opens the port: it dials when it is asked to ask. */
export function openPeerPort(options: PeerPortOptions): TcpPeerPort {
  return new TcpPeerPort(options);
}

/** A site's requests to others and theirs to it, over TCP. */
export class TcpPeerPort {
  /** Answers the requests of other sites; set once. */
  answer: ((from: Pick<Peer, 'site' | 'storeId'>, request: Buffer) => Promise<Buffer>) | undefined;
  readonly #options: PeerPortOptions;
  readonly #self: Self;
  readonly #counters: AskCounters = { bytesSent: 0, bytesReceived: 0, answered: 0 };
  readonly #dialled = new Map<string, Promise<AskLink>>();
  readonly #links = new Set<AskLink>();
  readonly #early = new Set<Socket>();
  readonly #timer: Timer;
  #asked = 0;
  #failures = 0;
  #isClosed = false;

  constructor(options: PeerPortOptions) {
    this.#options = options;
    const { site, storeId, secret, clock, random, address } = options;
    this.#self = { site, storeId, secret, clock, random, address };
    this.#timer = clock.every(LOOK_MS, () => this.#closeIdle());
  }

  /**
   * Asks a site. Owns: `request` must not change until it settles; the answer is the caller's.
   * Errors: MqkvError `PEER_UNREACHABLE`, `PEER_REFUSED`, `PEER_FAILED`.
   */
  async ask(to: AskedPeer, request: Buffer, signal?: AbortSignal): Promise<Buffer> {
    this.#asked++;
    try {
      const link = await unlessAborted(this.#linkTo(to), signal);
      return await link.ask(request, signal);
    } catch (error) {
      this.#failures++;
      throw error;
    }
  }

  /** Takes over a connection whose client said MQKV.PEER HELLO … ASK. `hello`: the arguments after HELLO. */
  accept(
    connection: { readonly socket: Socket; readonly head: Buffer; readonly remoteAddress: string },
    hello: readonly string[],
  ): void {
    const { socket, head, remoteAddress } = connection;
    const frames = new PeerFrames();
    frames.feed(head);
    this.#early.add(socket);
    const check = (peer: Peer): string | undefined => this.#refusal(peer);
    answer(socket, frames, { self: this.#self, hello, remoteAddress, check })
      .then((peer) => void this.#begin({ socket, frames, peer, isAsked: true }))
      .catch((error: unknown) => {
        this.#options.logger.warn({ error: messageOf(error), remoteAddress }, 'peer refused');
        socket.destroySoon();
      })
      .finally(() => this.#early.delete(socket));
  }

  stats(): PeerPortStats {
    const { bytesSent, bytesReceived, answered } = this.#counters;
    return { asked: this.#asked, failures: this.#failures, answered, bytesSent, bytesReceived };
  }

  /** Closes every connection. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer.cancel();
    for (const socket of this.#early) socket.destroy();
    for (const link of this.#links) link.close();
  }

  async #linkTo(to: AskedPeer): Promise<AskLink> {
    const key = `${to.storeId} ${to.address}`;
    const held = this.#dialled.get(key);
    if (held !== undefined) {
      const link = await held;
      if (!link.isClosed) return link;
    }
    if (this.#dialled.get(key) === held) {
      const dialling = this.#dial(to);
      this.#dialled.set(key, dialling);
      dialling.catch(() => {
        if (this.#dialled.get(key) === dialling) this.#dialled.delete(key);
      });
      return dialling;
    }
    return this.#linkTo(to);
  }

  async #dial(to: AskedPeer): Promise<AskLink> {
    if (this.#isClosed) throw new MqkvError('PEER_UNREACHABLE', 'this site is stopping');
    const { clock } = this.#options;
    const target = hostPortOf(to.address);
    if (target === undefined) throw new MqkvError('PEER_UNREACHABLE', `no address "${to.address}"`);
    const socket = dialled(target, this.#options.tls);
    this.#early.add(socket);
    try {
      const frames = new PeerFrames();
      await connected(socket, clock);
      const peer = await greet(socket, frames, { ...this.#self, dialled: to.address, purpose: FOR_ASKING });
      if (peer.storeId !== to.storeId)
        throw new MqkvError('PEER_REFUSED', `another store answers at ${to.address}`);
      return this.#begin({ socket, frames, peer, isAsked: false });
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      this.#early.delete(socket);
    }
  }

  #refusal(peer: Peer): string | undefined {
    if (this.#isClosed || this.answer === undefined) return 'ERR this site does not answer';
    if (peer.storeId === this.#options.storeId) return 'ERR this address is the site itself';
    return this.#links.size < PEER_ASKERS_MAX ? undefined : 'ERR too many sites ask';
  }

  #begin(end: {
    readonly socket: Socket;
    readonly frames: PeerFrames;
    readonly peer: Peer;
    readonly isAsked: boolean;
  }): AskLink {
    const { socket, frames, peer, isAsked } = end;
    frames.trust();
    const link = new AskLink({
      socket,
      frames,
      peer,
      clock: this.#options.clock,
      counters: this.#counters,
      onClose: (closed) => this.#links.delete(closed),
      ...(isAsked ? { answer: (request: Buffer) => this.#answer(peer, request) } : {}),
    });
    this.#links.add(link);
    link.start();
    return link;
  }

  async #answer(peer: Peer, request: Buffer): Promise<Buffer> {
    if (this.answer === undefined) throw new MqkvError('PEER_FAILED', 'this site does not answer');
    return this.answer(peer, request);
  }

  #closeIdle(): void {
    const now = this.#options.clock.now();
    for (const link of this.#links) if (link.isIdle && now - link.usedMs > IDLE_MS) link.close();
    for (const [key, held] of this.#dialled)
      void held.then(
        (link) => {
          if (link.isClosed && this.#dialled.get(key) === held) this.#dialled.delete(key);
        },
        () => {},
      );
  }
}

/** Does not wait any longer when the signal aborts; what was begun goes on. */
function unlessAborted(dialling: Promise<AskLink>, signal?: AbortSignal): Promise<AskLink> {
  if (signal === undefined) return dialling;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new MqkvError('PEER_UNREACHABLE', 'given up'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    dialling.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Splits `HOST:PORT` or `[IPV6]:PORT`. */
function hostPortOf(address: string): { readonly host: string; readonly port: number } | undefined {
  const [, host, port] = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(address) ?? [];
  return host === undefined ? undefined : { host, port: Number(port) };
}
