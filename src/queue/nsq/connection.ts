// One connection to one nsqd: handshake, answers in order, heartbeats, and its end, told exactly once.
// Invariants: (1) nsqd answers commands that have answers in the order sent; (2) `ended` settles once, and then every
// request still waiting has been rejected; (3) after the end nothing is written and no message is handed over.
import { type Clock, MqkvError, messageOf, type Timer } from '../../base/index.ts';
import { type Address, formatAddress, kernelHost } from './address.ts';
import type { TlsFiles } from '../tls.ts';
import { auth, identify, MAGIC, NOP } from './commands.ts';
import { decodeMessage, ERROR, type Frame, FrameParser, MESSAGE, type RawMessage } from './frames.ts';
import { type Compression, Wire } from './wire.ts';

/** What opening needs. Units: ms in the names. */
export interface ConnectionOptions {
  readonly address: Address;
  readonly clientId: string;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly heartbeatMs: number;
  /** Time before nsqd delivers again; 0: nsqd's own default. */
  readonly messageTimeoutMs: number;
  /** Undefined: no TLS. */
  readonly tls?: TlsFiles | undefined;
  /** For nsqd that wants AUTH. */
  readonly authSecret?: string | undefined;
  readonly compression?: Compression | undefined;
  /** How long nsqd may hold back what it compresses; 0: its own default. */
  readonly bufferTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal;
  readonly onMessage?: (message: RawMessage) => void;
}

/** Units: ms. The least that an nsqd takes by default (-min-output-buffer-timeout). */
const LEAST_BUFFER_MS = 25;

interface Waiter {
  readonly resolve: (text: string) => void;
  readonly reject: (error: MqkvError) => void;
  readonly since: number;
}

/** A text of nsqd's beginning with E_, e.g. `E_BAD_TOPIC …`. */
export class NsqdError extends MqkvError {
  constructor(text: string) {
    super('QUEUE_REFUSED', `nsqd answered: ${text.slice(0, 300)}`);
  }
}

/** Connects and identifies. Errors: QUEUE_UNREACHABLE, or NsqdError when nsqd refuses. */
export async function openConnection(options: ConnectionOptions): Promise<NsqConnection> {
  try {
    return await identified(options);
  } catch (error) {
    // This nsqd allows less than we ask for: its own timeout and the shortest heartbeat are always allowed.
    if (
      !(
        error instanceof NsqdError &&
        /(msg timeout|heartbeat interval|output buffer timeout) .*invalid/.test(error.message)
      )
    )
      throw error;
    return identified({ ...options, messageTimeoutMs: 0, heartbeatMs: 1_000, bufferTimeoutMs: 0 });
  }
}

async function identified(options: ConnectionOptions): Promise<NsqConnection> {
  const connection = new NsqConnection(options);
  try {
    await connection.handshake();
    return connection;
  } catch (error) {
    connection.destroy(messageOf(error));
    throw error;
  }
}

export class NsqConnection {
  readonly address: Address;
  /** Resolves with the reason when the connection is over; never rejects. */
  readonly ended: Promise<MqkvError>;
  /** nsqd's limit for RDY. */
  maxRdy = 1;
  /** The address actually connected, as the kernel tells it. */
  peer = '';
  readonly #options: ConnectionOptions;
  readonly #wire: Wire;
  readonly #parser = new FrameParser();
  readonly #waiting: Waiter[] = [];
  #end: (error: MqkvError) => void = () => {};
  #over: MqkvError | undefined;
  #heardAt: number;
  #watch: Timer;

  constructor(options: ConnectionOptions) {
    this.address = options.address;
    this.#options = options;
    this.#heardAt = options.clock.now();
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#wire = new Wire(options.address, {
      data: (chunk) => this.#take(chunk),
      over: (reason) => this.destroy(reason),
    });
    this.#watch = options.clock.after(options.connectTimeoutMs, () => this.destroy('no answer in time'));
    options.signal?.addEventListener('abort', this.#abort, { once: true });
    if (options.signal?.aborted === true) this.destroy('closed');
  }

  #abort = (): void => this.destroy('closed');

  get isOver(): boolean {
    return this.#over !== undefined;
  }

  /** Requests without an answer so far. */
  get waiting(): number {
    return this.#waiting.length;
  }

  async handshake(): Promise<void> {
    const { clientId, heartbeatMs, messageTimeoutMs } = this.#options;
    const features: Record<string, unknown> = {
      client_id: clientId,
      hostname: clientId,
      user_agent: 'mqkv',
      feature_negotiation: true,
      heartbeat_interval: heartbeatMs,
      ...this.#buffering(),
      tls_v1: this.#options.tls !== undefined,
      deflate: this.#options.compression === 'deflate',
      snappy: this.#options.compression === 'snappy',
    };
    if (messageTimeoutMs > 0) features.msg_timeout = messageTimeoutMs;
    const { tls, compression } = this.#options;
    this.#parser.stopsAfterFrame = tls !== undefined || compression !== undefined;
    await this.#agree(await this.request([MAGIC, identify(features)]));
    this.peer = formatAddress({
      host: kernelHost(this.#wire.remoteAddress ?? this.address.host),
      port: this.#wire.remotePort ?? this.address.port,
    });
    this.#watch.cancel();
    const periodMs = Math.ceil(Math.min(heartbeatMs, this.#options.requestTimeoutMs) / 4);
    this.#watch = this.#options.clock.every(periodMs, () => this.#check());
  }

  /** Nothing is held back; what is compressed leaves nsqd only when its buffer is flushed, at the earliest after its least time. */
  #buffering(): Record<string, number> {
    const { compression, bufferTimeoutMs = LEAST_BUFFER_MS } = this.#options;
    if (compression === undefined) return { output_buffer_size: -1, output_buffer_timeout: -1 };
    return bufferTimeoutMs === 0 ? {} : { output_buffer_timeout: bufferTimeoutMs };
  }

  async #agree(text: string): Promise<void> {
    const answer = parseFeatures(text);
    if (answer === undefined) throw this.#failure(`unexpected answer to IDENTIFY: ${text.slice(0, 100)}`);
    if (typeof answer.max_rdy_count === 'number' && answer.max_rdy_count >= 1)
      this.maxRdy = answer.max_rdy_count;
    await this.#upgrade(answer);
    const { authSecret } = this.#options;
    if (answer.auth_required !== true) return;
    if (authSecret === undefined)
      throw new NsqdError('AUTH required; give its secret: nsq://SECRET@HOST:PORT');
    await this.request([auth(authSecret)]);
  }

  /** Each layer that both sides want is begun after nsqd's answer, and nsqd confirms it inside. */
  async #upgrade(answer: Readonly<Record<string, unknown>>): Promise<void> {
    const { tls, compression } = this.#options;
    if (tls !== undefined) {
      if (answer.tls_v1 !== true)
        throw new NsqdError('it offers no TLS (start it with -tls-cert and -tls-key)');
      await this.#layer(compression !== undefined, () => this.#wire.secure(tls));
    }
    if (compression === undefined) return;
    if (answer[compression] !== true)
      throw new NsqdError(`it offers no ${compression} (see its -${compression})`);
    await this.#layer(false, (rest) => this.#wire.compress(compression, rest));
  }

  /** `begin` takes what came after nsqd's answer: it is of the new layer already. */
  async #layer(isFollowed: boolean, begin: (rest: Buffer) => void): Promise<void> {
    const confirmed = this.request([]);
    this.#parser.stopsAfterFrame = isFollowed;
    begin(this.#parser.takeRest());
    await confirmed;
  }

  /** Sends a command that has an answer. Rejects with NsqdError, or QUEUE_UNREACHABLE when the connection ends. */
  request(parts: readonly Uint8Array[]): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#over !== undefined) return reject(this.#over);
      this.#waiting.push({ resolve, reject, since: this.#options.clock.now() });
      for (const part of parts) this.send(part);
    });
  }

  /** Sends a command without an answer; what one turn sends leaves in one write. Nothing happens after the end. */
  send(part: Uint8Array): void {
    if (this.#over !== undefined) return;
    this.#wire.write(part);
  }

  /** Ends it at once. Idempotent. */
  destroy(reason: string): void {
    if (this.#over !== undefined) return;
    this.#over = this.#failure(reason);
    this.#watch.cancel();
    this.#options.signal?.removeEventListener('abort', this.#abort);
    this.#wire.destroy();
    for (const waiter of this.#waiting.splice(0)) waiter.reject(this.#over);
    this.#end(this.#over);
  }

  #failure(reason: string): MqkvError {
    return new MqkvError('QUEUE_UNREACHABLE', `nsqd ${formatAddress(this.address)}: ${reason}`);
  }

  #check(): void {
    const now = this.#options.clock.now();
    const { heartbeatMs, requestTimeoutMs } = this.#options;
    if (this.#waiting.length > 0 && now - this.#waiting[0].since > requestTimeoutMs)
      this.destroy('no answer in time');
    if (now - this.#heardAt > heartbeatMs * 2.5) this.destroy('no heartbeat in time');
  }

  #take(chunk: Buffer): void {
    this.#heardAt = this.#options.clock.now();
    const problem = this.#parser.push(chunk, (frame) => this.#frame(frame));
    if (problem !== undefined) this.destroy(`malformed data (${problem}); is this nsqd's TCP port?`);
  }

  #frame({ type, data }: Frame): void {
    if (this.#over !== undefined) return;
    if (type === MESSAGE) this.#options.onMessage?.(decodeMessage(data));
    else if (type === ERROR) this.#refused(data.toString('utf8'));
    else this.#answered(data.toString('utf8'));
  }

  #answered(text: string): void {
    if (text === '_heartbeat_') return this.send(NOP);
    this.#waiting.shift()?.resolve(text);
  }

  /** FIN, REQ and TOUCH have no answer; theirs are the only errors after which nsqd goes on (it delivers again). */
  #refused(text: string): void {
    if (/^E_(FIN|REQ|TOUCH)_FAILED/.test(text)) return;
    this.#waiting.shift()?.reject(new NsqdError(text));
    this.destroy(text);
  }
}

function parseFeatures(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
