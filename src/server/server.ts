// The server: accepts clients, keeps their number and idleness in bounds, closes gracefully.
import type { Socket } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { messageOf, type Timer } from '../base/index.ts';
import { Client } from './client.ts';
import type { Connection } from './connection.ts';
import { type ListenAddress, type Listener, type ListenOptions, openListener } from './listener.ts';
import { type ServerLimits, type ServerOptions, settingsOf } from './options.ts';
import { ServerCore } from './server-core.ts';

/** Units: ms. How often idle clients are looked for. */
const IDLE_CHECK_MS = 1000;
/** Units: ms. Default of `close`. */
const GRACE_MS = 5000;
const TOO_MANY = '-ERR max number of clients reached\r\n';

/** Numbers for INFO and metrics. All count from the start. */
export interface ServerStats {
  readonly connectionsReceived: number;
  readonly connectionsRejected: number;
  readonly commands: number;
  /** Units: bytes. */
  readonly inputBytes: number;
  readonly outputBytes: number;
}

/** A RESP server: makes clients of sockets and commands of their bytes. */
export class RespServer implements AsyncDisposable {
  readonly #core: ServerCore;
  readonly #tls: TlsOptions | undefined;
  readonly #listeners: Listener[] = [];
  #nextId = 1;
  #received = 0;
  #rejected = 0;
  #idleTimer: Timer | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ServerOptions) {
    this.#core = new ServerCore(settingsOf(options));
    this.#tls = options.tls;
    const { signal } = options;
    if (signal?.aborted === true) void this.close();
    else signal?.addEventListener('abort', () => void this.close(), { once: true });
  }

  /** The clients, by id. */
  get connections(): ReadonlyMap<number, Connection> {
    return this.#core.clients;
  }

  /** The bounds; may be changed while the server runs. */
  get limits(): ServerLimits {
    return this.#core.limits;
  }

  /** Where the server listens. */
  get addresses(): readonly ListenAddress[] {
    return this.#listeners.map((listener) => listener.address);
  }

  /** Numbers for INFO and metrics. */
  get stats(): ServerStats {
    const { commands, inputBytes, outputBytes } = this.#core;
    const connectionsReceived = this.#received;
    return { connectionsReceived, connectionsRejected: this.#rejected, commands, inputBytes, outputBytes };
  }

  /** Begins to listen; may be called for several addresses. Errors: MqkvError `ADDRESS_IN_USE`, `LISTEN_FAILED`. */
  async listen(options: ListenOptions = {}): Promise<ListenAddress> {
    const tls = options.tls ?? this.#tls;
    const listener = await openListener(
      tls === undefined ? options : { ...options, tls },
      (socket, path) => this.serve(socket, path),
      (error) =>
        this.#core.logger.debug({ error: messageOf(error) }, 'connection failed before it was accepted'),
    );
    this.#listeners.push(listener);
    if (this.#closing !== undefined) listener.close();
    else this.#idleTimer ??= this.#core.clock.every(IDLE_CHECK_MS, () => this.#closeIdle());
    return listener.address;
  }

  /** Serves a socket that was accepted elsewhere. Owns: the server. */
  serve(socket: Socket, path = ''): void {
    this.#received++;
    if (this.#closing !== undefined || this.#core.clients.size >= this.#core.limits.clientsMax) {
      this.#reject(socket);
      return;
    }
    const client = new Client(this.#core, { socket, path, id: this.#nextId++ });
    this.#core.remember(client);
  }

  /**
   * Takes no more clients, answers what they have sent, closes them; after `graceMs` those that are left are cut off.
   * Units: ms. Idempotent.
   */
  close({ graceMs = GRACE_MS }: { readonly graceMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(graceMs: number): Promise<void> {
    this.#idleTimer?.cancel();
    for (const listener of this.#listeners) listener.close();
    // What the system has already received is read in the next turn of the loop.
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
    for (const client of this.#core.clients.values()) client.drain();
    if (this.#core.clients.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#core.clock.after(graceMs, () => this.#cutOff());
      this.#core.emptied = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #cutOff(): void {
    const clients = [...this.#core.clients.values()];
    this.#core.logger.warn({ clients: clients.length }, 'clients cut off at the end of the grace time');
    for (const client of clients) client.close();
  }

  #reject(socket: Socket): void {
    this.#rejected++;
    socket.on('error', () => socket.destroy());
    socket.resume();
    socket.end(this.#closing === undefined ? TOO_MANY : '', () => socket.destroy());
  }

  #closeIdle(): void {
    const { limits, clock, clients, logger } = this.#core;
    if (limits.idleTimeoutMs === 0) return;
    const since = clock.now() - limits.idleTimeoutMs;
    for (const client of clients.values()) {
      if (client.keepOpen || client.waiting || client.lastInputAtMs > since) continue;
      logger.debug({ client: client.id }, 'idle client closed');
      client.close();
    }
  }
}

/** Makes a server; `listen` opens it. */
export function createServer(options: ServerOptions): RespServer {
  return new RespServer(options);
}
