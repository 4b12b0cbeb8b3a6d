// One Redis server, with or without replicas.
import { assert } from '../../../base/index.ts';
import type { RedisUrl } from '../url-type.ts';
import { SingleMaster } from './single-master.ts';
import type { Around, Topology } from './topology.ts';

/** Opens a standalone server's topology. Errors: see `openTopology`. */
export async function openStandalone(url: RedisUrl, around: Around): Promise<Topology> {
  assert(url.addresses.length === 1, 'a standalone Redis has one address');
  const topology = new Standalone(url, around);
  await topology.open();
  return topology;
}

class Standalone extends SingleMaster {
  constructor(url: RedisUrl, around: Around) {
    super(url, around);
    this.follow(url.addresses[0]);
  }

  /** The address never changes: only what lives there. */
  refresh(): void {
    this.node?.look();
  }

  /** The node looks again by itself. */
  protected troubled(): void {}
}
