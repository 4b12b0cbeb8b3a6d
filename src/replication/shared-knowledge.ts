// What the gateways of one site tell each other over the store's bus: heartbeats heard (and with them who misses what), and which
// messages are applied or staged, so that none calls a gap what another has. The queue gives each message to one of them only.
// Everything told of a stream is told again while it goes on: a message that the bus loses makes no gap.
import { type Clock, HELD_TOLD_MAX, type Logger, type Timer } from '../base/index.ts';
import type { GatewayBus } from '../store/index.ts';
import { decodeEnvelope, type EnvelopeHeader, encodeEnvelope } from './envelope.ts';
import type { Range } from './sequence-set.ts';
import { TICK_MS } from './stream-window.ts';

/** Units: ms. How often applied sequences are told. */
const TELL_MS = 1_000;
/** Ticks: streams that went on within this time are told with all that is known of them. */
const RETOLD_TICKS = 10_000 / TICK_MS;
const HEARTBEAT = 'heartbeat';
const APPLIED = 'applied';
const HELD = 'held';
const HELLO = 'hello';
const FREEZE = 'freeze';

// applied, held := JSON: ranges of sequences, from and to, by stream; of what is held each range is one envelope's, from its first
// fragment to the one that is staged. hello: empty. freeze := "in" | "out" | "off"

/** Ranges of sequences by stream. */
type Ranges = Record<string, Range[]>;

export interface KnowledgeOptions {
  readonly bus: GatewayBus;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Another gateway heard a heartbeat. */
  readonly onHeartbeat: (header: EnvelopeHeader, bytes: Uint8Array) => void;
  /** Another gateway applied messages, both inside. */
  readonly onApplied: (stream: string, from: number, to: number) => void;
  /** Another gateway staged a fragment. */
  readonly onHeld: (stream: string, first: number, sequence: number) => void;
  /** Everything known of the streams that went on within so many ticks. */
  readonly known: (ticks: number) => Ranges;
  /** MQKV.FREEZE at another gateway. */
  readonly onFreeze?: ((what: string) => void) | undefined;
}

/** One gateway's part in it. */
export class SharedKnowledge {
  readonly #options: KnowledgeOptions;
  readonly #timer: Timer;
  #held: Ranges = {};
  #heldCount = 0;

  constructor(options: KnowledgeOptions) {
    this.#options = options;
    const { bus, clock } = options;
    bus.on(HEARTBEAT, (bytes) => {
      const { header, body } = decodeEnvelope(bytes);
      options.onHeartbeat(header, body);
    });
    bus.on(APPLIED, (bytes) => this.#heardRanges(bytes, options.onApplied));
    bus.on(HELD, (bytes) => this.#heardRanges(bytes, options.onHeld));
    bus.on(HELLO, () => this.#send(APPLIED, options.known(Number.POSITIVE_INFINITY)));
    bus.on(FREEZE, (bytes) => options.onFreeze?.(bytes.toString('latin1')));
    bus.send(HELLO, Buffer.alloc(0));
    this.#timer = clock.every(TELL_MS, () => this.tell());
  }

  /** This gateway heard a heartbeat. */
  heard(header: EnvelopeHeader, bytes: Uint8Array): void {
    this.#options.bus.send(HEARTBEAT, encodeEnvelope(header, [bytes]));
  }

  /** This gateway staged a fragment; the others may hear of its stream before it is whole. */
  held(stream: string, first: number, sequence: number): void {
    this.#held[stream] ??= [];
    this.#held[stream].push([first, sequence]);
    if (++this.#heldCount >= HELD_TOLD_MAX) this.tell();
  }

  freeze(what: string): void {
    this.#options.bus.send(FREEZE, Buffer.from(what));
  }

  /** Tells what is applied of the streams that went on lately, and what was staged since the last time. */
  tell(): void {
    this.#send(APPLIED, this.#options.known(RETOLD_TICKS));
    this.#send(HELD, this.#held);
    this.#held = {};
    this.#heldCount = 0;
  }

  close(): void {
    this.#timer.cancel();
  }

  #send(kind: string, ranges: Ranges): void {
    const told: Ranges = {};
    for (const [stream, of] of Object.entries(ranges)) {
      const real = of.filter(([from, to]) => to >= from);
      if (real.length > 0) told[stream] = real;
    }
    if (Object.keys(told).length > 0) this.#options.bus.send(kind, Buffer.from(JSON.stringify(told)));
  }

  #heardRanges(bytes: Buffer, note: (stream: string, from: number, to: number) => void): void {
    const ranges = decodeRanges(bytes);
    if (ranges === undefined)
      return this.#options.logger.warn({}, 'a gateway of this site is not understood');
    for (const [stream, of] of Object.entries(ranges)) for (const [from, to] of of) note(stream, from, to);
  }
}

function decodeRanges(bytes: Buffer): Ranges | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('latin1'));
    return isRanges(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRanges(value: unknown): value is Ranges {
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).every((ranges) => Array.isArray(ranges) && ranges.every(isRange));
}

function isRange(range: unknown): boolean {
  if (!Array.isArray(range)) return false;
  const [from, to]: unknown[] = range;
  return (
    Number.isSafeInteger(from) && Number.isSafeInteger(to) && Number(from) >= 1 && Number(to) >= Number(from)
  );
}
