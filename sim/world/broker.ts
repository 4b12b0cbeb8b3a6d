// A broker as nsqd is one: each channel of its topic gets a copy of every message; delivered again when not acknowledged in time.
import { below, type Random } from '../../src/base/index.ts';
import type { Totals } from '../run/totals.ts';
import type { Network } from './network.ts';
import type { Scheduled, Scheduler } from './scheduler.ts';

/** Units: ms. What a consumer has not acknowledged by then is delivered again. */
const ACK_MS_MAX = 10_000;
/** Units: ms between tries while nobody takes what waits. */
const PUMP_MS = 500;

/** What the world does to messages. Rates: of 1,000. */
export interface BrokerFaults {
  lost: number;
  doubled: number;
  late: number;
  /** Units: ms. */
  lateMsMax: number;
  /** Units: ms added to every acknowledgement. */
  slowMs: number;
  isFull: boolean;
}

/** One connection that consumes. */
export interface Consumer {
  /** Where it runs, for the network. */
  readonly node: string;
  readonly channel: string;
  readonly maxInFlight: number;
  inFlight: number;
  isOpen: boolean;
  /** A message arrives; the consumer tells its fate. */
  deliver(message: Delivery): void;
}

/** A message at a consumer. */
export interface Delivery {
  readonly body: Buffer;
  readonly attempts: number;
  ack(): void;
  requeue(delayMs: number): void;
}

interface Message {
  readonly body: Buffer;
  attempts: number;
}

interface Channel {
  readonly name: string;
  readonly waiting: Message[];
  readonly consumers: Consumer[];
  readonly inFlight: Set<Flight>;
  pump: Scheduled | undefined;
}

interface Flight {
  readonly message: Message;
  readonly consumer: Consumer;
  timeout: Scheduled | undefined;
}

export interface BrokerOptions {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly random: Random;
  readonly totals: Totals;
}

export class Broker {
  readonly name: string;
  isUp = true;
  readonly faults: BrokerFaults = { lost: 0, doubled: 0, late: 0, lateMsMax: 0, slowMs: 0, isFull: false };
  readonly #options: BrokerOptions;
  readonly #channels = new Map<string, Channel>();
  /** Messages from before the first channel. */
  readonly #topic: Message[] = [];

  constructor(options: BrokerOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Messages that wait, over all channels. */
  get depth(): number {
    let depth = this.#topic.length;
    for (const { waiting } of this.#channels.values()) depth += waiting.length;
    return depth;
  }

  /** Messages that are made late, over all channels: they arrive even though nothing waits. */
  late = 0;

  /** Takes a message. Owns: copies it. */
  publish(body: Uint8Array): void {
    const copy = Buffer.from(body);
    if (this.#channels.size === 0) this.#topic.push({ body: copy, attempts: 0 });
    for (const channel of this.#channels.values()) this.#offer(channel, copy);
  }

  /** A consumer connects; its channel exists from now on. */
  connect(consumer: Consumer): void {
    const channel = this.#channel(consumer.channel);
    channel.consumers.push(consumer);
    this.#pump(channel);
  }

  /** A connection is gone: what it had comes again. */
  disconnect(consumer: Consumer): void {
    consumer.isOpen = false;
    const channel = this.#channel(consumer.channel);
    const at = channel.consumers.indexOf(consumer);
    if (at >= 0) channel.consumers.splice(at, 1);
    for (const flight of channel.inFlight) if (flight.consumer === consumer) this.#giveBack(channel, flight);
    this.#pump(channel);
  }

  /** Stops; `loses`: what was only in its memory is gone, though it was accepted. Result: messages lost. */
  stop(loses: boolean): number {
    this.isUp = false;
    let lost = 0;
    for (const channel of this.#channels.values()) {
      for (const flight of channel.inFlight) this.#giveBack(channel, flight);
      if (loses) lost += channel.waiting.splice(0).length;
    }
    return lost;
  }

  start(): void {
    this.isUp = true;
    for (const channel of this.#channels.values()) this.#pump(channel);
  }

  #channel(name: string): Channel {
    let channel = this.#channels.get(name);
    if (channel === undefined) {
      channel = { name, waiting: [], consumers: [], inFlight: new Set(), pump: undefined };
      this.#channels.set(name, channel);
      channel.waiting.push(...this.#topic.splice(0));
    }
    return channel;
  }

  #offer(channel: Channel, body: Buffer): void {
    const { random, totals } = this.#options;
    const { lost, doubled } = this.faults;
    if (below(random, 1000) < lost) {
      totals.fault('message lost');
      return;
    }
    this.#later(channel, { body, attempts: 0 });
    if (below(random, 1000) >= doubled) return;
    totals.fault('message doubled');
    this.#later(channel, { body, attempts: 0 });
  }

  #later(channel: Channel, message: Message): void {
    const { random, scheduler, totals } = this.#options;
    if (below(random, 1000) >= this.faults.late) {
      channel.waiting.push(message);
      this.#pump(channel);
      return;
    }
    totals.fault('message late, out of order');
    this.late++;
    scheduler.after(below(random, this.faults.lateMsMax), () => {
      this.late--;
      channel.waiting.push(message);
      this.#pump(channel);
    });
  }

  #pump(channel: Channel): void {
    if (!this.isUp) return;
    while (channel.waiting.length > 0) {
      const consumer = this.#free(channel);
      if (consumer === undefined) break;
      const message = channel.waiting.shift();
      if (message !== undefined) this.#send(channel, consumer, message);
    }
    if (channel.waiting.length === 0 || channel.pump !== undefined || channel.consumers.length === 0) return;
    channel.pump = this.#options.scheduler.after(PUMP_MS, () => {
      channel.pump = undefined;
      this.#pump(channel);
    });
  }

  #free(channel: Channel): Consumer | undefined {
    const { random, network } = this.#options;
    const ready = channel.consumers.filter(
      ({ node, isOpen, inFlight, maxInFlight }) =>
        isOpen && inFlight < maxInFlight && network.reaches(this.name, node),
    );
    return ready[below(random, ready.length)];
  }

  #send(channel: Channel, consumer: Consumer, message: Message): void {
    const { scheduler, network } = this.#options;
    const flight: Flight = { message, consumer, timeout: undefined };
    consumer.inFlight++;
    message.attempts++;
    channel.inFlight.add(flight);
    flight.timeout = scheduler.after(ACK_MS_MAX, () => {
      this.#giveBack(channel, flight);
      this.#pump(channel);
    });
    scheduler.after(network.latencyMs(), () => {
      if (consumer.isOpen && network.reaches(this.name, consumer.node))
        consumer.deliver(this.#delivery(channel, flight));
    });
  }

  #delivery(channel: Channel, flight: Flight): Delivery {
    const settle = (act: () => void): void => this.#settle(channel, flight, act);
    return {
      body: Buffer.from(flight.message.body),
      attempts: flight.message.attempts,
      ack: () => settle(() => this.#end(channel, flight)),
      requeue: (delayMs) =>
        settle(() => {
          if (!this.#end(channel, flight)) return;
          this.#options.scheduler.after(delayMs, () => {
            channel.waiting.push(flight.message);
            this.#pump(channel);
          });
        }),
    };
  }

  /** What a consumer says travels, and may not arrive. */
  #settle(channel: Channel, flight: Flight, act: () => void): void {
    const { scheduler, network } = this.#options;
    const { node } = flight.consumer;
    scheduler.after(network.latencyMs(), () => {
      if (!this.isUp || !flight.consumer.isOpen || !network.reaches(node, this.name)) return;
      act();
      this.#pump(channel);
    });
  }

  /** false: it was no longer under way. */
  #end(channel: Channel, flight: Flight): boolean {
    flight.timeout?.cancel();
    if (!channel.inFlight.delete(flight)) return false;
    flight.consumer.inFlight--;
    return true;
  }

  #giveBack(channel: Channel, flight: Flight): void {
    if (this.#end(channel, flight)) channel.waiting.push(flight.message);
  }
}
