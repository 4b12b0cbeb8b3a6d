// One connection between two sites on which the one that dialled asks and the other answers.
//
// Wire: RESP arrays of bulk strings (numbers in decimal):
//   MQKV.PEER ASK id bytes       from the dialler; answered by one of
//   MQKV.PEER ANSWER id bytes
//   MQKV.PEER FAILED id text
//   MQKV.PEER PING               every second, both ways, also while an answer is being made; a side that hears nothing for
//                                ASK_SILENT_MS closes
import type { Socket } from 'node:net';
import { type Clock, messageOf, MqkvError, PEER_REQUESTS_MAX, type Timer } from '../../base/index.ts';
import { encodeCommand } from '../../resp/index.ts';
import type { PeerFrames } from './frames.ts';
import type { Peer } from './link.ts';

/** Units: ms. */
const PING_MS = 1_000;
const ASK_SILENT_MS = 10_000;
/** Units: characters of an error that travel. */
const FAILED_CHARACTERS_MAX = 300;

/** Counts bytes on the wire. */
export interface AskCounters {
  bytesSent: number;
  bytesReceived: number;
  answered: number;
}

export interface AskLinkOptions {
  readonly socket: Socket;
  readonly frames: PeerFrames;
  readonly peer: Peer;
  readonly clock: Clock;
  readonly counters: AskCounters;
  /** Answers a request. Absent: this end dialled. */
  readonly answer?: (request: Buffer) => Promise<Buffer>;
  readonly onClose: (link: AskLink) => void;
}

interface Wait {
  readonly resolve: (answer: Buffer) => void;
  readonly reject: (error: MqkvError) => void;
}

/** A live connection for requests. */
export class AskLink {
  readonly #options: AskLinkOptions;
  readonly #waits = new Map<number, Wait>();
  readonly #ping: Timer;
  #nextId = 1;
  #heardMs: number;
  #answering = 0;
  #isClosed = false;
  /** Units: ms by the clock; of the last request. */
  usedMs: number;

  constructor(options: AskLinkOptions) {
    this.#options = options;
    const { socket, clock } = options;
    this.#heardMs = clock.now();
    this.usedMs = clock.now();
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    socket.on('error', () => this.close());
    socket.on('end', () => this.close());
    socket.on('close', () => this.close());
    this.#ping = clock.every(PING_MS, () => this.#beat());
  }

  get peer(): Peer {
    return this.#options.peer;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Nothing is asked or answered just now. */
  get isIdle(): boolean {
    return this.#waits.size === 0 && this.#answering === 0;
  }

  /** Handles what the handshake's last chunk held beyond it. */
  start(): void {
    this.#drain();
  }

  /** Owns: `request` must not change until it settles. Errors: MqkvError `PEER_UNREACHABLE`, `PEER_FAILED`. */
  ask(request: Buffer, signal?: AbortSignal): Promise<Buffer> {
    if (this.#isClosed || signal?.aborted === true) return Promise.reject(gone());
    const id = this.#nextId++;
    this.usedMs = this.#options.clock.now();
    this.#write(['ASK', String(id)], request);
    return new Promise((resolve, reject) => {
      const abort = (): void => this.#settle(id)?.reject(gone());
      signal?.addEventListener('abort', abort, { once: true });
      const end = (): void => signal?.removeEventListener('abort', abort);
      this.#waits.set(id, {
        resolve(answer) {
          end();
          resolve(answer);
        },
        reject(error) {
          end();
          reject(error);
        },
      });
    });
  }

  /** Closes the connection; what waits for an answer fails. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#ping.cancel();
    this.#options.socket.destroy();
    for (const { reject } of this.#waits.values()) reject(gone());
    this.#waits.clear();
    this.#options.onClose(this);
  }

  #settle(id: number): Wait | undefined {
    const wait = this.#waits.get(id);
    this.#waits.delete(id);
    return wait;
  }

  #beat(): void {
    if (this.#options.clock.now() - this.#heardMs > ASK_SILENT_MS) return this.close();
    this.#send(encodeCommand(['MQKV.PEER', 'PING']));
  }

  #write(words: readonly string[], bytes: Buffer): void {
    const { socket } = this.#options;
    const head = words.map((word) => `$${word.length}\r\n${word}\r\n`).join('');
    socket.cork();
    this.#send(
      Buffer.from(`*${words.length + 2}\r\n$9\r\nMQKV.PEER\r\n${head}$${bytes.length}\r\n`, 'latin1'),
    );
    this.#send(bytes);
    this.#send(Buffer.from('\r\n'));
    socket.uncork();
  }

  #send(bytes: Uint8Array): void {
    this.#options.counters.bytesSent += bytes.length;
    this.#options.socket.write(bytes);
  }

  #data(chunk: Buffer): void {
    this.#heardMs = this.#options.clock.now();
    this.#options.counters.bytesReceived += chunk.length;
    this.#options.frames.feed(chunk);
    this.#drain();
  }

  #drain(): void {
    const { frames } = this.#options;
    try {
      for (let frame = frames.next(); frame !== undefined; frame = frames.next()) this.#frame(frame);
    } catch {
      this.close();
    }
  }

  #frame(frame: readonly Buffer[]): void {
    const kind = frame[1]?.toString('latin1');
    const id = Number(frame[2]?.toString('latin1'));
    const bytes = frame[3];
    if (bytes === undefined) return;
    if (kind === 'ANSWER') this.#settle(id)?.resolve(bytes);
    else if (kind === 'FAILED')
      this.#settle(id)?.reject(new MqkvError('PEER_FAILED', bytes.toString('latin1')));
    else if (kind === 'ASK') void this.#answer(id, bytes);
  }

  async #answer(id: number, request: Buffer): Promise<void> {
    const { answer, clock, counters } = this.#options;
    this.usedMs = clock.now();
    if (answer === undefined || this.#answering >= PEER_REQUESTS_MAX)
      return this.#write(['FAILED', String(id)], Buffer.from('too many requests'));
    this.#answering++;
    try {
      const bytes = await answer(request);
      if (!this.#isClosed) this.#write(['ANSWER', String(id)], bytes);
      counters.answered++;
    } catch (error) {
      const text = messageOf(error).slice(0, FAILED_CHARACTERS_MAX);
      if (!this.#isClosed) this.#write(['FAILED', String(id)], Buffer.from(text, 'latin1'));
    }
    this.#answering--;
    this.usedMs = clock.now();
  }
}

function gone(): MqkvError {
  return new MqkvError('PEER_UNREACHABLE', 'the connection to the other site is over');
}
