// Merges what other sites sent: message in, store changed, message acknowledged.
//
// Invariants
//  R1  A message is acknowledged only after the store has merged (or staged) it, or when it can never be merged.
//  R2  What cannot be decoded is counted, logged and acknowledged: it never blocks the queue.
//  R3  Only envelopes of the store's present origins are skipped as one's own; those of an earlier one are merged, without
//      their PUBLISH messages, which this site has had. No sequences are remembered of one's own site's streams.
//  R4  A sequence counts as applied only after the store has merged it, and only while the store has not gone back since (`epoch`).
//  R5  What is applied already is dropped, and so is what is older than half the horizon: that counts as lost, and is repaired.
//  R6  Sequences of loose streams mean nothing.
import { type Clock, type Latin1, type Logger, messageOf, MqkvError } from '../base/index.ts';
import type { QueueMessage } from '../queue/index.ts';
import type { Store } from '../store/index.ts';
import {
  decodeAfter,
  decodeEnvelope,
  decodePublish,
  decodeSections,
  type Envelope,
  type EnvelopeHeader,
  isLoose,
  SECTION_AFTER,
  SECTION_ANSWER,
  SECTION_ASK,
  SECTION_DELTAS,
  SECTION_HEARTBEAT,
  SECTION_LOST,
  SECTION_PUBLISH,
  type Section,
} from './envelope.ts';
import { FrozenMessages } from './frozen-messages.ts';
import type { Applied, Streams } from './streams.ts';
import { WholeBodies } from './whole-bodies.ts';

/** Units: ms. Pause before a message that could not be merged just now (store unreachable) comes again. */
const MERGE_RETRY_MS = 1_000;

/** Why something is lost. */
export type Loss = 'gap' | 'old';

export interface ReceiverOptions {
  /** This site's name. */
  readonly site: string;
  readonly store: Store;
  readonly streams: Streams;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Units: ms. */
  readonly horizonMs: number;
  /** A PUBLISH of another site, at most once each. */
  readonly onPublish: (channel: Latin1, message: Latin1) => void;
  readonly onHeartbeat: (header: EnvelopeHeader, bytes: Uint8Array) => void;
  /** A message was applied; `first`: of all its fragments. */
  readonly onApplied?: ((stream: string, first: number, last: number) => void) | undefined;
  /** A fragment was staged. */
  readonly onHeld?: ((stream: string, first: number, sequence: number) => void) | undefined;
  /** What a message carried will not come. */
  readonly onLost?: ((loss: Loss, site: string) => void) | undefined;
}

/** Counters for metrics. */
export interface ReceiverStats {
  readonly envelopes: number;
  readonly own: number;
  /** Merged from what the queue still kept (B5 of peer-bootstrap.ts). */
  readonly recalled: number;
  /** Dropped: applied before, or too old. */
  readonly doubled: number;
  readonly old: number;
  readonly quarantined: number;
  readonly fragmentsDropped: number;
  readonly conflicts: number;
  /** Messages asked for again, and those that did not come even so (left to repair). */
  readonly gaps: number;
  readonly gapsLost: number;
  /** Sending processes of other sites that are remembered. */
  readonly streams: number;
  /** Units: ms from the making of the last envelope to its merge, by the two sites' clocks; null before the first. */
  readonly lagMs: number | null;
}

/** The receiving half of replication. */
export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #streams: Streams;
  readonly #frozen: FrozenMessages;
  readonly #bodies: WholeBodies;
  /** Messages being applied, so that a doubled one waits for its twin. */
  readonly #underWay = new Map<string, Promise<void>>();
  #envelopes = 0;
  #own = 0;
  #recalled = 0;
  #doubled = 0;
  #old = 0;
  #quarantined = 0;
  #conflicts = 0;
  #lagMs: number | null = null;
  /** Counts how often the store went back (R4). */
  epoch = 0;
  /** Requests and answers that came through the queue, those for others included. Set by repair. */
  onPeerSection: ((header: EnvelopeHeader, section: Section) => void) | undefined;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#streams = options.streams;
    this.#bodies = new WholeBodies(options.store);
    this.#frozen = new FrozenMessages(options.clock, (message) => void this.#receive(message));
  }

  /** Nothing is merged and acknowledged meanwhile (MQKV.FREEZE in): messages stay with the queue. */
  get isFrozen(): boolean {
    return this.#frozen.isFrozen;
  }

  set isFrozen(frozen: boolean) {
    this.#frozen.isFrozen = frozen;
  }

  stats(): ReceiverStats {
    return {
      envelopes: this.#envelopes,
      own: this.#own,
      recalled: this.#recalled,
      doubled: this.#doubled,
      old: this.#old,
      quarantined: this.#quarantined,
      fragmentsDropped: this.#options.store.staging.dropped,
      conflicts: this.#conflicts,
      gaps: this.#streams.gaps,
      gapsLost: this.#streams.lost,
      streams: this.#streams.size,
      lagMs: this.#lagMs,
    };
  }

  /** What is applied of each stream, up to where all of it is. */
  applied(): Applied {
    return this.#streams.applied();
  }

  /** Of every stream, the greatest sequence of which something may be here. */
  newestApplied(): Applied {
    return this.#streams.newest();
  }

  /** `applied` as it was at least so long ago; empty where that is not remembered. Units: ms. */
  appliedBefore(ageMs: number): Applied {
    return this.#streams.appliedBefore(ageMs);
  }

  /** What another site had applied is here as well: its data has been taken over. */
  adopt(applied: Readonly<Applied>): void {
    this.#streams.adopt(applied);
  }

  /** Takes one message of a queue; settles it (R1, R2). */
  receive(message: QueueMessage): Promise<void> {
    if (!this.#frozen.isFrozen) return this.#receive(message);
    this.#frozen.hold(message);
    return Promise.resolve();
  }

  /** Gives messages that are held back to the queue. */
  close(): void {
    this.#frozen.close();
  }

  async #receive(message: QueueMessage): Promise<void> {
    try {
      if (message.isReplayed === true) await this.#applyRecalled(message.body);
      else await this.apply(message.body);
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

  /** Only its writes: who sent it, and whether what else it sent is here, is a matter of the past. */
  async #applyRecalled(message: Buffer): Promise<void> {
    const envelope = decodeEnvelope(message);
    if (this.#options.store.isOwn(envelope.header.origin) || this.#isOld(envelope.header)) return;
    const isWhole = await this.#applyLoose(envelope, ({ kind }) => kind === SECTION_DELTAS);
    if (isWhole) this.#recalled++;
  }

  /** Merges one message's content. Errors: MqkvError for what can never be merged; else the store's. */
  async apply(message: Buffer): Promise<void> {
    const envelope = decodeEnvelope(message);
    const { header } = envelope;
    if (this.#options.store.isOwn(header.origin)) {
      this.#own++;
      return;
    }
    if (isLoose(header.stream)) return void (await this.#applyLoose(envelope));
    if (header.site === this.#options.site) return this.#applyEarlierSelf(envelope);
    const name = `${header.stream}:${header.sequence}`;
    for (let twin = this.#underWay.get(name); twin !== undefined; twin = this.#underWay.get(name))
      await twin.catch(() => {});
    const work = this.#applyNumbered(envelope);
    this.#underWay.set(name, work);
    try {
      await work;
    } finally {
      this.#underWay.delete(name);
    }
  }

  async #applyNumbered(envelope: Envelope): Promise<void> {
    const { header } = envelope;
    const { stream, sequence, site, origin } = header;
    const window = this.#streams.tell(stream, sequence);
    window.site = site;
    if (this.#streams.has(stream, sequence)) {
      this.#doubled++;
      return;
    }
    window.origin = origin;
    if (this.#isOld(header)) return this.#drop(header);
    const { epoch } = this;
    const body = await this.#bodies.add(envelope);
    if (body !== undefined) await this.#applyWhole(header, body, epoch);
    else this.#hold(header);
    this.#envelopes++;
    this.#lagMs = Math.max(0, this.#options.clock.now() - header.timeMs);
  }

  /** R4. */
  async #applyWhole(header: EnvelopeHeader, body: Buffer, epoch: number): Promise<void> {
    const { stream, sequence, fragment, fragments } = header;
    const sections = decodeSections(body);
    const first = sequence - fragment;
    await this.#bodies.keeping(header, body, () => this.#merge(header, sections));
    if (epoch !== this.epoch) throw new MqkvError('STORE_WENT_BACK', 'the store went back meanwhile');
    if (!this.#isClosed(header, sections)) return;
    this.#streams.note(stream, first, first + fragments - 1);
    this.#options.onApplied?.(stream, first, first + fragments - 1);
    for (const { kind, bytes } of sections) if (kind === SECTION_PUBLISH) this.#publish(bytes);
  }

  /** Whether the sequence counts as applied now: a message that closes a gap may have come too early (F1 of refills.ts). */
  #isClosed({ stream, sequence, site }: EnvelopeHeader, sections: readonly Section[]): boolean {
    for (const { kind, bytes } of sections) {
      if (kind === SECTION_AFTER) {
        const { from, to } = decodeAfter(bytes);
        if (!this.#streams.hasAll(stream, from, to)) return false;
      }
      if (kind === SECTION_LOST) {
        this.#streams.lose(stream, sequence, sequence);
        this.#options.onLost?.('gap', site);
      }
    }
    return true;
  }

  #hold({ stream, sequence, fragment }: EnvelopeHeader): void {
    this.#streams.hold(stream, sequence - fragment, sequence);
    this.#options.onHeld?.(stream, sequence - fragment, sequence);
  }

  /** Merges what counts in no stream. Result: it was the last piece. */
  async #applyLoose(
    envelope: Envelope,
    counts: (section: Section) => boolean = () => true,
  ): Promise<boolean> {
    const { header } = envelope;
    const body = await this.#bodies.add(envelope);
    if (body === undefined) return false;
    const sections = decodeSections(body).filter(counts);
    await this.#bodies.keeping(header, body, () => this.#merge(header, sections));
    return true;
  }

  /** R3. */
  async #applyEarlierSelf(envelope: Envelope): Promise<void> {
    if (this.#isOld(envelope.header)) return;
    await this.#applyLoose(envelope);
    this.#envelopes++;
  }

  async #merge(header: EnvelopeHeader, sections: readonly Section[]): Promise<void> {
    const { store, onHeartbeat } = this.#options;
    for (const section of sections) {
      const { kind, bytes } = section;
      if (kind === SECTION_DELTAS) this.#conflicts += (await store.merge(asBuffer(bytes))).conflicts;
      else if (kind === SECTION_HEARTBEAT) onHeartbeat(header, bytes);
      else if (kind === SECTION_ASK || kind === SECTION_ANSWER) this.onPeerSection?.(header, section);
      else if (kind !== SECTION_PUBLISH && kind !== SECTION_AFTER && kind !== SECTION_LOST)
        throw new MqkvError('MALFORMED_ENVELOPE', `unknown section kind ${kind}`);
    }
  }

  #publish(bytes: Uint8Array): void {
    const { channel, message } = decodePublish(bytes);
    this.#options.onPublish(channel, message);
  }

  /** R5. */
  #isOld({ timeMs }: EnvelopeHeader): boolean {
    const { clock, horizonMs } = this.#options;
    return timeMs < clock.now() - horizonMs / 2;
  }

  #drop({ stream, sequence, site }: EnvelopeHeader): void {
    this.#old++;
    this.#streams.lose(stream, sequence, sequence);
    this.#options.onApplied?.(stream, sequence, sequence);
    this.#options.onLost?.('old', site);
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
