// Publishes to the first nsqd that works, with fail-over, and goes back to an earlier one when it works again.
// Invariants: (1) at most one lane takes new batches; an older one only finishes its own; (2) what was under way when a
// connection died is unknown and is sent again before anything newer.
import {
  MqkvError,
  NSQ_BATCH_BYTES_MAX,
  NSQ_BATCHES_IN_FLIGHT_MAX,
  NSQ_MESSAGE_BYTES_MAX,
  NSQ_PENDING_BYTES_MAX,
  sleep,
} from '../../base/index.ts';
import { type Address, formatAddress } from './address.ts';
import { backoffMs } from '../backoff.ts';
import { publish } from './commands.ts';
import { type NsqConnection, NsqdError, openConnection } from './connection.ts';
import { aborted, type Entry, Pending } from './pending.ts';
import { RECONNECT, type Settings } from './settings.ts';

/** One nsqd to publish to. */
interface Target {
  readonly address: Address;
  readonly name: string;
  failures: number;
  /** Units: Unix ms. Others are preferred until then. */
  avoidUntilMs: number;
  error: string | undefined;
}

interface Lane {
  readonly target: Target;
  readonly connection: NsqConnection;
  batches: number;
  /** It ended by telling us a limit: no fault of the broker. */
  forgiven: boolean;
}

/** Tries of one message before it is rejected, at the least; with more nsqd two at each. */
const TRIES_MIN = 3;
/** How often an earlier nsqd is tried while a later one is in use. Units: ms. */
const RETURN_PERIOD_MS = 2_000;

export class Publisher {
  readonly targets: readonly Target[];
  /** Units: bytes. Lowered when a broker says so. */
  messageBytesMax = NSQ_MESSAGE_BYTES_MAX;
  readonly #settings: Settings;
  readonly #abort = new AbortController();
  #batchBytesMax = NSQ_BATCH_BYTES_MAX;
  readonly #pending = new Pending();
  #lane: Lane | undefined;
  #connecting = false;
  #scheduled = false;
  #closed = false;

  constructor(nsqd: readonly Address[], settings: Settings) {
    this.#settings = settings;
    this.targets = nsqd.map((address) => {
      return { address, name: formatAddress(address), failures: 0, avoidUntilMs: 0, error: undefined };
    });
  }

  /** Opens the first connection and keeps one open. Resolves after the first try, well or not. */
  async start(): Promise<void> {
    const { clock, random } = this.#settings;
    await this.#connect();
    const again = (): void => {
      if (this.#closed) return;
      clock.after(backoffMs({ firstMs: RETURN_PERIOD_MS, mostMs: RETURN_PERIOD_MS }, 1, random), () => {
        void this.#improve().finally(again);
      });
    };
    again();
  }

  isConnected(name: string): boolean {
    return this.#lane?.target.name === name;
  }

  publish(body: Uint8Array, signal?: AbortSignal): Promise<void> {
    const refusal = this.#refusal(body, signal);
    if (refusal !== undefined) return Promise.reject(refusal);
    const accepted = this.#pending.add(body, signal);
    this.#schedule();
    return accepted;
  }

  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    if (graceMs > 0) await Promise.race([this.#pending.drained(), sleep(this.#settings.clock, graceMs)]);
    this.#abort.abort();
    this.#pending.rejectAll(new MqkvError('CLOSED', 'the queue was closed before nsqd answered'));
    this.#lane?.connection.destroy('closed');
  }

  #refusal(body: Uint8Array, signal: AbortSignal | undefined): MqkvError | undefined {
    if (this.#closed || signal?.aborted === true) return new MqkvError('CLOSED', 'the queue is closed');
    if (body.length === 0) return new MqkvError('QUEUE_REFUSED', 'nsqd takes no empty messages');
    if (body.length > this.messageBytesMax) return this.#tooLarge(body);
    if (this.#pending.bytes + body.length <= NSQ_PENDING_BYTES_MAX) return undefined;
    return new MqkvError('QUEUE_REFUSED', `more than ${NSQ_PENDING_BYTES_MAX} bytes wait to be published`);
  }

  #tooLarge(body: Uint8Array): MqkvError {
    const text = `a message of ${body.length} bytes is above nsqd's limit of ${this.messageBytesMax}`;
    return new MqkvError('MESSAGE_TOO_LARGE', text);
  }

  // --- sending

  /** What one turn publishes goes in one batch; what comes while batches are under way, in the next. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const lane = this.#lane;
    if (lane === undefined) {
      if (this.#pending.waiting > 0) void this.#connect();
      return;
    }
    while (!lane.connection.isOver && this.#pending.waiting > 0 && lane.batches < NSQ_BATCHES_IN_FLIGHT_MAX) {
      const batch = this.#pending.take(this.#batchBytesMax);
      if (batch.length > 0) void this.#send(lane, batch);
    }
  }

  async #send(lane: Lane, batch: readonly Entry[]): Promise<void> {
    lane.batches += 1;
    try {
      const bodies = batch.map((entry) => entry.body);
      await lane.connection.request(publish(this.#settings.topic, bodies));
      lane.target.failures = 0;
      lane.target.avoidUntilMs = 0;
      for (const entry of batch) entry.settle();
    } catch (error) {
      this.#undelivered(lane, batch, error);
    }
    lane.batches -= 1;
    if (lane !== this.#lane && lane.batches === 0) lane.connection.destroy('no longer in use');
    this.#flush();
  }

  #undelivered(lane: Lane, batch: readonly Entry[], error: unknown): void {
    const failure = error instanceof MqkvError ? error : new MqkvError('QUEUE_UNREACHABLE', String(error));
    const learned = failure instanceof NsqdError && this.#learn(failure.message);
    if (learned) lane.forgiven = true;
    const again: Entry[] = [];
    for (const entry of batch) {
      if (entry.signal?.aborted === true) entry.settle(aborted());
      else if (entry.body.length > this.messageBytesMax) entry.settle(this.#tooLarge(entry.body));
      else if (learned || this.#mayRetry(entry, failure)) again.push(entry);
      else entry.settle(failure);
    }
    this.#pending.putBack(again);
  }

  #mayRetry(entry: Entry, failure: MqkvError): boolean {
    entry.failures += 1;
    entry.error = failure;
    return entry.failures < Math.max(TRIES_MIN, 2 * this.targets.length);
  }

  /** nsqd's limits are told nowhere but in its refusals. Answers whether this one lowered ours. */
  #learn(text: string): boolean {
    const found = /(body|message) too big \d+ > (\d+)/.exec(text);
    if (found === null) return false;
    const most = Number(found[2]);
    if (found[1] === 'body') {
      if (most >= this.#batchBytesMax) return false;
      this.#batchBytesMax = most;
      return true;
    }
    if (most >= this.messageBytesMax) return false;
    this.messageBytesMax = most;
    return true;
  }

  // --- connections

  #avoid(target: Target, reason: string): void {
    const { clock, random, logger } = this.#settings;
    target.failures += 1;
    target.avoidUntilMs = clock.now() + backoffMs(RECONNECT, target.failures, random);
    if (target.error !== reason) logger.warn({ nsqd: target.name, reason }, 'cannot publish');
    target.error = reason;
  }

  /** Order: as given, those that failed a moment ago last. */
  #order(): readonly Target[] {
    const now = this.#settings.clock.now();
    const good = this.targets.filter(({ avoidUntilMs }) => avoidUntilMs <= now);
    return [...good, ...this.targets.filter(({ avoidUntilMs }) => avoidUntilMs > now)];
  }

  /** Tries each nsqd once; when none works, what waits is rejected. */
  async #connect(): Promise<void> {
    if (this.#connecting || this.#lane !== undefined || this.#abort.signal.aborted) return;
    this.#connecting = true;
    const waiting = this.#pending.list();
    for (const target of this.#order()) {
      if (await this.#try(target)) break;
    }
    this.#connecting = false;
    if (this.#lane === undefined) this.#unreachable(waiting);
    else return this.#flush();
    if (this.#pending.waiting === 0) return;
    // Those that came meanwhile have not had their try: after a pause, so that nothing spins.
    const { clock, random } = this.#settings;
    const failures = Math.min(...this.targets.map((target) => target.failures));
    clock.after(backoffMs({ firstMs: 50, mostMs: 1_000 }, failures, random), () => this.#flush());
  }

  #unreachable(waiting: readonly Entry[]): void {
    const reasons = this.targets.map(({ error }) => error ?? 'not tried').join('; ');
    const text = `no nsqd can be reached: ${reasons}`;
    this.#pending.reject(waiting, ({ error }) => new MqkvError('QUEUE_UNREACHABLE', text, { cause: error }));
  }

  async #try(target: Target): Promise<boolean> {
    const { signal } = this.#abort;
    const clientId = this.#settings.channel;
    try {
      const connection = await openConnection({
        ...this.#settings,
        address: target.address,
        clientId,
        signal,
      });
      this.#use({ target, connection, batches: 0, forgiven: false });
      return true;
    } catch (error) {
      this.#avoid(target, error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  #use(lane: Lane): void {
    const before = this.#lane;
    this.#lane = lane;
    lane.target.error = undefined;
    if (before !== undefined && before.batches === 0) before.connection.destroy('no longer in use');
    this.#settings.logger.info({ nsqd: lane.target.name }, 'publishing');
    void lane.connection.ended.then((error) => {
      if (this.#lane !== lane) return;
      this.#lane = undefined;
      if (!this.#closed && !lane.forgiven) this.#avoid(lane.target, error.message);
      this.#schedule();
    });
  }

  /** Connects when nothing is connected; goes back to an earlier nsqd that works again. */
  async #improve(): Promise<void> {
    if (this.#connecting || this.#closed) return;
    const lane = this.#lane;
    if (lane === undefined) return this.#connect();
    const now = this.#settings.clock.now();
    for (const target of this.targets) {
      if (target === lane.target) return;
      if (target.avoidUntilMs <= now && (await this.#try(target))) return this.#flush();
    }
  }
}
