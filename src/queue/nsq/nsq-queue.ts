// The NSQ adapter of Queue: a publisher and a consumer that know nothing of each other.
import { type Clock, type Logger, MqkvError, type Random } from '../../base/index.ts';
import type { BrokerState, Queue, QueueCapabilities, QueueMessage, QueueStats } from '../queue.ts';
import { checkChannel } from '../channel.ts';
import { type QueueTls, readTls } from '../tls.ts';
import { CLOSE_GRACE_MS } from '../under-way.ts';
import { type Address, formatAddress } from './address.ts';
import { Consumer } from './consumer.ts';
import type { Link } from './link.ts';
import { Publisher } from './publisher.ts';
import { DEFAULT_TIMES, type Settings } from './settings.ts';
import { askStats, type StatsTarget } from './stats.ts';
import type { Compression } from './wire.ts';

/** The brokers and the topic, as an nsq:// URL names them. */
export interface NsqUrl {
  /** Shape: at least one. Order: publishing prefers the first. */
  readonly nsqd: readonly Address[];
  /** nsqlookupd's HTTP addresses; empty: nothing is discovered. */
  readonly lookupd: readonly Address[];
  readonly topic: string;
  /** HTTP addresses for statistics, for the nsqd at the same place; shorter or empty: the default. */
  readonly http: readonly Address[];
  /** Of the connections to nsqd; statistics and nsqlookupd are asked by plain HTTP. */
  readonly tls?: QueueTls | undefined;
  /** For nsqd with -auth-http-address. */
  readonly authSecret?: string | undefined;
  readonly compression?: Compression | undefined;
}

/** Units: ms in the names. */
export interface NsqQueueOptions extends Partial<Omit<Settings, 'topic' | 'channel'>> {
  readonly url: NsqUrl;
  /** This site's channel: the site's name. Range: `[A-Za-z0-9._-]{1,64}`. */
  readonly channel: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Opens the queue: tries to connect once for publishing, and goes on trying whether or not that worked. Subscribe
 * before the first publish, else the topic's backlog goes to the first channel alone.
 * Errors: BAD_CHANNEL, START for TLS files. A broker that is away is no error.
 */
export async function openNsqQueue(options: NsqQueueOptions): Promise<Queue> {
  checkChannel(options.channel);
  const { url, ...rest } = options;
  const { topic, authSecret, compression } = url;
  const tls = url.tls === undefined ? undefined : await readTls(url.tls);
  const queue = new NsqQueue(url, { ...DEFAULT_TIMES, ...rest, topic, tls, authSecret, compression });
  await queue.start();
  return queue;
}

class NsqQueue implements Queue {
  readonly name = 'nsq';
  readonly #url: NsqUrl;
  readonly #settings: Settings;
  readonly #publisher: Publisher;
  #consumer: Consumer | undefined;
  #closing: Promise<void> | undefined;

  constructor(url: NsqUrl, settings: Settings) {
    this.#url = url;
    this.#settings = settings;
    this.#publisher = new Publisher(url.nsqd, settings);
  }

  start(): Promise<void> {
    return this.#publisher.start();
  }

  get capabilities(): QueueCapabilities {
    const { messageBytesMax: maxMessageBytes } = this.#publisher;
    // nsqd answers when the message is in its memory queue; only -mem-queue-size 0 writes it to disk at once.
    return { ordered: false, replayable: false, durableAck: false, maxMessageBytes };
  }

  publish(body: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.#publisher.publish(body, signal);
  }

  async subscribe(handler: (message: QueueMessage) => void, options: { maxInFlight: number }): Promise<void> {
    if (this.#closing !== undefined) throw new MqkvError('CLOSED', 'the queue is closed');
    if (this.#consumer !== undefined)
      throw new MqkvError('ALREADY_SUBSCRIBED', 'the queue has its subscription');
    const { nsqd, lookupd } = this.#url;
    this.#consumer = new Consumer(
      { nsqd, lookupd, handler, maxInFlight: options.maxInFlight },
      this.#settings,
    );
    await this.#consumer.start();
  }

  stats(): Promise<QueueStats> {
    const { topic, channel, clock, httpTimeoutMs: timeoutMs } = this.#settings;
    return askStats(this.#statsTargets(), { topic, channel, clock, timeoutMs });
  }

  brokers(): readonly BrokerState[] {
    const links = this.#links();
    if (links.length === 0) {
      return this.#publisher.targets.map(({ name, error }) => this.#state(name, false, error));
    }
    return links.map(({ address, live, error }) => this.#state(address, live !== undefined, error));
  }

  close(graceMs = CLOSE_GRACE_MS): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(graceMs: number): Promise<void> {
    await Promise.all([this.#consumer?.close(graceMs), this.#publisher.close(graceMs)]);
  }

  /** One nsqd under several names is listed once. */
  #links(): readonly Link[] {
    return [...(this.#consumer?.links ?? [])].filter((link) => !link.double);
  }

  #state(address: string, subscribed: boolean, error: string | undefined): BrokerState {
    const connected = subscribed || this.#publisher.isConnected(address);
    return { address, connected, subscribed, ...(error !== undefined && { error }) };
  }

  #statsTargets(): readonly StatsTarget[] {
    const links = this.#links();
    if (links.length > 0) return links.map((link) => ({ address: link.address, http: this.#httpOf(link) }));
    return this.#url.nsqd.map((address) => ({
      address: formatAddress(address),
      http: this.#override(address),
    }));
  }

  #httpOf(link: Link): Address {
    const { host, port } = link.place;
    if (link.given) return this.#override({ host, port }, link.httpPort);
    return { host, port: link.httpPort === 0 ? port + 1 : link.httpPort };
  }

  /** What the URL says, else what nsqlookupd reports, else the port after the TCP port. */
  #override(nsqd: Address, reported = 0): Address {
    const name = formatAddress(nsqd);
    const index = this.#url.nsqd.findIndex((address) => formatAddress(address) === name);
    return this.#url.http[index] ?? { host: nsqd.host, port: reported === 0 ? nsqd.port + 1 : reported };
  }
}
