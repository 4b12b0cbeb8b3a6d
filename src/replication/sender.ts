// Carries local writes to the queue: takes marks from the outbox, closes envelopes, publishes until accepted.
//
// Invariants
//  S1  What was taken from the outbox stays in memory, as bytes, until the queue has accepted it or the sender closes.
//  S2  At most PUBLISHES_IN_FLIGHT_MAX messages are under way; meanwhile marks collapse in the outbox (DESIGN 6).
//  S3  Sequences are given in the order of taking, from 1; a repeated publish repeats its sequence and bytes.
import {
  below,
  type Clock,
  ENVELOPE_BYTES,
  type Latin1,
  type Logger,
  messageOf,
  PUBLISH_BYTES_MAX,
  PUBLISHES_IN_FLIGHT_MAX,
  type Random,
  randomHex,
  sleep,
  type Timer,
} from '../base/index.ts';
import type { Queue } from '../queue/index.ts';
import type { Store } from '../store/index.ts';
import {
  encodeEnvelope,
  encodePublish,
  encodeSection,
  envelopeOverheadBytes,
  SECTION_DELTAS,
  SECTION_HEARTBEAT,
  SECTION_PUBLISH,
} from './envelope.ts';

/** Units: ms. A batch is open at most this long. */
const BATCH_OPEN_MS = 1;
/** Units: ms. First and longest pause between tries at the same message. */
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 2_000;

export interface SenderOptions {
  readonly site: string;
  readonly store: Store;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Counters for metrics; they only grow, but for the two states at the end. */
export interface SenderStats {
  readonly envelopes: number;
  readonly bytes: number;
  readonly failures: number;
  readonly publishesDropped: number;
  readonly inFlight: number;
  readonly inFlightBytes: number;
}

/** The sending half of replication. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #abort = new AbortController();
  /** Random id of this process (DESIGN 6). Shape: 16 hex characters. */
  readonly stream: string;
  readonly #messages: Uint8Array[][] = [];
  #messageBytes = 0;
  #sequence = 0;
  #timer: Timer | undefined;
  #paused = false;
  #heartbeatUnderWay = false;
  #envelopes = 0;
  #bytes = 0;
  #failures = 0;
  #publishesDropped = 0;
  #inFlight = 0;
  #inFlightBytes = 0;
  #idle: (() => void) | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.stream = randomHex(options.random, 8);
    options.store.outbox.onMark = () => this.#schedule();
    if (options.store.outbox.pending > 0) this.#schedule();
  }

  /** The last sequence given. */
  get lastSequence(): number {
    return this.#sequence;
  }

  /** Nothing is marked, waiting or under way. */
  get empty(): boolean {
    return this.#inFlight === 0 && this.#options.store.outbox.pending === 0 && this.#messages.length === 0;
  }

  stats(): SenderStats {
    return {
      envelopes: this.#envelopes,
      bytes: this.#bytes,
      failures: this.#failures,
      publishesDropped: this.#publishesDropped,
      inFlight: this.#inFlight,
      inFlightBytes: this.#inFlightBytes,
    };
  }

  /** Sends a PUBLISH along (at most once; dropped oldest first beyond PUBLISH_BYTES_MAX). */
  publishMessage(channel: Latin1, message: Latin1): void {
    const section = encodeSection({ kind: SECTION_PUBLISH, bytes: encodePublish(channel, message) });
    this.#messages.push(section);
    this.#messageBytes += sizeOf(section);
    while (this.#messageBytes > PUBLISH_BYTES_MAX && this.#messages.length > 1) {
      this.#messageBytes -= sizeOf(this.#messages.shift() ?? []);
      this.#publishesDropped++;
    }
    this.#schedule();
  }

  /** Sends a heartbeat, once, unless the one before is still under way; a failure is only counted. */
  async heartbeat(bytes: Uint8Array): Promise<void> {
    if (this.#heartbeatUnderWay || this.#abort.signal.aborted) return;
    this.#heartbeatUnderWay = true;
    try {
      const body = encodeSection({ kind: SECTION_HEARTBEAT, bytes });
      await this.#options.queue.publish(this.#seal(body, 0, 1), this.#abort.signal);
    } catch {
      this.#failures++;
    } finally {
      this.#heartbeatUnderWay = false;
    }
  }

  /** Stops (or goes on) publishing deltas: `MQKV.FREEZE out`. */
  pause(paused: boolean): void {
    this.#paused = paused;
    if (!paused) this.#flush();
  }

  /** Publishes what is marked, for at most `timeoutMs`, then stops. Result: whether all of it was accepted. */
  async close(timeoutMs: number): Promise<boolean> {
    this.#flush();
    const { clock, store } = this.#options;
    if (!this.empty && !this.#abort.signal.aborted) {
      const drained = new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
      const timeout = new AbortController();
      await Promise.race([drained, sleep(clock, timeoutMs, timeout.signal)]);
      timeout.abort();
    }
    const all = this.empty;
    this.#abort.abort();
    this.#timer?.cancel();
    store.outbox.onMark = undefined;
    return all;
  }

  /** Every key's whole state as sealed messages, for a peer link that begins (until anti-entropy exists). */
  async *snapshot(): AsyncIterable<Buffer> {
    for await (const deltas of this.#options.store.snapshot(ENVELOPE_BYTES))
      yield* this.#messagesOf([deltasSection(deltas)]);
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#abort.signal.aborted) return;
    this.#timer = this.#options.clock.after(BATCH_OPEN_MS, () => {
      this.#timer = undefined;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#paused || this.#abort.signal.aborted) return;
    while (this.#inFlight < PUBLISHES_IN_FLIGHT_MAX) {
      const sections = this.#next();
      if (sections.length === 0) break;
      for (const message of this.#messagesOf(sections)) void this.#deliver(message);
    }
  }

  #next(): Uint8Array[][] {
    const sections = this.#messages.splice(0);
    this.#messageBytes = 0;
    const deltas = this.#options.store.outbox.take(ENVELOPE_BYTES);
    if (deltas !== undefined) sections.push(deltasSection(deltas));
    return sections;
  }

  #messagesOf(sections: readonly Uint8Array[][]): Buffer[] {
    const parts = sections.flat();
    const room = this.#options.queue.capabilities.maxMessageBytes - envelopeOverheadBytes(this.#options.site);
    if (sizeOf(parts) <= room) return [this.#seal(parts, 0, 1)];
    const body = Buffer.concat(parts);
    const count = Math.ceil(body.length / room);
    const messages: Buffer[] = [];
    for (let i = 0; i < count; i++)
      messages.push(this.#seal([body.subarray(i * room, (i + 1) * room)], i, count));
    return messages;
  }

  #seal(body: readonly Uint8Array[], fragment: number, fragments: number): Buffer {
    const { site, store, clock } = this.#options;
    const timeMs = clock.now();
    const sequence = ++this.#sequence;
    return encodeEnvelope(
      { site, origin: store.origin, stream: this.stream, sequence, timeMs, fragment, fragments },
      body,
    );
  }

  async #deliver(message: Buffer): Promise<void> {
    const { queue, clock, random, logger } = this.#options;
    this.#inFlight++;
    this.#inFlightBytes += message.length;
    let pauseMs = RETRY_MS_MIN;
    while (!this.#abort.signal.aborted) {
      try {
        await queue.publish(message, this.#abort.signal);
        this.#envelopes++;
        this.#bytes += message.length;
        break;
      } catch (error) {
        this.#failures++;
        logger.debug({ error: messageOf(error) }, 'publish failed, will be repeated');
        await sleep(clock, pauseMs + below(random, pauseMs), this.#abort.signal);
        pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX);
      }
    }
    this.#inFlight--;
    this.#inFlightBytes -= message.length;
    this.#flush();
    if (this.empty) this.#idle?.();
  }
}

function deltasSection(deltas: Uint8Array): Uint8Array[] {
  return encodeSection({ kind: SECTION_DELTAS, bytes: deltas });
}

function sizeOf(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  return bytes;
}
