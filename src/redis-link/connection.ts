// One upstream connection from dialling to its end: bytes out, replies cut and handed to those who wait for them.
//
// 1. Redis answers in order: the first awaited request gets what comes, pushes go elsewhere.
// 2. `ended` is told once; then nothing is handed over any more, and `awaited` holds what will never be answered.
import net from 'node:net';
import tls from 'node:tls';
import { MqkvError, messageOf, noteYoungGarbage, UPSTREAM_REPLY_BYTES_MAX } from '../base/index.ts';
import { type Reply, ReplyParser } from '../resp/index.ts';
import type { RedisAddress } from './address.ts';
import { Awaited } from './awaited.ts';
import type { LinkOptions, TlsSettings, UpstreamSocket } from './link.ts';
import { joinSmall, piecesOf, type Request } from './outgoing.ts';
import { ReplyScanner } from './reply-scanner.ts';

/** What of a link's options concerns one connection. */
export type ConnectionOptions = Pick<LinkOptions, 'address' | 'tls' | 'replyBytesMax' | 'ground'>;

/** Who hears of it. */
export interface ConnectionEvents {
  connected(): void;
  push(reply: Reply): void;
  /** Shape: the first word of an error reply that says something about the server. */
  serverError(code: string): void;
  /** There is room to write again. */
  drained(): void;
  ended(error: MqkvError): void;
}

/** Units: bytes given to the socket and not yet to the kernel, above which no more is given. */
const WRITE_AHEAD_BYTES = 1024 * 1024;
/** Errors that say that this server cannot serve now, by their first word. */
const SERVER_ERRORS = [
  'READONLY',
  'LOADING',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'MISCONF',
  'UNKILLABLE',
  'NOREPLICAS',
];
const CODE_CHARS_MAX = 16;
/** Units: ms. Silence after which the kernel asks whether the other side is there: for links that have nothing to ask. */
const KEEP_ALIVE_MS = 5000;

export class Connection {
  readonly awaited = new Awaited();
  /** Bytes or writes moved since it was last set to false. */
  hasMoved = false;
  readonly #socket: UpstreamSocket;
  readonly #events: ConnectionEvents;
  readonly #name: string;
  readonly #replyBytesMax: number;
  readonly #scanner = new ReplyScanner();
  /** Chunks of a reply that is not complete. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #over: MqkvError | undefined;

  constructor(options: ConnectionOptions, events: ConnectionEvents) {
    const { address, tls: tlsSettings, replyBytesMax = UPSTREAM_REPLY_BYTES_MAX } = options;
    this.#replyBytesMax = replyBytesMax;
    this.#events = events;
    this.#name = nameOf(address);
    this.#socket = options.ground?.dial(address) ?? dial(address, tlsSettings);
    this.#socket.setNoDelay(true);
    this.#socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#socket.once(tlsSettings === undefined ? 'connect' : 'secureConnect', () => {
      if (this.#over === undefined) events.connected();
    });
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#socket.on('drain', () => {
      this.hasMoved = true;
      if (this.#over === undefined) events.drained();
    });
    this.#socket.on('error', (error) => this.end(messageOf(error), error));
    this.#socket.on('close', () => this.end('the connection was closed'));
  }

  /** Units: bytes that may be written now. */
  get room(): number {
    return this.#over !== undefined ? 0 : Math.max(0, WRITE_AHEAD_BYTES - this.#socket.writableLength);
  }

  write(pieces: Buffer[]): void {
    if (this.#over !== undefined) return;
    const joined = joinSmall(pieces);
    if (joined.length > 1) this.#socket.cork();
    for (const piece of joined) this.#socket.write(piece);
    if (joined.length > 1) this.#socket.uncork();
  }

  /** Sends one request now, whatever else waits. */
  send(request: Request): void {
    if (this.#over !== undefined) return request.sink.failed(request.left, false, this.#over);
    if (request.left > 0) this.awaited.push(request);
    this.write(piecesOf(request));
  }

  /** Ends it at once. Idempotent. */
  end(reason: string, cause?: unknown): void {
    if (this.#over !== undefined) return;
    const over = new MqkvError('UNAVAILABLE', `Redis at ${this.#name}: ${reason}`, { cause });
    this.#over = over;
    this.#socket.destroy();
    this.#held = [];
    this.#events.ended(over);
  }

  #take(chunk: Buffer): void {
    this.hasMoved = true;
    noteYoungGarbage(chunk.length);
    let at = 0;
    while (at < chunk.length && this.#over === undefined) {
      const request = this.awaited.first;
      const count = this.#scanner.scan(chunk, at, request === undefined ? 1 : request.left);
      if (count === 0) return this.#hold(chunk, at);
      const bytes = this.#found(chunk, at);
      if (this.#scanner.isPush) this.#push(bytes);
      else if (request === undefined) return this.end('it sent a reply that nobody awaits');
      else this.#answer(request, bytes, count);
      at = this.#scanner.end;
    }
  }

  /** The bytes of what was found: a view, or joined with what earlier chunks held of it. */
  #found(chunk: Buffer, at: number): Buffer {
    const bytes = chunk.subarray(at, this.#scanner.end);
    if (this.#heldBytes === 0) return bytes;
    this.#held.push(bytes);
    const joined = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    return joined;
  }

  #hold(chunk: Buffer, at: number): void {
    if (this.#scanner.problem !== '') return this.end(`malformed reply (${this.#scanner.problem})`);
    const bytes = at === 0 ? chunk : chunk.subarray(at);
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > this.#replyBytesMax)
      this.end(`one reply is larger than ${this.#replyBytesMax} bytes`);
  }

  #answer(request: Request, bytes: Buffer, count: number): void {
    const { firstError, errorAt } = this.#scanner;
    request.left -= count;
    if (request.left === 0) this.awaited.shift();
    if (firstError >= 0)
      this.#noteError(bytes, errorAt < 0 ? 0 : bytes.length - (this.#scanner.end - errorAt));
    request.sink.replies(bytes, count, firstError);
  }

  #noteError(bytes: Buffer, at: number): void {
    const head = bytes.toString('latin1', at + 1, at + 1 + CODE_CHARS_MAX);
    const space = head.indexOf(' ');
    const code = space < 0 ? head : head.slice(0, space);
    if (SERVER_ERRORS.includes(code)) this.#events.serverError(code);
  }

  #push(bytes: Buffer): void {
    const status = new ReplyParser().parse(bytes, (reply) => this.#events.push(reply));
    if (status !== 'done') this.end('malformed push');
  }
}

function dial(address: RedisAddress, settings: TlsSettings | undefined): net.Socket {
  const target = 'path' in address ? { path: address.path } : { host: address.host, port: address.port };
  if (settings === undefined) return net.connect(target);
  const servername = 'host' in address && net.isIP(address.host) === 0 ? { servername: address.host } : {};
  return tls.connect({ ...servername, ...settings, ...target });
}

/** An address in messages and as a node's name. */
export function nameOf(address: RedisAddress): string {
  if ('path' in address) return address.path;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
