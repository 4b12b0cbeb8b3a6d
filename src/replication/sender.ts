// Carries local writes to the queue: takes marks from the outbox, closes envelopes, hands them to `Outgoing`.
//
// Invariants
//  S1  What was taken from the outbox stays in memory, as bytes, until the queue has accepted it, it is too old and marked again, or
//      the sender closes; then the outbox is told, so that a store which keeps marks of its own lets go of them only now.
//  S2  At most PUBLISHES_IN_FLIGHT_MAX messages are under way or being taken, and no further one beside
//      PUBLISHES_IN_FLIGHT_BYTES_MAX; meanwhile marks collapse in the outbox (DESIGN 6).
//  S3  Sequences are given in the order of taking (of a store that answers later: of its answers), from 1; a repeated publish
//      repeats its sequence and bytes (O2).
//  S4  Every sequence of the stream goes to the queue (O3).
//  S5  While local writes come fast, a batch goes at most every 4 ms on average, else every ms (pace.ts): a burst starves
//      neither clients nor links, marks collapse meanwhile (about 150,000 plain writes of 64 bytes a second).
import {
  ENVELOPE_BYTES,
  type Latin1,
  messageOf,
  PUBLISHES_IN_FLIGHT_BYTES_MAX,
  PUBLISHES_IN_FLIGHT_MAX,
  sleep,
  type Timer,
} from '../base/index.ts';
import type { Store, Taken } from '../store/index.ts';
import { encodeSection, SECTION_ANSWER, SECTION_ASK, SECTION_DELTAS, SECTION_HEARTBEAT } from './envelope.ts';
import { Handover } from './handover.ts';
import { Outgoing, type OutgoingOptions, type Sent } from './outgoing.ts';
import { Pace } from './pace.ts';
import { Refills } from './refills.ts';
import type { SenderStats } from './sender-stats.ts';
import { WaitingMessages } from './waiting-messages.ts';

export interface SenderOptions extends OutgoingOptions {
  readonly store: Store;
}

/** A place in this process' stream. */
export interface Position {
  readonly stream: string;
  readonly sequence: number;
}

/** The sending half of replication. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #outgoing: Outgoing;
  readonly #handover = new Handover();
  readonly #pace = new Pace();
  #refills: Refills;
  readonly #messages = new WaitingMessages();
  #timer: Timer | undefined;
  /** Takings that the store has not answered yet. */
  #taking = 0;
  #heartbeatUnderWay = false;
  /** Counters of the refills of earlier streams. */
  #before = { remarked: 0, lost: 0 };
  #idle: (() => void) | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#outgoing = new Outgoing(options);
    this.#refills = this.#newRefills();
    options.store.outbox.onMark = () => this.#schedule();
    if (options.store.outbox.pending > 0) this.#schedule();
  }

  /** Random id of this process (DESIGN 6). Shape: 16 hex characters. */
  get stream(): string {
    return this.#outgoing.stream.id;
  }

  /** The last sequence given. */
  get lastSequence(): number {
    return this.#outgoing.stream.sequence;
  }

  /** Everything up to this sequence is in the queue. */
  get acceptedSequence(): number {
    return this.#outgoing.stream.accepted.floor;
  }

  /** Nothing is marked, waiting or under way. */
  get empty(): boolean {
    const { outbox } = this.#options.store;
    return (
      this.#outgoing.inFlight === 0 &&
      this.#taking === 0 &&
      this.#refills.pending === 0 &&
      outbox.pending === 0 &&
      outbox.collapsed === undefined &&
      this.#messages.length === 0
    );
  }

  /** Everything marked has its place in the stream. */
  get isAllHandedOver(): boolean {
    const { outbox } = this.#options.store;
    return this.#taking === 0 && outbox.pending === 0 && outbox.collapsed === undefined;
  }

  /** The queue took the last message that was offered. */
  get isAccepting(): boolean {
    return this.#outgoing.isAccepting;
  }

  /** Nothing is published meanwhile (MQKV.FREEZE out). */
  get isFrozen(): boolean {
    return this.#outgoing.isFrozen;
  }

  set isFrozen(frozen: boolean) {
    this.#outgoing.isFrozen = frozen;
    if (!frozen) this.#schedule();
  }

  /** A heartbeat is on its way to the queue. */
  get isHeartbeatUnderWay(): boolean {
    return this.#heartbeatUnderWay;
  }

  stats(): SenderStats {
    const { envelopes, bytes, failures, resent, inFlight, inFlightBytes } = this.#outgoing;
    const publishesDropped = this.#messages.dropped;
    const remarked = this.#before.remarked + this.#refills.remarked;
    const lost = this.#before.lost + this.#refills.lost;
    return { envelopes, bytes, failures, publishesDropped, resent, remarked, lost, inFlight, inFlightBytes };
  }

  /** Sends a PUBLISH along (at most once; dropped oldest first beyond PUBLISH_BYTES_MAX). */
  publishMessage(channel: Latin1, message: Latin1): void {
    this.#messages.push(channel, message);
    this.#schedule();
  }

  /** Sends a heartbeat, once, unless the one before is still under way; a failure is only counted. */
  async heartbeat(bytes: Uint8Array): Promise<void> {
    if (this.#heartbeatUnderWay) return;
    this.#heartbeatUnderWay = true;
    const parts = encodeSection({ kind: SECTION_HEARTBEAT, bytes });
    await this.#outgoing.sendLoose({ origin: this.#options.store.origin, parts });
    this.#heartbeatUnderWay = false;
  }

  /** Sends a request or an answer for one site through the queue, once. true: the queue has it. */
  peerMessage(kind: typeof SECTION_ASK | typeof SECTION_ANSWER, bytes: Uint8Array): Promise<boolean> {
    const parts = encodeSection({ kind, bytes });
    return this.#outgoing.sendLoose({ origin: this.#options.store.origin, parts });
  }

  /** Other sites miss messages of this stream: sends them again, or what they carried, or says that it cannot. */
  answerMissing(sequences: readonly number[]): void {
    if (!this.#outgoing.isClosed) this.#refills.answer(sequences);
  }

  /**
   * Sends at once what is marked, whatever the pace. Resolves when everything marked now has its place in the stream, with the last of
   * them; undefined: it never will have.
   */
  async handOver(): Promise<Position | undefined> {
    const { outbox } = this.#options.store;
    if (!this.#outgoing.isFrozen && !this.#outgoing.isClosed)
      while (this.#hasRoom && outbox.pending > 0) {
        const before = outbox.pending;
        this.#next();
        if (this.#taking === 0 && outbox.pending >= before) break;
      }
    if (this.#outgoing.isClosed) return undefined;
    const isDone = await this.#handover.wait(outbox.pending);
    return isDone ? { stream: this.stream, sequence: this.lastSequence } : undefined;
  }

  /** Resolves when the queue has accepted everything up to a place; false: it never will. */
  accepted({ stream, sequence }: Position): Promise<boolean> {
    if (stream !== this.stream) return Promise.resolve(false);
    return this.#outgoing.accepted(1, sequence);
  }

  /** Others know more of this stream than this process: it goes on with another. */
  renewStream(): void {
    this.#before = this.#counters();
    this.#outgoing.renewStream();
    this.#refills = this.#newRefills();
  }

  /** Publishes what is marked, for at most `timeoutMs`, then stops. Result: whether all of it was accepted. */
  async close(timeoutMs: number): Promise<boolean> {
    this.#flush();
    const { clock, store } = this.#options;
    if (!this.empty && !this.#outgoing.isClosed && timeoutMs > 0) {
      const drained = new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
      const timeout = new AbortController();
      await Promise.race([drained, sleep(clock, timeoutMs, timeout.signal)]);
      timeout.abort();
    }
    const all = this.empty;
    this.#outgoing.close();
    this.#handover.close();
    this.#timer?.cancel();
    store.outbox.onMark = undefined;
    return all;
  }

  #newRefills(): Refills {
    const { store, clock, logger } = this.#options;
    const handedOver = async (): Promise<boolean> => (await this.handOver()) !== undefined;
    const onSettled = (): void => this.#settled();
    return new Refills({ store, clock, logger, outgoing: this.#outgoing, handedOver, onSettled });
  }

  #counters(): { readonly remarked: number; readonly lost: number } {
    const { remarked, lost } = this.stats();
    return { remarked, lost };
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#outgoing.isClosed || this.#outgoing.isFrozen) return;
    const { clock } = this.#options;
    this.#timer = clock.after(this.#pace.waitMs(clock.now()), () => {
      this.#timer = undefined;
      this.#flush();
    });
  }

  /** Sends what the pace and the window allow, then schedules the rest. */
  #flush(): void {
    if (this.#outgoing.isClosed || this.#outgoing.isFrozen) return;
    const now = this.#options.clock.now();
    const { outbox } = this.#options.store;
    this.#pace.begin(now, outbox.pending);
    while (this.#hasRoom && this.#isWaiting && this.#pace.isFree(now)) {
      this.#next();
      this.#pace.spend();
    }
    this.#pace.end(outbox.pending);
    if (this.#hasRoom && this.#isWaiting) this.#schedule();
  }

  /** S2. */
  get #hasRoom(): boolean {
    const { inFlight, inFlightBytes } = this.#outgoing;
    return inFlight + this.#taking < PUBLISHES_IN_FLIGHT_MAX && inFlightBytes < PUBLISHES_IN_FLIGHT_BYTES_MAX;
  }

  get #isWaiting(): boolean {
    return this.#options.store.outbox.pending > 0 || this.#messages.length > 0;
  }

  /** Takes a batch and sends it; of a store in this process within this call. */
  #next(): void {
    const sections = this.#messages.take();
    const { outbox } = this.#options.store;
    const before = outbox.pending;
    const taken = outbox.take(ENVELOPE_BYTES);
    const taking = this.#handover.taken(before - outbox.pending);
    if (taken instanceof Promise) void this.#sendLater(sections, taken, taking);
    else this.#send(sections, taken, taking);
  }

  async #sendLater(
    sections: Uint8Array[][],
    taken: Promise<Taken | undefined>,
    taking: number,
  ): Promise<void> {
    this.#taking++;
    let found: Taken | undefined;
    try {
      found = await taken;
    } catch (error) {
      this.#options.logger.warn({ error: messageOf(error) }, 'writes could not be read, they come again');
    }
    this.#taking--;
    this.#send(sections, found, taking);
  }

  #send(sections: Uint8Array[][], taken: Taken | undefined, taking: number): void {
    const deltas = taken !== undefined && taken.deltas.length > 0 ? taken.deltas : undefined;
    if (deltas !== undefined) sections.push(deltasSection(deltas));
    if (sections.length > 0) {
      const origin = taken?.origin ?? this.#options.store.origin;
      const sent = this.#outgoing.send({ origin, parts: sections.flat(), deltas });
      void sent.then((fate) => this.#sent(fate, taken));
    }
    this.#handover.sealed(taking, taken === undefined);
    if (sections.length === 0) this.#settled();
  }

  #sent({ fate, first, last, unused }: Sent, taken: Taken | undefined): void {
    if (fate === 'accepted') taken?.accepted();
    else taken?.failed?.();
    for (const skipped of unused) this.#refills.skip(skipped.first, skipped.last);
    if (fate === 'stale' || fate === 'refused') this.#refills.give(first, last, fate === 'refused');
    this.#settled();
  }

  #settled(): void {
    if (this.#isWaiting) this.#schedule();
    if (this.empty) this.#idle?.();
  }
}

function deltasSection(deltas: Uint8Array): Uint8Array[] {
  return encodeSection({ kind: SECTION_DELTAS, bytes: deltas });
}
