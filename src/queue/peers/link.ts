// One connection between two sites after its handshake: messages and acknowledgements, both ways.
//
// Wire: RESP arrays of bulk strings in both directions (numbers in decimal):
//   MQKV.PEER MSG id body   a message; the other side answers MQKV.PEER ACK id when it has merged it
//   MQKV.PEER ACK id
//   MQKV.PEER PING          every second; a side that hears nothing for LINK_SILENT_MS closes
//
// Invariants
//  L1  A send settles when its ACK came or the link is over; what it did not carry is found by comparison (DESIGN 7).
//  L2  At most `receiveMax` delivered messages are unacknowledged; others wait here, and beyond PEER_HELD_BYTES_MAX of them
//      the socket is not read.
//  L3  A peer that is silent for LINK_STALLED_MS holds up nobody else: its sends settle, since the connection either still
//      delivers them or ends (L1); beyond PEER_STALLED_BYTES_MAX waiting for it the link is closed.
//  L4  So does one that answers, but not within LINK_LAGGING_MS, until it has caught up: the slowest peer does not set the pace of all.
import type { Socket } from 'node:net';
import {
  type Clock,
  type Logger,
  messageOf,
  PEER_HELD_BYTES_MAX,
  PEER_STALLED_BYTES_MAX,
  type Timer,
} from '../../base/index.ts';
import { encodeCommand } from '../../resp/index.ts';
import { PeerFrames } from './frames.ts';

/** Units: ms. */
const PING_MS = 1_000;
export const LINK_SILENT_MS = 10_000;
/** Three pings missed. */
const LINK_STALLED_MS = 3_000;
/** Longer than a healthy peer needs to merge what is under way, far away or under load. */
export const LINK_LAGGING_MS = 1_000;

/** A send that is not acknowledged. */
interface Sent {
  readonly atMs: number;
  resolve: () => void;
}

/** A message that waits to be delivered. */
interface Held {
  readonly id: number;
  readonly body: Buffer;
}

/** The other end. */
export interface Peer {
  readonly site: string;
  readonly storeId: string;
  /** Where it was dialled, or where it came from. */
  readonly address: string;
}

export interface LinkOptions {
  readonly socket: Socket;
  readonly frames: PeerFrames;
  readonly peer: Peer;
  readonly outgoing: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly receiveMax: number;
  /** A message came. `done` acknowledges it; idempotent. */
  readonly deliver: (link: Link, body: Buffer, done: () => void) => void;
  readonly onClose: (link: Link) => void;
}

/** A live link. */
export class Link {
  readonly #options: LinkOptions;
  /** Order: as sent. */
  readonly #waiting = new Map<number, Sent>();
  #held: Held[] = [];
  #heldBytes = 0;
  #nextId = 1;
  #unacknowledged = 0;
  #paused = false;
  #heardAtMs: number;
  readonly #ping: Timer;
  #closed = false;
  sent = 0;
  received = 0;
  acknowledged = 0;
  bytesSent = 0;
  bytesReceived = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#heardAtMs = options.clock.now();
    const { socket, clock } = options;
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    socket.on('error', (error) => options.logger.debug({ error: messageOf(error) }, 'peer link failed'));
    // The server's sockets stay open on one side after the other has ended: a link has no use for that.
    socket.on('end', () => this.close());
    socket.on('close', () => this.close());
    this.#ping = clock.every(PING_MS, () => this.#beat());
  }

  get peer(): Peer {
    return this.#options.peer;
  }

  get outgoing(): boolean {
    return this.#options.outgoing;
  }

  /** Messages delivered here and not yet acknowledged. */
  get inFlight(): number {
    return this.#unacknowledged;
  }

  /** Messages sent and not yet acknowledged by the other side. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Handles what the handshake's last chunk held beyond it. */
  start(): void {
    this.#drain();
  }

  /** Sends a message (L1). Owns: `body` must not change until it settles. */
  send(body: Uint8Array): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const id = this.#nextId++;
    const { socket } = this.#options;
    const number = String(id);
    socket.cork();
    socket.write(
      `*4\r\n$9\r\nMQKV.PEER\r\n$3\r\nMSG\r\n$${number.length}\r\n${number}\r\n$${body.length}\r\n`,
    );
    socket.write(body);
    socket.write('\r\n');
    socket.uncork();
    this.sent++;
    this.bytesSent += body.length;
    const atMs = this.#options.clock.now();
    if (this.#stalled || this.#lags) return this.#sendOn({ atMs, resolve: () => {} }, id);
    return new Promise((resolve) => this.#waiting.set(id, { atMs, resolve }));
  }

  /** L3, L4. */
  async #sendOn(sent: Sent, id: number): Promise<void> {
    if (this.#options.socket.writableLength > PEER_STALLED_BYTES_MAX) this.close();
    else this.#waiting.set(id, sent);
  }

  get #lags(): boolean {
    const [oldest] = this.#waiting.values();
    return oldest !== undefined && this.#options.clock.now() - oldest.atMs > LINK_LAGGING_MS;
  }

  get #stalled(): boolean {
    return this.#silentMs > LINK_STALLED_MS;
  }

  /** Units: ms; 0 while this side does not read. */
  get #silentMs(): number {
    return this.#paused ? 0 : this.#options.clock.now() - this.#heardAtMs;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Closes the connection and settles all sends. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ping.cancel();
    this.#options.socket.destroy();
    this.#settleAll();
    this.#options.onClose(this);
  }

  #settleAll(): void {
    for (const { resolve } of this.#waiting.values()) resolve();
    this.#waiting.clear();
  }

  /** L4: nobody waits for what is overdue; it still counts. */
  #letGo(): void {
    for (const sent of this.#waiting.values()) {
      sent.resolve();
      sent.resolve = () => {};
    }
  }

  #beat(): void {
    const { socket, logger, peer } = this.#options;
    if (this.#stalled) this.#settleAll();
    else if (this.#lags) this.#letGo();
    if (this.#silentMs > LINK_SILENT_MS) {
      logger.warn({ peer: peer.site, address: peer.address }, 'peer silent, link closed');
      this.close();
      return;
    }
    socket.write(encodeCommand(['MQKV.PEER', 'PING']));
  }

  #data(chunk: Buffer): void {
    this.#heardAtMs = this.#options.clock.now();
    this.bytesReceived += chunk.length;
    this.#options.frames.feed(chunk);
    this.#drain();
  }

  #drain(): void {
    try {
      for (let frame = this.#options.frames.next(); frame !== undefined; frame = this.#options.frames.next())
        this.#frame(frame);
    } catch (error) {
      this.#options.logger.warn(
        { error: messageOf(error), peer: this.peer.site },
        'peer link closed: not understood',
      );
      this.close();
    }
  }

  #frame(frame: readonly Buffer[]): void {
    const kind = frame[1]?.toString('latin1');
    const id = Number(frame[2]?.toString('latin1'));
    if (kind === 'ACK') this.#acknowledgedBy(id);
    else if (kind === 'MSG' && frame[3] !== undefined) this.#message(id, frame[3]);
    else if (kind !== 'PING') this.#options.logger.warn({ kind: kind ?? '' }, 'unknown peer message ignored');
  }

  #acknowledgedBy(id: number): void {
    const sent = this.#waiting.get(id);
    this.#waiting.delete(id);
    sent?.resolve();
  }

  #message(id: number, body: Buffer): void {
    this.received++;
    this.#held.push({ id, body });
    this.#heldBytes += body.length;
    this.#deliverHeld();
    if (this.#heldBytes <= PEER_HELD_BYTES_MAX || this.#paused) return;
    this.#paused = true;
    this.#options.socket.pause();
  }

  /** L2. */
  #deliverHeld(): void {
    while (!this.#closed && this.#unacknowledged < this.#options.receiveMax) {
      const next = this.#held.shift();
      if (next === undefined) return;
      this.#heldBytes -= next.body.length;
      this.#deliver(next);
    }
  }

  #deliver({ id, body }: Held): void {
    this.#unacknowledged++;
    let open = true;
    this.#options.deliver(this, body, () => {
      if (!open) return;
      open = false;
      this.#done(id);
    });
  }

  #done(id: number): void {
    this.#unacknowledged--;
    this.acknowledged++;
    if (this.#closed) return;
    this.#options.socket.write(encodeCommand(['MQKV.PEER', 'ACK', String(id)]));
    this.#deliverHeld();
    if (!this.#paused || this.#heldBytes > PEER_HELD_BYTES_MAX / 2) return;
    this.#paused = false;
    this.#heardAtMs = this.#options.clock.now();
    this.#options.socket.resume();
  }
}
