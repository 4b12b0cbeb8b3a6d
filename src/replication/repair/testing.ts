// For this folder's tests: whole replications of embedded stores on virtual time, over a queue and a net in memory.
import { type Clock, type Logger, MqkvError, seededRandom, silentLogger } from '../../base/index.ts';
import { fingerprintOf } from '../../crdt/index.ts';
import type { Queue, QueueMessage } from '../../queue/index.ts';
import { type EmbeddedStore, openEmbeddedStore } from '../../store/embedded/index.ts';
import type { Asker, PeerAddress, PeerPort, PeerPortStats } from '../peer-port.ts';
import { openReplication, type Replication } from '../replication.ts';
import type { PeerBootstrap } from './peer-bootstrap.ts';
import type { PeerRepair } from './peer-repair.ts';

type Handler = (message: QueueMessage) => void;

/** Everything between the sites of one test. */
export class World {
  readonly clock: Clock & { advance(ms: number): Promise<void>; time: number };
  readonly sites = new Map<string, TestSite>();
  readonly #handlers = new Map<string, Handler>();
  readonly #ports = new Map<string, MemoryPort>();
  /** Sites that the queue does not reach, and that it loses messages of. */
  readonly cut = new Set<string>();
  /** Sites to which no connection can be made. */
  readonly refusing = new Set<string>();
  /** Messages that are thrown away. */
  loses: (from: string, to: string, body: Buffer) => boolean = () => false;
  /** Bytes through the queue. */
  queueBytes = 0;
  logger: Logger = silentLogger;

  constructor(clock: World['clock']) {
    this.clock = clock;
  }

  async open(name: string, options: Partial<SiteOptions> = {}): Promise<TestSite> {
    const site = await TestSite.open(this, { name, seed: this.sites.size + 1, ...options });
    this.sites.set(name, site);
    return site;
  }

  queueOf(name: string): Queue {
    return new MemoryQueue(this, name);
  }

  portOf(self: Asker): MemoryPort {
    const port = new MemoryPort(this, self);
    this.#ports.set(self.site, port);
    return port;
  }

  portAt(address: string): MemoryPort | undefined {
    return this.#ports.get(address);
  }

  /** A site sends and hears nothing any more. */
  leave(name: string): void {
    this.#handlers.delete(name);
    this.#ports.delete(name);
  }

  subscribe(name: string, handler: Handler): void {
    this.#handlers.set(name, handler);
  }

  publish(from: string, body: Buffer): void {
    if (!this.#handlers.has(from)) return;
    for (const name of this.#handlers.keys()) {
      const isLost = this.cut.has(from) !== this.cut.has(name) || this.loses(from, name, body);
      if (name !== from && isLost) continue;
      this.queueBytes += body.length;
      const deliver = (): void =>
        this.#handlers.get(name)?.({
          body,
          attempts: 1,
          ack: () => {},
          touch: () => {},
          requeue: (delayMs) => void this.clock.after(delayMs, deliver),
        });
      this.clock.after(5, deliver);
    }
  }

  /** Lets time pass until something holds. */
  async until(holds: () => boolean, what: string, { limitMs = 120_000, stepMs = 250 } = {}): Promise<void> {
    for (const end = this.clock.time + limitMs; !holds(); ) {
      if (this.clock.time > end) throw new Error(`waited ${limitMs} ms for: ${what}`);
      await this.clock.advance(stepMs);
    }
  }
}

class MemoryQueue implements Queue {
  readonly name = 'memory';
  readonly capabilities = { ordered: true, replayable: false, durableAck: true, maxMessageBytes: 1_000_000 };
  readonly #world: World;
  readonly #site: string;

  constructor(world: World, site: string) {
    this.#world = world;
    this.#site = site;
  }

  async publish(body: Uint8Array): Promise<void> {
    this.#world.publish(this.#site, Buffer.from(body));
  }

  async subscribe(handler: Handler): Promise<void> {
    this.#world.subscribe(this.#site, handler);
  }

  stats(): never {
    throw new Error('not asked');
  }

  brokers(): [] {
    return [];
  }

  async close(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A site's door for requests; its address is its name. */
export class MemoryPort implements PeerPort {
  answer: PeerPort['answer'];
  readonly #world: World;
  readonly #self: Asker;
  readonly #stats = { asked: 0, answered: 0, failures: 0, bytesSent: 0, bytesReceived: 0 };
  /** Requests by their first byte. */
  readonly kinds: number[] = [];
  largest = 0;

  constructor(world: World, self: Asker) {
    this.#world = world;
    this.#self = self;
  }

  ask(to: PeerAddress, request: Buffer, signal?: AbortSignal): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(new MqkvError('PEER_UNREACHABLE', 'given up'));
      signal?.addEventListener('abort', abort);
      const end = (): void => signal?.removeEventListener('abort', abort);
      this.#ask(to, request).finally(end).then(resolve, reject);
    });
  }

  async #ask(to: PeerAddress, request: Buffer): Promise<Buffer> {
    const { refusing, cut } = this.#world;
    const target = this.#world.portAt(to.address);
    this.#stats.asked++;
    await new Promise<void>((resolve) => this.#world.clock.after(1, resolve));
    const isAway = refusing.has(to.site) || cut.has(to.site) !== cut.has(this.#self.site);
    if (target?.answer === undefined || isAway || target.#self.storeId !== to.storeId)
      throw new MqkvError('PEER_UNREACHABLE', 'nobody there');
    this.kinds.push(request[0] ?? 0);
    this.#stats.bytesSent += request.length;
    target.#stats.answered++;
    const answer = await target.answer(this.#self, Buffer.from(request)).catch((error: unknown) => {
      throw new MqkvError('PEER_FAILED', String(error));
    });
    await new Promise<void>((resolve) => this.#world.clock.after(1, resolve));
    if (target.answer === undefined) throw new MqkvError('PEER_UNREACHABLE', 'gone');
    this.#stats.bytesReceived += answer.length;
    this.largest = Math.max(this.largest, answer.length, request.length);
    return Buffer.from(answer);
  }

  stats(): PeerPortStats {
    return this.#stats;
  }

  async close(): Promise<void> {
    this.answer = undefined;
  }
}

export interface SiteOptions {
  readonly name: string;
  readonly seed: number;
  /** Goes on with a store that was open before. */
  readonly store: EmbeddedStore;
  readonly horizonMs: number;
  readonly serveWhileLoading: boolean;
  /** Shape: 16 hex characters. */
  readonly id: string;
}

/** One site. */
export class TestSite {
  readonly name: string;
  readonly store: EmbeddedStore;
  readonly port: MemoryPort;
  readonly replication: Replication;
  readonly #world: World;

  private constructor(world: World, parts: Pick<TestSite, 'name' | 'store' | 'port' | 'replication'>) {
    this.#world = world;
    this.name = parts.name;
    this.store = parts.store;
    this.port = parts.port;
    this.replication = parts.replication;
  }

  static async open(
    world: World,
    options: Partial<SiteOptions> & Pick<SiteOptions, 'name' | 'seed'>,
  ): Promise<TestSite> {
    const { name, seed, store: given, horizonMs, serveWhileLoading, id } = options;
    const { clock } = world;
    const random = seededRandom(seed * 7919);
    const rest = { ...(horizonMs === undefined ? {} : { horizonMs }), ...(id === undefined ? {} : { id }) };
    const store = given ?? openEmbeddedStore({ clock, random, logger: silentLogger, ...rest });
    const port = world.portOf({ site: name, storeId: store.id });
    const replication = await openReplication({
      site: name,
      store,
      queue: world.queueOf(name),
      clock,
      random,
      logger: world.logger,
      port,
      horizonMs,
      serveWhileLoading,
      address: () => name,
      onPublish: () => {},
    });
    return new TestSite(world, { name, store, port, replication });
  }

  set(key: string, value: string, at = 0): void {
    this.unit(key, (keyspace) => keyspace.overwriteString(key, Buffer.from(value), at));
  }

  del(key: string): void {
    this.unit(key, (keyspace) => void keyspace.remove(key));
  }

  get(key: string): string | undefined {
    const { keyspace } = this.store;
    keyspace.begin(this.#world.clock.now());
    const value = keyspace.getString(key)?.toString();
    keyspace.end();
    return value;
  }

  /** One command on one key. */
  unit(key: string, write: (keyspace: EmbeddedStore['keyspace']) => void): void {
    const { keyspace } = this.store;
    keyspace.begin(this.#world.clock.now());
    keyspace.name(key);
    write(keyspace);
    keyspace.end();
  }

  get repair(): PeerRepair {
    return this.replication.repair as PeerRepair;
  }

  get work(): PeerRepair['work'] {
    return this.repair.work;
  }

  get bootstrap(): PeerBootstrap {
    return this.replication.bootstrap as PeerBootstrap;
  }

  /** Everything it holds that shows, or may show, something, as fingerprints: equal texts, equal data. */
  picture(): string {
    const atMs = this.#world.clock.now();
    const lines = this.store.allKeys().flatMap((key) => {
      const state = this.store.stateOf(key);
      const print = state === undefined ? undefined : fingerprintOf(key, state, atMs);
      return print === undefined || print.standing === 2 ? [] : [`${key} ${print.low} ${print.high}`];
    });
    return lines.sort().join('\n');
  }

  /** kill -9, as far as others see it; the store lies there. */
  kill(): void {
    this.#world.leave(this.name);
    this.port.answer = undefined;
  }

  async close(): Promise<void> {
    await this.replication.close(0);
    this.#world.leave(this.name);
  }
}
