// Wires one site from a Config: store, command table, server, queue, replication, admin; starts and stops them in order.
import {
  bytesOf,
  type Clock,
  type Latin1,
  latin1Of,
  type Logger,
  MqkvError,
  type Random,
} from '../base/index.ts';
import { createGateway, type InfoSection } from '../commands/index.ts';
import type { Admin } from '../admin/index.ts';
import { openReplication, type Replication } from '../replication/index.ts';
import { createServer, type Connection, type RespServer } from '../server/index.ts';
import { type EmbeddedStore, openEmbeddedStore } from '../store/embedded/index.ts';
import { formatAddress } from './addresses.ts';
import { adminHooks } from './admin-hooks.ts';
import type { Config } from './config.ts';
import { type OpenedQueue, openQueue } from './open-queue.ts';

/** What a site is given of the machine, and what its process offers it. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** mqkv's version. */
  readonly version: string;
  /** SHUTDOWN: begins to stop the process. */
  readonly shutdown?: () => void;
}

/** A running site. */
export interface Site extends AsyncDisposable {
  /** Where clients connect, with the real ports. Shape: HOST:PORT or unix:PATH. Order: as configured. */
  readonly addresses: readonly string[];
  /** HOST:PORT of the admin HTTP; undefined: off. */
  readonly adminAddress: string | undefined;
  /** Stops taking connections, answers what is in, publishes what is pending for at most `timeoutMs`. Idempotent. */
  close(options?: { readonly timeoutMs: number }): Promise<void>;
}

/** Opens a site: when this resolves it serves clients. Errors: MqkvError, or the system's for an address in use. */
export async function openSite(config: Config, around: Surroundings): Promise<Site> {
  if (config.store.kind === 'redis') throw new MqkvError('START', 'a Redis store cannot be opened yet');
  const opening = new OpeningSite(config, around);
  try {
    await opening.open();
    return opening;
  } catch (error) {
    await opening.close({ timeoutMs: 0 });
    throw error;
  }
}

class OpeningSite implements Site {
  readonly #config: Config;
  readonly #around: Surroundings;
  readonly #store: EmbeddedStore;
  readonly #server: RespServer;
  readonly #queues: OpenedQueue[] = [];
  readonly #deliver: (channel: Latin1, message: Latin1) => void;
  #replication: Replication | undefined;
  #admin: Admin | undefined;
  #closing: Promise<void> | undefined;

  constructor(config: Config, around: Surroundings) {
    const { clock, random, logger, version, shutdown } = around;
    this.#config = config;
    this.#around = around;
    this.#store = openEmbeddedStore({ clock, random, logger });
    const gateway = createGateway({
      keyspace: this.#store.keyspace,
      store: this.#store,
      clock,
      random,
      logger,
      version,
      password: config.password === undefined ? undefined : latin1Of(config.password),
      maxValueBytes: config.valueBytesMax,
      info: () => this.#info(),
      publish: (channel, message) => this.#replication?.sender.publishMessage(channel, latin1Of(message)),
      peer: (connection, args) => this.#peer(connection, args),
      refusal: () => this.#refusal(),
      ...(shutdown === undefined ? {} : { shutdown }),
    });
    this.#deliver = (channel, message) => gateway.deliver(channel, bytesOf(message));
    const { tls, valueBytesMax: bulkBytesMax } = config;
    this.#server = createServer({
      handler: gateway,
      limits: { bulkBytesMax },
      clock,
      logger,
      ...(tls === undefined ? {} : { tls }),
    });
  }

  get addresses(): readonly string[] {
    return this.#server.addresses.map(({ host, port, path }) =>
      path === '' ? formatAddress({ host, port }) : `unix:${path}`,
    );
  }

  get adminAddress(): string | undefined {
    return this.#admin?.address;
  }

  async open(): Promise<void> {
    const { config, clock, random, logger } = { config: this.#config, ...this.#around };
    for (const address of config.listen)
      await this.#server.listen(address.kind === 'unix' ? { path: address.path } : address);
    const surroundings = {
      config,
      storeId: this.#store.id,
      clock,
      random,
      logger,
      address: () => this.#address(),
    };
    const urls = config.queue === undefined ? [] : [config.queue, ...config.subscribe];
    for (const url of urls) this.#queues.push(await openQueue(url, surroundings));
    await this.#replicate();
    if (config.admin !== undefined) await this.#openAdmin(config.admin);
  }

  close(options?: { readonly timeoutMs: number }): Promise<void> {
    this.#closing ??= this.#close(options?.timeoutMs ?? this.#config.stopTimeoutMs);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #replicate(): Promise<void> {
    const [first, ...others] = this.#queues;
    if (first === undefined) return;
    const { clock, random, logger } = this.#around;
    if (first.peers !== undefined) first.peers.greeting = () => this.#snapshot();
    this.#replication = await openReplication({
      site: this.#config.site,
      store: this.#store,
      queue: first.queue,
      subscribed: others.map(({ queue }) => queue),
      clock,
      random,
      logger,
      address: () => this.#address(),
      onPublish: this.#deliver,
    });
  }

  async *#snapshot(): AsyncIterable<Buffer> {
    if (this.#replication !== undefined) yield* this.#replication.sender.snapshot();
  }

  async #openAdmin(address: { readonly host: string; readonly port: number }): Promise<void> {
    const { openAdmin } = await import('../admin/index.ts');
    const { clock, logger, version } = this.#around;
    const queues = this.#queues.map(({ queue }) => queue);
    const parts = {
      site: this.#config.site,
      version,
      store: this.#store,
      server: this.#server,
      queues,
      replication: this.#replication,
    };
    this.#admin = await openAdmin({ address, hooks: adminHooks(parts), clock, logger });
  }

  async #close(timeoutMs: number): Promise<void> {
    const { clock, logger } = this.#around;
    const since = clock.now();
    await this.#server.close({ graceMs: Math.min(timeoutMs, 2_000) });
    const left = Math.max(0, timeoutMs - (clock.now() - since));
    const all = (await this.#replication?.close(left)) ?? true;
    if (!all)
      logger.warn({ pending: this.#store.outbox.pending }, 'stopped with writes that no queue has accepted');
    for (const { queue } of this.#queues) await queue.close(left);
    await this.#admin?.close();
    await this.#store.close();
  }

  /** Where peers may reach this site: as advertised, else the first TCP address. */
  #address(): string {
    const { advertise } = this.#config;
    if (advertise !== undefined) return formatAddress(advertise);
    return this.addresses.find((address) => !address.startsWith('unix:')) ?? '';
  }

  #peer(connection: Connection, args: readonly Buffer[]): void {
    const [word, ...hello] = args.map((arg) => arg.toString('latin1'));
    const peers = this.#queues[0]?.peers;
    if (word?.toUpperCase() !== 'HELLO' || peers === undefined) {
      const why = peers === undefined ? 'this site has no peers:// queue' : 'MQKV.PEER takes HELLO first';
      connection.push((reply) => reply.error(`ERR ${why}`));
      connection.close(true);
      return;
    }
    const { remoteAddress } = connection;
    peers.accept({ ...connection.detach(), remoteAddress: hostOf(remoteAddress) }, hello);
  }

  #refusal(): string | undefined {
    if (this.#replication?.membership.duplicate !== true) return undefined;
    return `DUPSITE another site is named '${this.#config.site}' and was started earlier; give this one another --site`;
  }

  #info(): InfoSection[] {
    const replication = this.#replication;
    const linked = this.#queues[0]?.peers?.brokers().filter(({ connected }) => connected).length ?? 0;
    const { sender, receiver, membership } = replication ?? {};
    const fields: [string, string | number][] = [
      ['site', this.#config.site],
      ['queue', this.#queues[0]?.queue.name ?? 'none'],
      ['peers_linked', linked],
      ['sites_known', membership?.members().length ?? 0],
      ['outbox_empty', sender?.empty === false ? 0 : 1],
      ['envelopes_sent', sender?.stats().envelopes ?? 0],
      ['envelopes_received', receiver?.stats().envelopes ?? 0],
      ['quarantined', receiver?.stats().quarantined ?? 0],
    ];
    return [{ name: 'Mqkv', fields }];
  }
}

/** The host of `HOST:PORT` or `[HOST]:PORT`; empty for a Unix socket. */
function hostOf(address: string): string {
  return /^\[?([^\]]*?)\]?:\d+$/.exec(address)?.[1] ?? '';
}
