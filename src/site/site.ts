// Wires one site from a Config: store, command table, server, queue, replication, admin; starts and stops them in order.
import { assert, type Clock, latin1Of, type Logger, type Random } from '../base/index.ts';
import type { Admin } from '../admin/index.ts';
import { openReplication, type Replication } from '../replication/index.ts';
import { severalQueues } from '../queue/index.ts';
import { createServer, type RespServer } from '../server/index.ts';
import { formatAddress } from './addresses.ts';
import { adminHooks } from './admin-hooks.ts';
import type { Config } from './config.ts';
import { type OpenedQueue, openPort, openQueue } from './open-queue.ts';
import { type OpenedStore, openStore } from './open-store.ts';
import type { TcpPeerPort } from '../queue/peers/index.ts';
import { acceptPeer, type PeerDoors } from './peer-door.ts';
import { infoSections } from './info-sections.ts';
import { replicationHooks } from './replication-face.ts';

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
  /** Resolves when data commands are answered: a site without data first copies that of another one. Never rejects. */
  readonly loaded: Promise<void>;
  /** Stops taking connections, answers what is in, publishes what is pending for at most `timeoutMs`. Idempotent. */
  close(options?: { readonly timeoutMs: number }): Promise<void>;
}

/** Units: ms that a stop gives clients to be answered. */
const SERVER_GRACE_MS = 2_000;

/** Opens a site: when this resolves it accepts clients, and after `loaded` it answers their data commands. Errors: MqkvError, or the system's for an address in use. */
export async function openSite(config: Config, around: Surroundings): Promise<Site> {
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
  readonly #queues: OpenedQueue[] = [];
  #port: TcpPeerPort | undefined;
  #opened: OpenedStore | undefined;
  #server: RespServer | undefined;
  #replication: Replication | undefined;
  #admin: Admin | undefined;
  #closing: Promise<void> | undefined;

  constructor(config: Config, around: Surroundings) {
    this.#config = config;
    this.#around = around;
  }

  get addresses(): readonly string[] {
    const addresses = this.#server?.addresses ?? [];
    return addresses.map(({ host, port, path }) =>
      path === '' ? formatAddress({ host, port }) : `unix:${path}`,
    );
  }

  get adminAddress(): string | undefined {
    return this.#admin?.address;
  }

  get loaded(): Promise<void> {
    return this.#replication?.bootstrap.loaded ?? Promise.resolve();
  }

  async open(): Promise<void> {
    const config = this.#config;
    const opened = await this.#openStore();
    await this.#listen(opened);
    const { clock, random, logger } = this.#around;
    const address = (): string => this.#address();
    const around = { config, storeId: opened.store.id, clock, random, logger, address };
    const urls = [...config.queues, ...config.subscribe];
    for (const url of urls) this.#queues.push(await openQueue(url, around));
    if (urls.length > 0) this.#port = await openPort(around);
    await this.#replicate(opened);
    if (config.admin !== undefined) await this.#openAdmin(config.admin, opened);
  }

  close(options?: { readonly timeoutMs: number }): Promise<void> {
    this.#closing ??= this.#close(options?.timeoutMs ?? this.#config.stopTimeoutMs);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #openStore(): Promise<OpenedStore> {
    const { clock, random, logger, version, shutdown } = this.#around;
    this.#opened = await openStore({
      config: this.#config,
      clock,
      random,
      logger,
      hooks: {
        version,
        info: () =>
          infoSections(this.#config.site, { ...this.#parts(), numbers: this.#opened?.numbers() ?? {} }),
        publish: (channel, message) => this.#replication?.sender.publishMessage(channel, latin1Of(message)),
        peer: (connection, args) => acceptPeer(this.#doors(), connection, args),
        refusal: () => this.#refusal(),
        ...replicationHooks(() => this.#replication),
        ...(shutdown === undefined ? {} : { shutdown }),
      },
    });
    return this.#opened;
  }

  async #listen({ handler }: OpenedStore): Promise<void> {
    const { tls, valueBytesMax: bulkBytesMax, listen } = this.#config;
    const { clock, logger } = this.#around;
    const server = createServer({
      handler,
      limits: { bulkBytesMax },
      clock,
      logger,
      ...(tls === undefined ? {} : { tls }),
    });
    this.#server = server;
    for (const address of listen)
      await server.listen(address.kind === 'unix' ? { path: address.path } : address);
  }

  async #replicate({ store, deliver }: OpenedStore): Promise<void> {
    const count = this.#config.queues.length;
    if (count === 0) return;
    const queues = this.#queues.map(({ queue }) => queue);
    const { clock, random, logger } = this.#around;
    this.#replication = await openReplication({
      site: this.#config.site,
      store,
      queue: severalQueues(queues.slice(0, count), logger),
      subscribed: queues.slice(count),
      clock,
      random,
      logger,
      address: () => this.#address(),
      onPublish: deliver,
      port: this.#port,
      horizonMs: this.#config.horizonMs,
      serveWhileLoading: this.#config.serveWhileLoading,
    });
  }

  #doors(): PeerDoors {
    const { password, secret } = this.#config;
    const isClosed = password !== undefined && secret === undefined;
    const peers = this.#queues.find((opened) => opened.peers !== undefined)?.peers;
    return { peers, port: this.#port, isClosed };
  }

  async #openAdmin(
    address: { readonly host: string; readonly port: number },
    opened: OpenedStore,
  ): Promise<void> {
    const { openAdmin } = await import('../admin/index.ts');
    const { clock, logger, version } = this.#around;
    const server = this.#server;
    assert(server !== undefined, 'the server is open before the admin HTTP');
    const parts = {
      site: this.#config.site,
      version,
      opened,
      server,
      nowMs: () => clock.now(),
      port: this.#port,
      ...this.#parts(),
    };
    this.#admin = await openAdmin({ address, hooks: adminHooks(parts), clock, logger });
  }

  #parts(): { readonly queues: readonly OpenedQueue[]; readonly replication: Replication | undefined } {
    return { queues: this.#queues, replication: this.#replication };
  }

  /** In reverse: clients, then what they wrote goes out, then the store. */
  async #close(timeoutMs: number): Promise<void> {
    const { clock, logger } = this.#around;
    const since = clock.now();
    await this.#server?.close({ graceMs: Math.min(timeoutMs, SERVER_GRACE_MS) });
    const left = Math.max(0, timeoutMs - (clock.now() - since));
    const all = (await this.#replication?.close(left)) ?? true;
    const pending = this.#opened?.store.outbox.pending;
    if (!all) logger.warn({ pending }, 'stopped with writes that no queue has accepted');
    for (const { queue } of this.#queues) await queue.close(left);
    await this.#port?.close();
    await this.#admin?.close();
    await this.#opened?.close();
  }

  /** Where peers may reach this site: as advertised, else the first TCP address. */
  #address(): string {
    const { advertise } = this.#config;
    if (advertise !== undefined) return formatAddress(advertise);
    return this.addresses.find((address) => !address.startsWith('unix:')) ?? '';
  }

  /** Also while the site is being opened: then it is not known yet. */
  get #isLoading(): boolean {
    const { queues, serveWhileLoading } = this.#config;
    return this.#replication?.bootstrap.isLoading ?? (queues.length > 0 && !serveWhileLoading);
  }

  #refusal(): string | undefined {
    if (this.#isLoading) return 'LOADING mqkv is copying the data of another site';
    if (this.#replication?.membership.duplicate !== true) return undefined;
    return `DUPSITE another site is named '${this.#config.site}' and was started earlier; give this one another --site`;
  }
}
