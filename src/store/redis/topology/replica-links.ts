// Links to the replicas of one master, for `?read=replica`: the nearest that follows its master.
import { MqkvError, type Timer } from '../../../base/index.ts';
import { type Link, openLink } from '../../../redis-link/index.ts';
import type { RedisUrl } from '../url-type.ts';
import { linkOptionsOf } from './link-options.ts';
import { parseReplication } from './replication-info.ts';
import type { HostPort } from './slot-map.ts';
import type { Around } from './topology.ts';

/** Units: ms between two looks at a replica; one that stops following its master is used that long at most. */
const LOOK_MS = 1000;

interface Replica {
  readonly address: HostPort;
  /** By protocol; the first opened is looked at. */
  readonly links: Map<2 | 3, Link>;
  isHealthy: boolean;
  /** Units: ms. Of the last look. */
  roundTripMs: number;
}

/** The replicas of one master. */
export class ReplicaLinks {
  readonly #url: RedisUrl;
  readonly #around: Around;
  readonly #timer: Timer;
  #replicas: readonly Replica[] = [];

  constructor(url: RedisUrl, around: Around) {
    this.#url = url;
    this.#around = around;
    this.#timer = around.clock.every(LOOK_MS, () => this.#look());
  }

  /** The replicas as they are now; links to others are closed. */
  set(addresses: readonly HostPort[]): void {
    const isAt = (one: HostPort, other: HostPort): boolean =>
      one.host === other.host && one.port === other.port;
    const kept = this.#replicas.filter(({ address }) => addresses.some((other) => isAt(address, other)));
    for (const replica of this.#replicas) if (!kept.includes(replica)) closeLinks(replica);
    const added = addresses.filter((address) => !kept.some((replica) => isAt(replica.address, address)));
    this.#replicas = [...kept, ...added.map((address) => this.#open(address))];
  }

  /** A link to the nearest healthy one. */
  link(protocol: 2 | 3): Link | undefined {
    let best: Replica | undefined;
    for (const replica of this.#replicas)
      if (replica.isHealthy && (best === undefined || replica.roundTripMs < best.roundTripMs)) best = replica;
    if (best === undefined) return undefined;
    const held = best.links.get(protocol);
    if (held !== undefined) return held;
    const link = this.#linkTo(best.address, protocol);
    best.links.set(protocol, link);
    return link;
  }

  close(): void {
    this.#timer.cancel();
    for (const replica of this.#replicas) closeLinks(replica);
    this.#replicas = [];
  }

  #open(address: HostPort): Replica {
    const links = new Map<2 | 3, Link>([[2, this.#linkTo(address, 2)]]);
    const replica: Replica = { address, links, isHealthy: false, roundTripMs: 0 };
    void this.#lookAt(replica);
    return replica;
  }

  #linkTo(address: HostPort, protocol: 2 | 3): Link {
    const link = openLink({
      ...linkOptionsOf(this.#url, this.#around),
      address,
      protocol,
      onReady: async (setup) => {
        const reply = await setup.call(['READONLY']);
        // A server that is no cluster knows no READONLY: its replicas answer reads anyway.
        if (reply.kind === 'error' && !/cluster support disabled/.test(reply.text))
          throw new MqkvError('UNAVAILABLE', reply.text);
      },
    });
    link.onState = (state) => {
      if (state === 'down') link.dropQueued(new MqkvError('UNAVAILABLE', 'the replica has gone'));
    };
    return link;
  }

  #look(): void {
    for (const replica of this.#replicas) void this.#lookAt(replica);
  }

  async #lookAt(replica: Replica): Promise<void> {
    const { clock } = this.#around;
    const before = clock.now();
    try {
      const reply = await replica.links.get(2)?.call(['INFO', 'replication']);
      replica.isHealthy = reply !== undefined && parseReplication(reply)?.isInSync === true;
      replica.roundTripMs = Math.max(0, clock.now() - before);
    } catch {
      replica.isHealthy = false;
    }
  }
}

function closeLinks({ links }: Replica): void {
  for (const link of links.values()) link.close();
}
