// Messages on their way to the queue: sealed into envelopes, cut into fragments, published until accepted, kept for those who miss them.
//
// Invariants
//  O1  A message stays in memory, as bytes, until the queue has accepted it or this closes.
//  O2  A repeated publish repeats its sequence and bytes; sequences are given in the order of sealing, from 1.
//  O3  Every sequence of the stream went to the queue, so that a receiver may call a missing one a gap; full copies for one peer
//      are streams of their own.
import { setMaxListeners } from 'node:events';
import {
  below,
  type Clock,
  type Logger,
  messageOf,
  MqkvError,
  noteYoungGarbage,
  type Random,
  randomHex,
  sleep,
} from '../base/index.ts';
import type { Queue } from '../queue/index.ts';
import { encodeEnvelope, envelopeOverheadBytes } from './envelope.ts';
import { SentMessages } from './sent-messages.ts';

/** Units: ms. First and longest pause between tries at the same message. */
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 2_000;

export interface OutgoingOptions {
  readonly site: string;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** A numbering of messages. */
export interface Stream {
  /** Shape: 16 hex characters. */
  readonly id: string;
  /** The last one given. */
  sequence: number;
}

/** A body to be sent. */
export interface Body {
  /** Of the deltas inside. */
  readonly origin: number;
  readonly parts: readonly Uint8Array[];
}

type Fate = 'sent' | 'too large' | 'closed';

const WHOLE = { fragment: 0, fragments: 1 };

export function newStream(random: Random): Stream {
  return { id: randomHex(random, 8), sequence: 0 };
}

/** Units: bytes. */
export function sizeOf(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  return bytes;
}

/** One process' way to one queue. Counters only grow, but for `inFlight` and `inFlightBytes`. */
export class Outgoing {
  readonly stream: Stream;
  readonly #options: OutgoingOptions;
  readonly #abort = new AbortController();
  readonly #sent = new SentMessages();
  #heartbeatUnderWay = false;
  envelopes = 0;
  bytes = 0;
  failures = 0;
  resent = 0;
  inFlight = 0;
  inFlightBytes = 0;

  constructor(options: OutgoingOptions) {
    this.#options = options;
    // One listener a message under way, of which a large value has many.
    setMaxListeners(0, this.#abort.signal);
    this.stream = newStream(options.random);
  }

  get isClosed(): boolean {
    return this.#abort.signal.aborted;
  }

  close(): void {
    this.#abort.abort();
  }

  /** Publishes a body as one message or as fragments; anew in smaller ones when the queue turns out to take less. true: accepted. */
  async send(body: Body): Promise<boolean> {
    const room = this.#room();
    const messages = this.messagesOf(this.stream, body);
    this.inFlight += messages.length;
    const fates = await Promise.all(messages.map((message) => this.#deliver(message)));
    this.inFlight -= messages.length;
    if (fates.includes('too large')) return this.#sendSmaller(body, room);
    return !fates.includes('closed');
  }

  /** Sends a heartbeat, once, unless the one before is still under way; a failure is only counted. */
  async heartbeat(body: Body): Promise<void> {
    if (this.#heartbeatUnderWay || this.isClosed) return;
    this.#heartbeatUnderWay = true;
    try {
      const message = this.#seal(this.stream, body);
      await this.#options.queue.publish(message, this.#abort.signal);
    } catch {
      this.failures++;
    } finally {
      this.#heartbeatUnderWay = false;
    }
  }

  /** Sends messages of this stream once more that another site missed; those not kept any more are left to repair. */
  async resend(sequences: readonly number[]): Promise<void> {
    for (const sequence of sequences) {
      const message = this.#sent.get(sequence);
      if (message === undefined || this.isClosed) continue;
      this.resent++;
      await this.#options.queue.publish(message, this.#abort.signal).catch(() => this.failures++);
    }
  }

  async #sendSmaller(body: Body, refusedRoom: number): Promise<boolean> {
    if (this.#room() < refusedRoom) return this.send(body);
    this.#options.logger.error(
      { bytes: sizeOf(body.parts) },
      'the queue takes no message of this size: writes not sent',
    );
    return false;
  }

  /** Units: bytes of a body that one message takes. */
  #room(): number {
    return this.#options.queue.capabilities.maxMessageBytes - envelopeOverheadBytes(this.#options.site);
  }

  /** A body as sealed messages of a stream. */
  messagesOf(stream: Stream, { origin, parts }: Body): Buffer[] {
    const room = this.#room();
    if (sizeOf(parts) <= room) return [this.#seal(stream, { origin, parts })];
    const body = Buffer.concat(parts);
    const fragments = Math.ceil(body.length / room);
    return Array.from({ length: fragments }, (_, fragment) =>
      this.#seal(
        stream,
        { origin, parts: [body.subarray(fragment * room, (fragment + 1) * room)] },
        { fragment, fragments },
      ),
    );
  }

  #seal(stream: Stream, { origin, parts }: Body, part = WHOLE): Buffer {
    const { site, clock } = this.#options;
    const sequence = ++stream.sequence;
    const header = { site, origin, stream: stream.id, sequence, timeMs: clock.now(), ...part };
    const message = encodeEnvelope(header, parts);
    noteYoungGarbage(2 * message.length);
    if (stream === this.stream) this.#sent.keep(sequence, message);
    return message;
  }

  /** O1, O2. */
  async #deliver(message: Buffer): Promise<Fate> {
    const { clock, random, logger } = this.#options;
    const { signal } = this.#abort;
    this.inFlightBytes += message.length;
    let fate: Fate | undefined;
    for (let pauseMs = RETRY_MS_MIN; fate === undefined; pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)) {
      if (signal.aborted) fate = 'closed';
      else fate = await this.#publish(message);
      if (fate !== undefined) break;
      logger.debug({ bytes: message.length }, 'publish failed, will be repeated');
      await sleep(clock, pauseMs + below(random, pauseMs), signal);
    }
    this.inFlightBytes -= message.length;
    return fate ?? 'closed';
  }

  /** undefined: failed this time. */
  async #publish(message: Buffer): Promise<Fate | undefined> {
    try {
      await this.#options.queue.publish(message, this.#abort.signal);
      this.envelopes++;
      this.bytes += message.length;
      return 'sent';
    } catch (error) {
      this.failures++;
      if (error instanceof MqkvError && error.code === 'MESSAGE_TOO_LARGE') return 'too large';
      this.#options.logger.debug({ error: messageOf(error) }, 'publish failed');
      return undefined;
    }
  }
}
