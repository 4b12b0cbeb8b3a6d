// Carries local writes to the queue: takes marks from the outbox, closes envelopes, publishes until accepted.
//
// Invariants
//  S1  What was taken from the outbox stays in memory, as bytes, until the queue has accepted it or the sender closes.
//  S2  At most PUBLISHES_IN_FLIGHT_MAX messages are under way, and no further one beside PUBLISHES_IN_FLIGHT_BYTES_MAX; meanwhile marks collapse in the outbox (DESIGN 6).
//  S3  Sequences are given in the order of taking, from 1; a repeated publish repeats its sequence and bytes.
//  S4  Every sequence of the stream went to the queue, so that a receiver may call a missing one a gap; full copies for one peer
//      are streams of their own.
//  S5  While local writes come fast, a batch goes at most every BUSY_PACE_MS on average: a burst starves
//      neither clients nor links, marks collapse meanwhile (about 150,000 plain writes of 64 bytes a second). Else PACE_MS.
import { setMaxListeners } from 'node:events';
import {
  below,
  type Clock,
  ENVELOPE_BYTES,
  type Latin1,
  type Logger,
  messageOf,
  MqkvError,
  noteYoungGarbage,
  PUBLISH_BYTES_MAX,
  PUBLISHES_IN_FLIGHT_BYTES_MAX,
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
import { SentMessages } from './sent-messages.ts';

/** Units: ms. A batch is open about this long when there was nothing before it. */
const BATCH_OPEN_MS = 1;
/** Units: ms of time that one batch costs (S5); up to PUBLISHES_IN_FLIGHT_MAX of them are saved up. */
const PACE_MS = 1;
const BUSY_PACE_MS = 4;
/** Marks that came since the last batch from which on the site is busy. */
const BUSY_MARKS = 64;
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
  /** Messages sent again because a site missed them. */
  readonly resent: number;
  readonly inFlight: number;
  readonly inFlightBytes: number;
}

/** The sending half of replication. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #abort = new AbortController();
  readonly #stream: Stream;
  readonly #sent = new SentMessages();
  readonly #messages: Uint8Array[][] = [];
  #messageBytes = 0;
  #timer: Timer | undefined;
  /** Units: ms by the clock; batches up to now were paid for until here (S5). */
  #paidUntilMs = 0;
  /** Marks left by the last batch. */
  #backlog = 0;
  #heartbeatUnderWay = false;
  #envelopes = 0;
  #bytes = 0;
  #failures = 0;
  #publishesDropped = 0;
  #resent = 0;
  #inFlight = 0;
  #inFlightBytes = 0;
  #idle: (() => void) | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    // One listener a message under way, of which a large value has many.
    setMaxListeners(0, this.#abort.signal);
    this.#stream = newStream(options.random);
    options.store.outbox.onMark = () => this.#schedule();
    if (options.store.outbox.pending > 0) this.#schedule();
  }

  /** Random id of this process (DESIGN 6). Shape: 16 hex characters. */
  get stream(): string {
    return this.#stream.id;
  }

  /** The last sequence given. */
  get lastSequence(): number {
    return this.#stream.sequence;
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
      resent: this.#resent,
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
      const message = this.#seal(this.#stream, body);
      await this.#options.queue.publish(message, this.#abort.signal);
    } catch {
      this.#failures++;
    } finally {
      this.#heartbeatUnderWay = false;
    }
  }

  /** Sends messages of this stream once more that another site missed; those not kept any more are left to repair. */
  async resend(sequences: readonly number[]): Promise<void> {
    for (const sequence of sequences) {
      const message = this.#sent.get(sequence);
      if (message === undefined || this.#abort.signal.aborted) continue;
      this.#resent++;
      await this.#options.queue.publish(message, this.#abort.signal).catch(() => this.#failures++);
    }
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

  /** Every key's whole state as sealed messages of a stream of their own, for a peer link that begins (until anti-entropy exists). */
  async *snapshot(): AsyncIterable<Buffer> {
    const stream = newStream(this.#options.random);
    for await (const deltas of this.#options.store.snapshot(ENVELOPE_BYTES))
      yield* this.#messagesOf(stream, deltasSection(deltas));
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#abort.signal.aborted) return;
    const { clock } = this.#options;
    const waitMs = Math.min(BUSY_PACE_MS, Math.max(BATCH_OPEN_MS, this.#paidUntilMs - clock.now()));
    this.#timer = clock.after(waitMs, () => {
      this.#timer = undefined;
      this.#flush();
    });
  }

  /** Sends what the pace and the window allow, then schedules the rest. */
  #flush(): void {
    if (this.#abort.signal.aborted) return;
    const now = this.#options.clock.now();
    const paceMs = this.#isBusy ? BUSY_PACE_MS : PACE_MS;
    const oldest = now - paceMs * PUBLISHES_IN_FLIGHT_MAX;
    this.#paidUntilMs = Math.max(oldest, Math.min(this.#paidUntilMs, now + paceMs));
    while (this.#hasRoom && this.#paidUntilMs <= now) {
      const sections = this.#next();
      if (sections.length === 0) break;
      this.#paidUntilMs += paceMs;
      void this.#send(sections.flat());
    }
    this.#backlog = this.#options.store.outbox.pending;
    if (this.#hasRoom && this.#isWaiting) this.#schedule();
  }

  /** S2. */
  get #hasRoom(): boolean {
    return this.#inFlight < PUBLISHES_IN_FLIGHT_MAX && this.#inFlightBytes < PUBLISHES_IN_FLIGHT_BYTES_MAX;
  }

  get #isBusy(): boolean {
    return this.#options.store.outbox.pending - this.#backlog > BUSY_MARKS;
  }

  get #isWaiting(): boolean {
    return this.#options.store.outbox.pending > 0 || this.#messages.length > 0;
  }

  #next(): Uint8Array[][] {
    const sections = this.#messages.splice(0);
    this.#messageBytes = 0;
    const deltas = this.#options.store.outbox.take(ENVELOPE_BYTES);
    if (deltas !== undefined) sections.push(deltasSection(deltas));
    return sections;
  }

  /** Publishes a body as one message or as fragments; anew in smaller ones when the queue turns out to take less. */
  async #send(parts: readonly Uint8Array[]): Promise<void> {
    const room = this.#room();
    const messages = this.#messagesOf(this.#stream, parts);
    this.#inFlight += messages.length;
    const fates = await Promise.all(messages.map((message) => this.#deliver(message)));
    this.#inFlight -= messages.length;
    if (fates.includes('too large')) this.#sendSmaller(parts, room);
    if (this.#isWaiting) this.#schedule();
    if (this.empty) this.#idle?.();
  }

  #sendSmaller(parts: readonly Uint8Array[], refusedRoom: number): void {
    if (this.#room() < refusedRoom) void this.#send(parts);
    else
      this.#options.logger.error(
        { bytes: sizeOf(parts) },
        'the queue takes no message of this size: writes not sent',
      );
  }

  /** Units: bytes of a body that one message takes. */
  #room(): number {
    return this.#options.queue.capabilities.maxMessageBytes - envelopeOverheadBytes(this.#options.site);
  }

  #messagesOf(stream: Stream, parts: readonly Uint8Array[]): Buffer[] {
    const room = this.#room();
    if (sizeOf(parts) <= room) return [this.#seal(stream, parts)];
    const body = Buffer.concat(parts);
    const fragments = Math.ceil(body.length / room);
    return Array.from({ length: fragments }, (_, fragment) =>
      this.#seal(stream, [body.subarray(fragment * room, (fragment + 1) * room)], { fragment, fragments }),
    );
  }

  #seal(stream: Stream, body: readonly Uint8Array[], part = WHOLE): Buffer {
    const { site, store, clock } = this.#options;
    const sequence = ++stream.sequence;
    const header = { site, origin: store.origin, stream: stream.id, sequence, timeMs: clock.now(), ...part };
    const message = encodeEnvelope(header, body);
    noteYoungGarbage(2 * message.length);
    if (stream === this.#stream) this.#sent.keep(sequence, message);
    return message;
  }

  async #deliver(message: Buffer): Promise<'sent' | 'too large' | 'closed'> {
    const { queue, clock, random, logger } = this.#options;
    const { signal } = this.#abort;
    this.#inFlightBytes += message.length;
    let fate: 'sent' | 'too large' | 'closed' = 'closed';
    for (
      let pauseMs = RETRY_MS_MIN;
      fate === 'closed' && !signal.aborted;
      pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)
    ) {
      try {
        await queue.publish(message, signal);
        fate = 'sent';
        this.#envelopes++;
        this.#bytes += message.length;
      } catch (error) {
        this.#failures++;
        if (error instanceof MqkvError && error.code === 'MESSAGE_TOO_LARGE') {
          fate = 'too large';
          break;
        }
        logger.debug({ error: messageOf(error) }, 'publish failed, will be repeated');
        await sleep(clock, pauseMs + below(random, pauseMs), signal);
      }
    }
    this.#inFlightBytes -= message.length;
    return fate;
  }
}

/** A numbering of messages. */
interface Stream {
  readonly id: string;
  /** The last one given. */
  sequence: number;
}

const WHOLE = { fragment: 0, fragments: 1 };

function newStream(random: Random): Stream {
  return { id: randomHex(random, 8), sequence: 0 };
}

function deltasSection(deltas: Uint8Array): Uint8Array[] {
  return encodeSection({ kind: SECTION_DELTAS, bytes: deltas });
}

function sizeOf(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  return bytes;
}
