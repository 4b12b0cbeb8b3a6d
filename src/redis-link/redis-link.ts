// A link: one connection after another to the same address, and the commands that wait in between.
//
// 1. Only in the state 'ready' are queued commands written; before, only the handshake and `onReady` write.
// 2. When a connection ends, what was begun to be written fails as written; the rest waits for the next one, at most `waitMs`.
// 3. Every request ends exactly once: all its replies, or `failed` with those that are missing.
import { MqkvError, messageOf, type Timer, UPSTREAM_QUEUED_BYTES_MAX } from '../base/index.ts';
import { encodeCommand, type Reply } from '../resp/index.ts';
import { backoffMs } from './backoff.ts';
import { callBy } from './call.ts';
import { Connection, nameOf } from './connection.ts';
import { shakeHands } from './handshake.ts';
import type { Link, LinkOptions, LinkSetup, LinkState, ReplySink } from './link.ts';
import { Outgoing, type Request, requestOf } from './outgoing.ts';

const WAIT_MS = 2000;
const HANG_TIMEOUT_MS = 5000;
/** The time of a hang is measured in so many steps, so that nothing on the hot path reads the clock. */
const HANG_STEPS = 5;
/** Steps of silence after which an idle link is asked. */
const IDLE_STEPS = 2;
const PING = encodeCommand(['PING']);
/** Units: bytes that one turn gives before they are written without waiting for its end. */
const FLUSH_BYTES = 128 * 1024;
const NOBODY: ReplySink = { replies: () => {}, failed: () => {} };

/** Opens a link and begins to dial. It never fails by itself: it tries until it is closed. */
export function openLink(options: LinkOptions): Link {
  return new RedisLink(options);
}

class RedisLink implements Link {
  onPush: ((reply: Reply) => void) | undefined;
  onState: ((state: LinkState) => void) | undefined;
  readonly #options: LinkOptions;
  readonly #outgoing = new Outgoing();
  readonly #hangTick: Timer;
  #state: LinkState = 'down';
  #lastError: MqkvError | undefined;
  #connection: Connection | undefined;
  #isFlushSet = false;
  #failures = 0;
  #silentTicks = 0;
  #idleTicks = 0;
  #redial: Timer | undefined;
  #waitTimer: Timer | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    const hangTimeoutMs = options.hangTimeoutMs || HANG_TIMEOUT_MS;
    this.#hangTick = options.clock.every(hangTimeoutMs / HANG_STEPS, () => this.#watchHang(hangTimeoutMs));
    this.#dial();
  }

  get state(): LinkState {
    return this.#state;
  }

  get lastError(): MqkvError | undefined {
    return this.#lastError;
  }

  get pending(): number {
    return this.#outgoing.count + (this.#connection?.awaited.length ?? 0);
  }

  forward(pieces: Buffer | readonly Buffer[], count: number, sink: ReplySink): void {
    const request = requestOf(pieces, count, sink);
    const refusal = this.#refusal(request.bytes);
    if (refusal !== undefined) return void Promise.resolve().then(() => sink.failed(count, false, refusal));
    const isReady = this.#state === 'ready';
    if (!isReady) request.since = this.#options.clock.now();
    this.#outgoing.push(request);
    if (!isReady) this.#armWait();
    else if (this.#outgoing.bytes >= FLUSH_BYTES) this.flush();
    else this.#flushLater();
  }

  #refusal(bytes: number): MqkvError | undefined {
    if (this.#state === 'closed') return this.#unavailable('the link is closed');
    const { queuedBytesMax = UPSTREAM_QUEUED_BYTES_MAX } = this.#options;
    // One command alone may be larger: it would never fit.
    if (this.#outgoing.bytes === 0 || this.#outgoing.bytes + bytes <= queuedBytesMax) return undefined;
    return this.#unavailable(`more than ${queuedBytesMax} bytes wait to be sent to it`);
  }

  #flushLater(): void {
    if (this.#isFlushSet) return;
    this.#isFlushSet = true;
    const { ground } = this.#options;
    (ground === undefined ? setImmediate : ground.turn)(() => {
      this.#isFlushSet = false;
      this.flush();
    });
  }

  flush(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const started = (request: Request): void => {
      if (request.left > 0) connection.awaited.push(request);
    };
    while (this.#state === 'ready' && !this.#outgoing.isEmpty) {
      const { room } = connection;
      if (room === 0) return;
      connection.write(this.#outgoing.take(room, started));
    }
  }

  call(args: readonly (string | Uint8Array)[]): Promise<Reply> {
    return callBy((bytes, count, sink) => this.forward(bytes, count, sink), args);
  }

  dropQueued(error: MqkvError): void {
    for (const { sink, left } of this.#outgoing.removeAll()) sink.failed(left, false, error);
  }

  reconnect(reason: string): void {
    this.#connection?.end(reason);
  }

  close(): void {
    if (this.#state === 'closed') return;
    const connection = this.#connection;
    this.#become('closed');
    for (const timer of [this.#hangTick, this.#redial, this.#waitTimer]) timer?.cancel();
    connection?.end('the link was closed');
    this.dropQueued(this.#unavailable('the link was closed'));
  }

  #dial(): void {
    if (this.#state === 'closed') return;
    this.#silentTicks = 0;
    const connection: Connection = new Connection(this.#options, {
      connected: () => void this.#setUp(connection),
      push: (reply) => this.onPush?.(reply),
      serverError: (code) => this.#options.onServerError?.(code),
      drained: () => this.flush(),
      ended: (error) => this.#ended(connection, error),
    });
    this.#connection = connection;
    this.#become('connecting');
  }

  async #setUp(connection: Connection): Promise<void> {
    const setup = setupOn(connection);
    try {
      await shakeHands(setup, this.#options);
      await this.#options.onReady?.(setup);
    } catch (error) {
      return connection.end(messageOf(error), error);
    }
    if (this.#connection !== connection || this.#state !== 'connecting') return;
    if (this.#failures > 1) this.#options.logger.info({ redis: this.#name }, 'connected to Redis again');
    this.#failures = 0;
    this.#become('ready');
    this.flush();
  }

  #ended(connection: Connection, error: MqkvError): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#outgoing.dropRest();
    this.#outgoing.markWaiting(this.#options.clock.now());
    this.#failures++;
    this.#noteFailure(error);
    if (this.#state !== 'closed') {
      this.#become('down');
      this.#redial = this.#options.clock.after(backoffMs(this.#failures, this.#options.random), () =>
        this.#dial(),
      );
      this.#armWait();
    }
    const uncertain = new MqkvError('UNCERTAIN', error.message, { cause: error.cause });
    for (const { sink, left } of connection.awaited.removeAll()) sink.failed(left, true, uncertain);
  }

  /** A cause with a code of its own (REDIS_AUTH …) says more than that the connection ended. Told when it changes. */
  #noteFailure(error: MqkvError): void {
    const said = error.cause instanceof MqkvError ? error.cause : error;
    const isNew = this.#failures === 1 || said.message !== this.#lastError?.message;
    this.#lastError = said;
    if (!isNew || this.#state === 'closed') return;
    this.#options.logger.warn(
      { redis: this.#name, reason: said.message, code: said.code },
      'no connection to Redis',
    );
  }

  #become(state: LinkState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    this.onState?.(state);
  }

  #armWait(): void {
    const since = this.#outgoing.waitingSince;
    if (this.#waitTimer !== undefined || since === undefined || this.#state === 'ready') return;
    const { clock, waitMs = WAIT_MS } = this.#options;
    this.#waitTimer = clock.after(Math.max(0, since + waitMs - clock.now()), () => {
      this.#waitTimer = undefined;
      if (this.#state !== 'ready') this.#giveUp(clock.now() - waitMs);
      this.#armWait();
    });
  }

  #giveUp(before: number): void {
    const old = this.#outgoing.removeOlder(before);
    if (old.length === 0) return;
    const said = this.#lastError;
    const isNamed = said?.code === 'UNAVAILABLE';
    const error = isNamed ? said : this.#unavailable(said?.message ?? 'not connected in time');
    for (const { sink, left } of old) sink.failed(left, false, error);
  }

  /** One step: a busy link that hears nothing comes nearer to its end, an idle one is asked whether it is still there. */
  #watchHang(hangTimeoutMs: number): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const isIdle = this.#state === 'ready' && connection.awaited.length === 0;
    const mayHang = this.#state === 'ready' && this.#options.hangTimeoutMs === 0;
    this.#idleTicks = isIdle && !connection.hasMoved ? this.#idleTicks + 1 : 0;
    this.#silentTicks = isIdle || mayHang || connection.hasMoved ? 0 : this.#silentTicks + 1;
    connection.hasMoved = false;
    if (this.#silentTicks >= HANG_STEPS) connection.end(`no answer for ${hangTimeoutMs} ms`);
    else if (this.#idleTicks >= IDLE_STEPS && !mayHang) connection.send(requestOf(PING, 1, NOBODY));
  }

  get #name(): string {
    return nameOf(this.#options.address);
  }

  #unavailable(why: string): MqkvError {
    return new MqkvError('UNAVAILABLE', `Redis at ${this.#name}: ${why}`);
  }
}

/** Writes at once, whatever waits. */
function setupOn(connection: Connection): LinkSetup {
  const forward = (bytes: Buffer, left: number, sink: ReplySink): void => {
    connection.send(requestOf(bytes, left, sink));
  };
  return {
    call: (args) => callBy(forward, args),
    send: (args) => forward(encodeCommand(args), 0, NOBODY),
  };
}
