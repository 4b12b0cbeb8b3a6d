// What the gateways of one site tell each other over the store's bus: heartbeats heard (and with them who misses what), and which
// messages were applied, so that none calls a gap what another has applied. The queue gives each message to one of them only.
import type { Logger, Timer, Clock } from '../base/index.ts';
import { APPLIED_TOLD_MAX } from '../base/index.ts';
import type { GatewayBus } from '../store/index.ts';
import { decodeEnvelope, type EnvelopeHeader, encodeEnvelope } from './envelope.ts';

/** Units: ms. How often applied sequences are told. */
const TELL_MS = 1_000;
const HEARTBEAT = 'heartbeat';
const APPLIED = 'applied';

/** Ranges of sequences, from and to, by stream. */
type Applied = Record<string, [number, number][]>;

export interface KnowledgeOptions {
  readonly bus: GatewayBus;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Another gateway heard a heartbeat. */
  readonly onHeartbeat: (header: EnvelopeHeader, bytes: Uint8Array) => void;
  /** Another gateway applied a message. */
  readonly onApplied: (stream: string, sequence: number) => void;
}

/** One gateway's part in it. */
export class SharedKnowledge {
  readonly #bus: GatewayBus;
  readonly #timer: Timer;
  #applied: Applied = {};
  #ranges = 0;

  constructor({ bus, clock, logger, onHeartbeat, onApplied }: KnowledgeOptions) {
    this.#bus = bus;
    bus.on(HEARTBEAT, (bytes) => {
      const { header, body } = decodeEnvelope(bytes);
      onHeartbeat(header, body);
    });
    bus.on(APPLIED, (bytes) => {
      const applied = decodeApplied(bytes);
      if (applied === undefined) return logger.warn({}, 'a gateway of this site is not understood');
      for (const [stream, ranges] of Object.entries(applied))
        for (const [from, to] of ranges) for (let n = from; n <= to; n++) onApplied(stream, n);
    });
    this.#timer = clock.every(TELL_MS, () => this.#tell());
  }

  /** This gateway heard a heartbeat. */
  heard(header: EnvelopeHeader, bytes: Uint8Array): void {
    this.#bus.send(HEARTBEAT, encodeEnvelope(header, [bytes]));
  }

  /** This gateway applied a message. */
  applied(stream: string, sequence: number): void {
    this.#applied[stream] ??= [];
    const ranges = this.#applied[stream];
    const last = ranges.at(-1);
    if (last !== undefined && last[1] + 1 === sequence) last[1] = sequence;
    else {
      ranges.push([sequence, sequence]);
      this.#ranges++;
    }
    if (this.#ranges >= APPLIED_TOLD_MAX) this.#tell();
  }

  close(): void {
    this.#timer.cancel();
  }

  #tell(): void {
    if (this.#ranges === 0) return;
    this.#bus.send(APPLIED, Buffer.from(JSON.stringify(this.#applied)));
    this.#applied = {};
    this.#ranges = 0;
  }
}

/** Sequences in one range; no gateway applies more within a second. */
const RANGE_MAX = 1_000_000;

function decodeApplied(bytes: Buffer): Applied | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('latin1'));
    return isApplied(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isApplied(value: unknown): value is Applied {
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).every((ranges) => Array.isArray(ranges) && ranges.every(isRange));
}

function isRange(range: unknown): boolean {
  if (!Array.isArray(range)) return false;
  const [from, to]: unknown[] = range;
  return (
    typeof from === 'number' && typeof to === 'number' && from >= 1 && to >= from && to - from < RANGE_MAX
  );
}
