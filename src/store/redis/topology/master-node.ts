// One master: its data links, and a link of its own over which its origin is followed.
//
// (1) It is ready while the control link is up and says: a master, of this history.
// (2) Nothing is sent on a connection of a data link before INFO was read on that connection.
// (3) What still waits when the origin changes is dropped: it may name the old one.
import { MqkvError, type Timer } from '../../../base/index.ts';
import { type Link, type LinkSetup, nameOf, openLink } from '../../../redis-link/index.ts';
import type { RedisAddress, RedisUrl } from '../url-type.ts';
import { linkOptionsOf } from './link-options.ts';
import { ReplicaLinks } from './replica-links.ts';
import { parseReplication } from './replication-info.ts';
import { checkServer } from './requirements.ts';
import type { HostPort } from './slot-map.ts';
import type { Around, DedicatedOptions, Node } from './topology.ts';

/** Units: ms. DESIGN 5: the origin is read on connecting, after READONLY, and every second. */
const LOOK_MS = 1000;

export interface MasterNodeOptions<Address extends RedisAddress> {
  readonly address: Address;
  /** There is no other master: commands wait for this one, and it says itself who its replicas are. */
  readonly isSingle?: boolean;
  readonly url: RedisUrl;
  readonly around: Around;
}

export class MasterNode<Address extends RedisAddress = RedisAddress> implements Node {
  readonly name: string;
  readonly address: Address;
  /** It has become ready, or its origin is another one. */
  onReady: (() => void) | undefined;
  /** It is not what it was: look again at the cluster. */
  onTrouble: ((reason: string) => void) | undefined;
  readonly #options: MasterNodeOptions<Address>;
  readonly #control: Link;
  readonly #links = new Map<2 | 3, Link>();
  readonly #dedicated = new Set<Link>();
  readonly #timer: Timer;
  readonly #replicas: ReplicaLinks | undefined;
  #origin = 0;
  #isMaster = false;
  #idleLooks = 0;
  #isLooking = false;
  #isClosed = false;

  constructor(options: MasterNodeOptions<Address>) {
    const { address, url, around } = options;
    this.address = address;
    this.name = nameOf(address);
    this.#options = options;
    if (url.readReplica) this.#replicas = new ReplicaLinks(url, around);
    this.#control = this.#open(2, (setup) => this.#check(setup));
    this.#control.onState = (state) => {
      if (state === 'ready') this.onReady?.();
      else if (state === 'down') this.#lost();
    };
    this.#timer = around.clock.every(LOOK_MS, () => this.look());
  }

  get origin(): number {
    return this.#origin;
  }

  get isReady(): boolean {
    return this.#isMaster && this.#control.state === 'ready';
  }

  /** Why it is not ready. */
  get problem(): MqkvError | undefined {
    return this.isReady ? undefined : this.#control.lastError;
  }

  /** Commands under way on the data links. */
  get pending(): number {
    let pending = 0;
    for (const link of this.#links.values()) pending += link.pending;
    return pending;
  }

  flush(): void {
    for (const link of this.#links.values()) link.flush();
  }

  link(protocol: 2 | 3): Link {
    this.#idleLooks = 0;
    return this.#links.get(protocol) ?? this.#openData(protocol);
  }

  dedicated(protocol: 2 | 3, options: DedicatedOptions = {}): Link {
    const { url, around, address } = this.#options;
    const { hangTimeoutMs = around.hangTimeoutMs } = options;
    const onReady = async (setup: LinkSetup): Promise<void> => {
      await this.#follow(setup);
      await options.onReady?.(setup);
    };
    const link = openLink({ ...linkOptionsOf(url, around), address, protocol, onReady, hangTimeoutMs });
    for (const held of this.#dedicated) if (held.state === 'closed') this.#dedicated.delete(held);
    this.#dedicated.add(link);
    if (this.#isClosed) link.close();
    return link;
  }

  replica(protocol: 2 | 3): Link | undefined {
    return this.#replicas?.link(protocol);
  }

  setReplicas(addresses: readonly HostPort[]): void {
    this.#replicas?.set(addresses);
  }

  /** Whether it was used since the last but one call. */
  isNewlyIdle(): boolean {
    return ++this.#idleLooks < 2;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer.cancel();
    this.#replicas?.close();
    this.#control.close();
    for (const link of [...this.#links.values(), ...this.#dedicated]) link.close();
  }

  #open(protocol: 2 | 3, onReady: (setup: LinkSetup) => Promise<void>): Link {
    const { url, around, address } = this.#options;
    return openLink({
      ...linkOptionsOf(url, around),
      address,
      protocol,
      onReady,
      onServerError: (code) => this.#heard(code),
    });
  }

  #openData(protocol: 2 | 3): Link {
    const link = this.#open(protocol, async (setup) => {
      await this.#follow(setup);
      await this.#options.around.onReady?.(setup, this);
    });
    // On a cluster what waits goes where the slot is served next, instead of waiting for this server.
    link.onState = (state) => {
      if (state !== 'down') return;
      if (this.#options.isSingle !== true)
        link.dropQueued(new MqkvError('UNAVAILABLE', `Redis at ${this.name} has gone`));
      this.onTrouble?.('connection lost');
    };
    this.#links.set(protocol, link);
    if (this.#isClosed) link.close();
    return link;
  }

  #heard(code: string): void {
    this.onTrouble?.(code);
    if (code === 'READONLY') this.look();
  }

  #lost(): void {
    this.#isMaster = false;
    this.onTrouble?.('connection lost');
  }

  /** Reads its role and origin again. */
  look(): void {
    if (this.#control.state !== 'ready') return;
    // Silent since the last look: perhaps another one serves already.
    if (this.#isLooking) return this.onTrouble?.('silent');
    this.#isLooking = true;
    this.#follow(this.#control)
      .catch(() => {
        // Not a master now, or the link has ended, which says so itself.
        this.onTrouble?.('not a master');
      })
      .finally(() => {
        this.#isLooking = false;
      });
  }

  async #check(setup: LinkSetup): Promise<void> {
    await checkServer(setup, this.#options.url);
    await this.#follow(setup);
  }

  async #follow(from: Pick<LinkSetup, 'call'>): Promise<void> {
    const info = parseReplication(await from.call(['INFO', 'replication']));
    const wasReady = this.isReady;
    this.#isMaster = info?.isMaster === true;
    if (info === undefined || !info.isMaster)
      throw new MqkvError('UNAVAILABLE', `Redis at ${this.name} is not a master`);
    if (this.#options.isSingle === true) this.setReplicas(info.replicas);
    const isNew = info.origin !== this.#origin;
    this.#origin = info.origin;
    if (isNew) this.#dropQueued();
    if (this.isReady && (isNew || !wasReady)) this.onReady?.();
  }

  /** What waits may name the old origin. */
  #dropQueued(): void {
    const error = new MqkvError('ORIGIN_CHANGED', `Redis at ${this.name} is another history now`);
    for (const link of this.#links.values()) link.dropQueued(error);
  }
}
