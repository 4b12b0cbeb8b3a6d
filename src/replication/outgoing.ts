// Messages on their way to the queue: sealed into envelopes, cut into fragments, published until accepted, kept for those who miss them.
//
// Invariants
//  O1  A message stays in memory, as bytes, until the queue has accepted it, this closes, or it is so old that receivers might drop
//      it (`stale`): then its keys are to be marked again.
//  O2  A repeated publish repeats its sequence and bytes; sequences are given in the order of sealing, from 1.
//  O3  Every sequence of a numbered stream goes to the queue, at last as an empty message that closes the gap.
//  O4  What was accepted is repeated as it was only while nothing that has ended it since can be forgotten: a new site, which knows
//      nothing of the stream, would take it for alive.
import { setMaxListeners } from 'node:events';
import {
  below,
  type Clock,
  type Logger,
  messageOf,
  MqkvError,
  noteYoungGarbage,
  type Random,
  sleep,
  STABLE_MS,
} from '../base/index.ts';
import type { Queue } from '../queue/index.ts';
import { encodeEnvelope, envelopeOverheadBytes, madeAtMs, newStreamId } from './envelope.ts';
import { SentKeys } from './sent-keys.ts';
import { SentMessages } from './sent-messages.ts';
import { SequenceSet } from './sequence-set.ts';

/** Units: ms. First and longest pause between tries at the same message. */
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 2_000;
/** Units: ms. O4: with room for the way of the message and clocks that differ. */
const RESEND_MS_MAX = STABLE_MS / 2;

export interface OutgoingOptions {
  readonly site: string;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Units: ms. Older messages than this are not published: receivers drop what is older than half the horizon. Default: for ever. */
  readonly messageAgeMaxMs?: number | undefined;
}

/** A numbering of messages. */
export interface Stream {
  /** Shape: 16 hex characters. */
  readonly id: string;
  /** The last one given. */
  sequence: number;
  /** What the queue has accepted. */
  readonly accepted: SequenceSet;
}

/** A body to be sent. */
export interface Body {
  /** Of the deltas inside. */
  readonly origin: number;
  readonly parts: readonly Uint8Array[];
  /** The deltas inside, whose keys are remembered. */
  readonly deltas?: Buffer | undefined;
}

/** What became of a body. The sequences that it had. */
export interface Sent {
  readonly fate: 'accepted' | 'stale' | 'refused' | 'closed';
  readonly first: number;
  readonly last: number;
  /** Of the same body cut into larger pieces, before the queue turned out to take less: these are to be filled. */
  readonly unused: readonly Pick<Sent, 'first' | 'last'>[];
}

interface Wait {
  readonly stream: Stream;
  readonly from: number;
  readonly to: number;
  readonly done: (all: boolean) => void;
}

type Fate = 'sent' | 'too large' | 'stale' | 'closed';

const WHOLE = { fragment: 0, fragments: 1 };

function newStream(random: Random, kind: 'numbered' | 'loose'): Stream {
  return { id: newStreamId(random, kind), sequence: 0, accepted: new SequenceSet() };
}

/** Units: bytes. */
export function sizeOf(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  return bytes;
}

/** One process' way to one queue. Counters only grow, but for `inFlight` and `inFlightBytes`. */
export class Outgoing {
  stream: Stream;
  readonly #loose: Stream;
  readonly #options: OutgoingOptions;
  readonly #abort = new AbortController();
  #sent = new SentMessages();
  /** What the messages of the present stream carried. */
  sentKeys = new SentKeys();
  #waits: Wait[] = [];
  #thaw: (() => void)[] = [];
  #isFrozen = false;
  envelopes = 0;
  bytes = 0;
  failures = 0;
  resent = 0;
  inFlight = 0;
  inFlightBytes = 0;
  /** The last publish that settled was accepted. */
  isAccepting = true;

  constructor(options: OutgoingOptions) {
    this.#options = options;
    // One listener a message under way, of which a large value has many.
    setMaxListeners(0, this.#abort.signal);
    this.stream = newStream(options.random, 'numbered');
    this.#loose = newStream(options.random, 'loose');
  }

  get isClosed(): boolean {
    return this.#abort.signal.aborted;
  }

  /** Nothing is published meanwhile. */
  get isFrozen(): boolean {
    return this.#isFrozen;
  }

  set isFrozen(frozen: boolean) {
    this.#isFrozen = frozen;
    if (!frozen) for (const thaw of this.#thaw.splice(0)) thaw();
  }

  close(): void {
    this.#abort.abort();
    this.isFrozen = false;
    for (const { done } of this.#waits.splice(0)) done(false);
  }

  /** Goes on with a new stream: others know more of the present one than this process. */
  renewStream(): void {
    this.stream = newStream(this.#options.random, 'numbered');
    this.#sent = new SentMessages();
    this.sentKeys = new SentKeys();
    for (const { done } of this.#waits.splice(0)) done(false);
  }

  /** Publishes a body as one message or as fragments; anew in smaller ones when the queue turns out to take less. */
  async send(body: Body): Promise<Sent> {
    const unused: Pick<Sent, 'first' | 'last'>[] = [];
    for (;;) {
      const room = this.#room();
      const { stream } = this;
      const first = stream.sequence + 1;
      const messages = this.#messagesOf(stream, body, room);
      const last = stream.sequence;
      this.sentKeys.keep(first, last, body.deltas);
      this.inFlight += messages.length;
      const fates = await Promise.all(
        messages.map((message, i) => this.#deliver(message, stream, first + i)),
      );
      this.inFlight -= messages.length;
      if (fates.includes('closed')) return { fate: 'closed', first, last, unused };
      if (fates.includes('stale')) return { fate: 'stale', first, last, unused };
      if (!fates.includes('too large')) return { fate: 'accepted', first, last, unused };
      if (this.#room() >= room) {
        this.#options.logger.error(
          { bytes: sizeOf(body.parts) },
          'the queue takes no message of this size: writes not sent',
        );
        return { fate: 'refused', first, last, unused };
      }
      unused.push({ first, last });
    }
  }

  /** Publishes a body in the loose stream, once. true: accepted; a failure is only counted. */
  async sendLoose(body: Body): Promise<boolean> {
    if (this.isClosed || this.#isFrozen) return false;
    try {
      for (const message of this.#messagesOf(this.#loose, body, this.#room()))
        await this.#options.queue.publish(message, this.#abort.signal);
      return true;
    } catch {
      this.failures++;
      return false;
    }
  }

  /** O4. Publishes a message of the stream once more, as it was. false: it is not kept any more, or too old. */
  resend(sequence: number): boolean {
    const message = this.#sent.get(sequence);
    if (message === undefined || this.#isStale(message, RESEND_MS_MAX)) return false;
    this.resent++;
    void this.#options.queue.publish(message, this.#abort.signal).catch(() => this.failures++);
    return true;
  }

  /** Publishes a message that closes a gap, until it is accepted. */
  async fill(stream: Stream, sequence: number, body: Body): Promise<void> {
    this.inFlight++;
    await this.#deliver(this.#encode(stream, sequence, body), stream, sequence);
    this.inFlight--;
  }

  /** Resolves when the queue has accepted sequences of the present stream; false: it never will. */
  accepted(from: number, to: number): Promise<boolean> {
    const { stream } = this;
    if (stream.accepted.hasAll(from, to)) return Promise.resolve(true);
    if (this.isClosed) return Promise.resolve(false);
    return new Promise((done) => this.#waits.push({ stream, from, to, done }));
  }

  /** Units: bytes of a body that one message takes. */
  #room(): number {
    return this.#options.queue.capabilities.maxMessageBytes - envelopeOverheadBytes(this.#options.site);
  }

  /** A body as sealed messages of a stream. */
  #messagesOf(stream: Stream, { origin, parts }: Body, room: number): Buffer[] {
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

  #seal(stream: Stream, body: Body, part = WHOLE): Buffer {
    const sequence = ++stream.sequence;
    const message = this.#encode(stream, sequence, body, part);
    noteYoungGarbage(2 * message.length);
    if (stream === this.stream) this.#sent.keep(sequence, message);
    return message;
  }

  #encode(stream: Stream, sequence: number, { origin, parts }: Body, part = WHOLE): Buffer {
    const { site, clock } = this.#options;
    return encodeEnvelope({ site, origin, stream: stream.id, sequence, timeMs: clock.now(), ...part }, parts);
  }

  /** O1, O2. */
  async #deliver(message: Buffer, stream: Stream, sequence: number): Promise<Fate> {
    const { clock, random, logger } = this.#options;
    const { signal } = this.#abort;
    this.inFlightBytes += message.length;
    let fate: Fate | undefined;
    for (let pauseMs = RETRY_MS_MIN; fate === undefined; pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)) {
      if (this.#isFrozen) await new Promise<void>((thaw) => this.#thaw.push(thaw));
      if (signal.aborted) fate = 'closed';
      else if (this.#isStale(message)) fate = 'stale';
      else fate = await this.#publish(message);
      if (fate !== undefined) break;
      logger.debug({ bytes: message.length }, 'publish failed, will be repeated');
      await sleep(clock, pauseMs + below(random, pauseMs), signal);
    }
    this.inFlightBytes -= message.length;
    if (fate === 'sent') this.#accept(stream, sequence);
    return fate ?? 'closed';
  }

  #accept(stream: Stream, sequence: number): void {
    stream.accepted.add(sequence);
    if (this.#waits.length === 0) return;
    const over = this.#waits.filter(
      ({ stream: of, from, to }) => of === stream && stream.accepted.hasAll(from, to),
    );
    this.#waits = this.#waits.filter((wait) => !over.includes(wait));
    for (const { done } of over) done(true);
  }

  #isStale(message: Buffer, mostMs = Number.POSITIVE_INFINITY): boolean {
    const { clock, messageAgeMaxMs = Number.POSITIVE_INFINITY } = this.#options;
    return clock.now() - madeAtMs(message) > Math.min(messageAgeMaxMs, mostMs);
  }

  /** undefined: failed this time. */
  async #publish(message: Buffer): Promise<Fate | undefined> {
    try {
      await this.#options.queue.publish(message, this.#abort.signal);
      this.envelopes++;
      this.bytes += message.length;
      this.isAccepting = true;
      return 'sent';
    } catch (error) {
      this.failures++;
      this.isAccepting = false;
      if (error instanceof MqkvError && error.code === 'MESSAGE_TOO_LARGE') return 'too large';
      this.#options.logger.debug({ error: messageOf(error) }, 'publish failed');
      return undefined;
    }
  }
}
