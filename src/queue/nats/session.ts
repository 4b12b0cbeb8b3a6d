// The connection to NATS: made, prepared, watched, and made again for ever; one at a time.
import { jetstream, type JetStreamClient, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import {
  connect,
  credsAuthenticator,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node';
import { readFile } from 'node:fs/promises';
import { type MqkvError, openScope, type Scope, sleep } from '../../base/index.ts';
import { backoffMs } from '../backoff.ts';
import { readTls } from '../tls.ts';
import { queueError } from './errors.ts';
import { CONNECT_MS, type NatsQueueOptions, PING_MS, RECONNECT, REQUEST_MS } from './settings.ts';
import { openStream } from './stream.ts';

/** A connection on which the stream exists. */
export interface Ready {
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly subject: string;
  /** The largest message that server and stream take. Units: bytes. */
  readonly messageBytesMax: number;
  /** Ends it: something on it is not as it should be. */
  readonly fail: (error: unknown) => void;
}

/** The one connection. */
export class Session {
  /** Hears of each connection that has become ready. A rejection ends it. */
  onReady: ((ready: Ready) => Promise<void>) | undefined;
  readonly #options: NatsQueueOptions;
  readonly #scope: Scope;
  #ready: Ready | undefined;
  #error: MqkvError | undefined;
  #changed: (() => void)[] = [];

  constructor(options: NatsQueueOptions) {
    this.#options = options;
    this.#scope = openScope((error) =>
      options.logger.error({ error: queueError(error).message }, 'nats ended'),
    );
  }

  /** The connection that is ready now. */
  get ready(): Ready | undefined {
    return this.#ready;
  }

  /** Why there is none. */
  get error(): MqkvError | undefined {
    return this.#error;
  }

  /** Begins to connect. Resolves when the first try has ended, well or not. */
  async start(): Promise<void> {
    this.#scope.run((signal) => this.#keepConnected(signal));
    await this.settled();
  }

  /** The connection, at once or when the first try has ended. */
  async settled(): Promise<Ready | undefined> {
    while (this.#ready === undefined && this.#error === undefined && !this.#scope.signal.aborted)
      await new Promise<void>((resolve) => this.#changed.push(resolve));
    return this.#ready;
  }

  /** Ends the connection, so that it is made anew. */
  again(): void {
    void this.#ready?.connection.close();
  }

  async close(): Promise<void> {
    const closed = this.#scope.close();
    this.#tell();
    await this.#ready?.connection.close();
    await closed;
  }

  async #keepConnected(signal: AbortSignal): Promise<void> {
    const { clock, random, logger } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      const before = this.#error?.message;
      const wasReady = await this.#live(signal);
      failures = wasReady ? 1 : failures + 1;
      if (signal.aborted) return;
      if (this.#error !== undefined && this.#error.message !== before)
        logger.warn({ error: this.#error.message, code: this.#error.code }, 'no connection to NATS');
      await sleep(clock, backoffMs(RECONNECT, failures, random), signal);
    }
  }

  /** One connection from its beginning to its end. Result: whether it was ready. */
  async #live(signal: AbortSignal): Promise<boolean> {
    let connection: NatsConnection | undefined;
    let wasReady = false;
    try {
      connection = await connect(await this.#connectOptions());
      const made = connection;
      const end = (): void => void made.close();
      signal.addEventListener('abort', end, { once: true });
      const failed = watched(made);
      const ready = await this.#prepare(made, failed.fail);
      this.#become(ready, undefined);
      await this.onReady?.(ready);
      wasReady = true;
      const why = (await made.closed()) ?? failed.error();
      signal.removeEventListener('abort', end);
      this.#become(undefined, queueError(why ?? new Error('connection closed')));
    } catch (error) {
      await connection?.close();
      this.#become(undefined, queueError(error));
    }
    return wasReady;
  }

  async #prepare(connection: NatsConnection, fail: (error: unknown) => void): Promise<Ready> {
    const manager = await jetstreamManager(connection, { timeout: REQUEST_MS });
    const { subject, messageBytesMax } = await openStream(manager, this.#options.url);
    const payloadMax = connection.info?.max_payload ?? messageBytesMax;
    return {
      connection,
      manager,
      client: jetstream(connection, { timeout: REQUEST_MS }),
      subject,
      messageBytesMax: Math.min(payloadMax, messageBytesMax),
      fail,
    };
  }

  #become(ready: Ready | undefined, error: MqkvError | undefined): void {
    if (ready !== undefined && this.#error !== undefined)
      this.#options.logger.info({ server: ready.connection.getServer() }, 'connected to NATS');
    this.#ready = ready;
    this.#error = error;
    this.#tell();
  }

  #tell(): void {
    for (const wake of this.#changed.splice(0)) wake();
  }

  async #connectOptions(): Promise<NodeConnectionOptions> {
    const { servers, tls, user, password, token, credsFile } = this.#options.url;
    const files = tls === undefined ? undefined : await readTls(tls);
    return {
      servers: servers.map(({ host, port }) =>
        host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`,
      ),
      name: `mqkv ${this.#options.channel}`,
      noRandomize: true,
      reconnect: false,
      timeout: CONNECT_MS,
      pingInterval: PING_MS,
      maxPingOut: 2,
      noAsyncTraces: true,
      ...(user === undefined ? {} : { user, pass: password ?? '' }),
      ...(token === undefined ? {} : { token }),
      ...(credsFile === undefined ? {} : { authenticator: credsAuthenticator(await readFile(credsFile)) }),
      ...(files === undefined
        ? {}
        : { tls: { ...pem(files), rejectUnauthorized: files.rejectUnauthorized } }),
    };
  }
}

/** The driver wants text. */
function pem(files: Awaited<ReturnType<typeof readTls>>): { ca?: string; cert?: string; key?: string } {
  const { ca, cert, key } = files;
  return {
    ...(ca === undefined ? {} : { ca: ca.toString('latin1') }),
    ...(cert === undefined ? {} : { cert: cert.toString('latin1') }),
    ...(key === undefined ? {} : { key: key.toString('latin1') }),
  };
}

/** Ends a connection for a reason of ours, and remembers it. */
function watched(connection: NatsConnection): { fail: (error: unknown) => void; error: () => unknown } {
  let why: unknown;
  return {
    fail: (error) => {
      why ??= error;
      void connection.close();
    },
    error: () => why,
  };
}
