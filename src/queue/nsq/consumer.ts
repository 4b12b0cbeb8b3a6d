// Consumes one channel from every nsqd given and discovered, under one budget of unacknowledged messages.
// Invariants: (1) at most maxInFlight messages are with the handler; (2) the sum of all RDY is at most maxInFlight;
// (3) what came beyond it while RDY was being moved waits in `#held`, bounded by the RDY granted before.
import {
  messageOf,
  NSQ_BROKERS_MAX,
  openScope,
  type Scope,
  sleep,
  type Timer,
  below,
} from '../../base/index.ts';
import type { QueueMessage } from '../queue.ts';
import { type Address, formatAddress } from './address.ts';
import { fin, req, touch } from './commands.ts';
import type { NsqConnection } from './connection.ts';
import type { RawMessage } from './frames.ts';
import { Link, type LinkOwner, nameOf } from './link.ts';
import { discover, type Producer } from './lookup.ts';
import { Pacer } from './pacer.ts';
import { shareReady } from './ready.ts';
import type { Settings } from './settings.ts';

/** nsqd's default -max-req-timeout; a longer delay would end the connection. Units: ms. */
const REQUEUE_DELAY_MS_MAX = 3_600_000;
/** How long one connection keeps its turn when there are more connections than messages to ask for. Units: ms. */
const TURN_MS = 500;

export interface ConsumerOptions {
  readonly nsqd: readonly Address[];
  readonly lookupd: readonly Address[];
  readonly maxInFlight: number;
  readonly handler: (message: QueueMessage) => void;
}

interface Held {
  readonly connection: NsqConnection;
  readonly message: RawMessage;
}

export class Consumer implements LinkOwner {
  readonly links = new Set<Link>();
  readonly #options: ConsumerOptions;
  readonly #settings: Settings;
  readonly #scope: Scope;
  readonly #pacer: Pacer;
  readonly #turns: Timer;
  #held: Held[] = [];
  /** Messages with the handler, each as what gives it back. */
  readonly #inHand = new Set<() => void>();
  #turn = 0;
  #closing = false;
  #drained: () => void = () => {};

  constructor(options: ConsumerOptions, settings: Settings) {
    this.#options = options;
    this.#settings = settings;
    this.#scope = openScope((error) =>
      settings.logger.error({ error: messageOf(error) }, 'nsq consumer failed'),
    );
    this.#pacer = new Pacer(settings.clock, settings.random, () => this.changed());
    this.#turns = settings.clock.every(TURN_MS, () => this.#nextTurn());
  }

  /** Resolves when every nsqd known at first has been tried once. */
  async start(): Promise<void> {
    for (const address of this.#options.nsqd) {
      this.#add(
        new Link(
          { address: formatAddress(address), candidates: [address], given: true },
          this,
          this.#settings,
        ),
      );
    }
    await Promise.all(Array.from(this.links, (link) => link.tried));
    if (this.#options.lookupd.length === 0) return;
    await this.#look();
    await Promise.all(Array.from(this.links, (link) => link.tried));
    this.#scope.run((signal) => this.#keepLooking(signal));
  }

  /** Messages with the handler. */
  get inHand(): number {
    return this.#inHand.size;
  }

  /**
   * Asks for nothing more, waits up to `graceMs` for the handler, gives the rest back (else nsqd would keep it until
   * its time is over), lets nsqd take all that, then ends.
   */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    this.#turns.cancel();
    this.#pacer.stop();
    for (const link of this.links) link.setReady(0);
    for (const { connection, message } of this.#held.splice(0)) connection.send(req(message.id, 0));
    await this.#idle(graceMs);
    for (const giveBack of this.#inHand) giveBack();
    const flushed = Promise.all(Array.from(this.links, (link) => link.finish()));
    await Promise.race([flushed, sleep(this.#settings.clock, this.#settings.httpTimeoutMs)]);
    await this.#scope.close();
  }

  #idle(graceMs: number): Promise<void> {
    if (this.#inHand.size === 0 || graceMs <= 0) return Promise.resolve();
    const drained = new Promise<void>((resolve) => {
      this.#drained = resolve;
    });
    return Promise.race([drained, sleep(this.#settings.clock, graceMs)]);
  }

  // --- links

  #add(link: Link): void {
    this.links.add(link);
    this.#scope.run(async (signal) => {
      await link.run(signal);
      this.links.delete(link);
      this.changed();
    });
  }

  claimed(peer: string, by: Link): Link | undefined {
    for (const link of this.links) if (link !== by && link.live?.peer === peer) return link;
    return undefined;
  }

  async #keepLooking(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { clock, random, lookupPeriodMs } = this.#settings;
      const jitterMs = below(random, Math.max(1, Math.floor(lookupPeriodMs / 10)));
      await sleep(clock, lookupPeriodMs - jitterMs, signal);
      if (!signal.aborted) await this.#look();
    }
  }

  async #look(): Promise<void> {
    const { topic, channel, clock, httpTimeoutMs: timeoutMs, logger } = this.#settings;
    const { signal } = this.#scope;
    const { lookupd } = this.#options;
    const found = await discover({ lookupd, topic, channel, clock, timeoutMs, signal });
    if (signal.aborted) return;
    for (const error of found.errors) logger.warn({ error }, 'nsqlookupd does not answer');
    const listed = new Set(found.producers.map((producer) => this.#meet(producer)));
    // An nsqd that one nsqlookupd knows stays while any other is silent.
    if (found.complete) for (const link of this.links) link.listed = listed.has(link);
  }

  /** The link of that producer, a new one where there is none. */
  #meet(producer: Producer): Link | undefined {
    let link = this.#linkOf(producer);
    if (link === undefined) {
      if (this.links.size >= NSQ_BROKERS_MAX) {
        this.#settings.logger.error({ nsqd: nameOf(producer.candidates) }, 'too many nsqd, one left out');
        return undefined;
      }
      const { candidates } = producer;
      link = new Link({ address: nameOf(candidates), candidates, given: false }, this, this.#settings);
      this.#add(link);
    }
    link.producer = producer.id;
    link.httpPort = producer.httpPort;
    if (!link.given) link.candidates = producer.candidates;
    return link;
  }

  #linkOf({ id, names }: Producer): Link | undefined {
    const links = [...this.links];
    const isAt = (link: Link): boolean =>
      names.includes(link.address) || names.includes(link.live?.peer ?? '');
    return links.find((link) => link.producer === id) ?? links.find((link) => link.given && isAt(link));
  }

  // --- messages

  changed(): void {
    if (this.#closing) return;
    const live = [...this.links].filter((link) => link.live !== undefined);
    const budget = this.#pacer.budget(this.#options.maxInFlight);
    const caps = live.map((link) => link.live?.maxRdy ?? 0);
    const shares = shareReady(budget, caps, this.#turn);
    for (const [i, link] of live.entries()) if (shares[i] < link.ready) link.setReady(shares[i]);
    for (const [i, link] of live.entries()) link.setReady(shares[i]);
  }

  #nextTurn(): void {
    const live = [...this.links].filter((link) => link.live !== undefined).length;
    const budget = this.#pacer.budget(this.#options.maxInFlight);
    if (budget === 0 || budget >= live) return;
    this.#turn = (this.#turn + budget) % live;
    this.changed();
  }

  message(_link: Link, connection: NsqConnection, message: RawMessage): void {
    if (this.#closing) return connection.send(req(message.id, 0));
    if (this.#inHand.size >= this.#options.maxInFlight) this.#held.push({ connection, message });
    else this.#hand({ connection, message });
  }

  #hand({ connection, message }: Held): void {
    let settled = false;
    const settle = (command: Buffer): boolean => {
      if (settled) return false;
      settled = true;
      connection.send(command);
      this.#inHand.delete(giveBack);
      return true;
    };
    const giveBack = (): boolean => settle(req(message.id, 0));
    this.#inHand.add(giveBack);
    this.#options.handler({
      body: message.body,
      attempts: message.attempts,
      ack: () => {
        if (settle(fin(message.id))) this.#pacer.acked();
        this.#next();
      },
      requeue: (delayMs) => {
        const wait = Math.max(0, Math.min(REQUEUE_DELAY_MS_MAX, Math.round(delayMs)));
        if (settle(req(message.id, wait))) this.#pacer.requeued();
        this.#next();
      },
      touch: () => {
        if (!settled) connection.send(touch(message.id));
      },
    });
  }

  /** Held messages of a connection that is over come again from nsqd. */
  #next(): void {
    if (this.#inHand.size === 0) this.#drained();
    while (this.#held.length > 0 && this.#inHand.size < this.#options.maxInFlight) {
      const first = this.#held.shift();
      if (first !== undefined && !first.connection.isOver) return this.#hand(first);
    }
  }
}
