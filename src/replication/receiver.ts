// Merges what other sites sent: message in, store changed, message acknowledged.
//
// Invariants
//  R1  A message is acknowledged only after the store has merged (or staged) it, or when it can never be merged.
//  R2  What cannot be decoded is counted, logged and acknowledged: it never blocks the queue.
//  R3  Only envelopes of the store's present origins are skipped as one's own; those of an earlier one are merged, without
//      their PUBLISH messages, which this site has had.
import {
  type Clock,
  type Latin1,
  type Logger,
  MISSING_ASKED_MAX,
  messageOf,
  MqkvError,
  STREAMS_MAX,
} from '../base/index.ts';
import type { QueueMessage } from '../queue/index.ts';
import type { Store } from '../store/index.ts';
import {
  decodeEnvelope,
  decodePublish,
  decodeSections,
  type EnvelopeHeader,
  SECTION_DELTAS,
  SECTION_HEARTBEAT,
  SECTION_PUBLISH,
  type Section,
} from './envelope.ts';
import { Fragments } from './fragments.ts';
import { SequenceWindow } from './sequence-window.ts';

/** Units: ms. Pause before a message that could not be merged just now (store unreachable) comes again. */
const MERGE_RETRY_MS = 1_000;

/** Units: ms. A sequence missing for so long after a later one is a gap (DESIGN 7). */
const GAP_MS = 5_000;
/** How often a missing message is asked for. */
const GAP_ASKS = 12;

export interface ReceiverOptions {
  /** This site's name. Absent: no envelope of this site comes. */
  readonly site?: string | undefined;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A PUBLISH of another site, at most once each. */
  readonly onPublish: (channel: Latin1, message: Latin1) => void;
  readonly onHeartbeat: (header: EnvelopeHeader, bytes: Uint8Array) => void;
  /** A message was applied. */
  readonly onApplied?: ((stream: string, sequence: number) => void) | undefined;
}

/** Counters for metrics. */
export interface ReceiverStats {
  readonly envelopes: number;
  readonly own: number;
  readonly quarantined: number;
  readonly fragmentsDropped: number;
  readonly conflicts: number;
  /** Messages asked for again, and those that did not come even so (left to repair). */
  readonly gaps: number;
  readonly gapsLost: number;
  /** Units: ms from the making of the last envelope to its merge, by the two sites' clocks; null before the first. */
  readonly lagMs: number | null;
}

/** The receiving half of replication. */
export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #fragments: Fragments;
  readonly #streams = new Map<string, SequenceWindow>();
  #envelopes = 0;
  #own = 0;
  #quarantined = 0;
  #conflicts = 0;
  #gaps = 0;
  #lagMs: number | null = null;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#fragments = new Fragments(options.clock);
  }

  stats(): ReceiverStats {
    return {
      envelopes: this.#envelopes,
      own: this.#own,
      quarantined: this.#quarantined,
      fragmentsDropped: this.#fragments.dropped,
      conflicts: this.#conflicts,
      gaps: this.#gaps,
      gapsLost: [...this.#streams.values()].reduce((sum, { lost }) => sum + lost, 0),
      lagMs: this.#lagMs,
    };
  }

  /** Messages overdue by stream, for the next heartbeat (DESIGN 7, gaps). At most MISSING_ASKED_MAX. */
  missing(): Record<string, number[]> {
    const missing: Record<string, number[]> = {};
    let room = MISSING_ASKED_MAX;
    for (const [stream, window] of this.#streams) {
      if (room <= 0) break;
      const sequences = window.overdue(this.#options.clock.now(), {
        afterMs: GAP_MS,
        askedMax: GAP_ASKS,
        most: room,
      });
      if (sequences.length > 0) missing[stream] = sequences;
      room -= sequences.length;
    }
    this.#gaps += MISSING_ASKED_MAX - room;
    return missing;
  }

  /** Takes one message of a queue; settles it (R1, R2). */
  async receive(message: QueueMessage): Promise<void> {
    try {
      await this.apply(message.body);
      message.ack();
    } catch (error) {
      if (isHopeless(error)) {
        this.#quarantine(error);
        message.ack();
        return;
      }
      this.#options.logger.warn({ error: messageOf(error) }, 'merge failed, the message will come again');
      message.requeue(MERGE_RETRY_MS);
    }
  }

  /** Merges one message's content. Errors: MqkvError for what can never be merged; else the store's. */
  async apply(message: Buffer): Promise<void> {
    const envelope = decodeEnvelope(message);
    if (this.#options.store.isOwn(envelope.header.origin)) {
      this.#own++;
      return;
    }
    this.#fragments.expire();
    const body = envelope.header.fragments === 1 ? envelope.body : this.#fragments.add(envelope);
    if (body !== undefined) await this.#merge(envelope.header, decodeSections(body));
    const { stream, sequence } = envelope.header;
    this.#window(stream).note(sequence, this.#options.clock.now());
    this.#options.onApplied?.(stream, sequence);
    this.#envelopes++;
    this.#lagMs = Math.max(0, this.#options.clock.now() - envelope.header.timeMs);
  }

  /** Another gateway of this site applied a message. */
  noteApplied(stream: string, sequence: number): void {
    this.#window(stream).note(sequence, this.#options.clock.now());
  }

  async #merge(header: EnvelopeHeader, sections: readonly Section[]): Promise<void> {
    const { store, onHeartbeat } = this.#options;
    const isEarlierSelf = header.site === this.#options.site;
    const fresh = !isEarlierSelf && !this.#window(header.stream).has(header.sequence);
    for (const section of sections) {
      if (section.kind === SECTION_DELTAS)
        this.#conflicts += (await store.merge(asBuffer(section.bytes))).conflicts;
      else if (section.kind === SECTION_HEARTBEAT) onHeartbeat(header, section.bytes);
      else if (section.kind === SECTION_PUBLISH) this.#publish(section.bytes, fresh);
      else throw new MqkvError('MALFORMED_ENVELOPE', `unknown section kind ${section.kind}`);
    }
  }

  #publish(bytes: Uint8Array, fresh: boolean): void {
    const { channel, message } = decodePublish(bytes);
    if (fresh) this.#options.onPublish(channel, message);
  }

  #window(stream: string): SequenceWindow {
    const window = this.#streams.get(stream) ?? new SequenceWindow();
    this.#streams.delete(stream);
    this.#streams.set(stream, window);
    if (this.#streams.size > STREAMS_MAX) {
      const oldest = this.#streams.keys().next();
      if (oldest.done !== true) this.#streams.delete(oldest.value);
    }
    return window;
  }

  #quarantine(error: unknown): void {
    this.#quarantined++;
    this.#options.logger.warn({ error: messageOf(error) }, 'message quarantined: it cannot be merged');
  }
}

function isHopeless(error: unknown): boolean {
  return (
    error instanceof MqkvError &&
    (error.code === 'MALFORMED_ENVELOPE' ||
      error.code === 'UNKNOWN_FORMAT' ||
      error.code === 'MALFORMED_DELTA')
  );
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
