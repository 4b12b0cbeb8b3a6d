// A machine with a site on it: its clock, its disk, and the process that runs there, if one does.
import type { Latin1 } from '../../src/base/index.ts';
import type { Fact } from '../../test/model/definition.ts';
import type { MachineDisk } from '../world/machine-disk.ts';
import { Direct } from '../redis/direct.ts';
import type { RedisNode } from '../redis/node.ts';
import type { MachineClock, ProcessLoop } from '../world/site-clock.ts';
import { factsIn } from './held.ts';
import type { Keeper } from './ledger.ts';
import type { StoreKind } from './plan.ts';
import type { SiteProcess } from './site-process.ts';

export interface HostOptions {
  readonly site: string;
  readonly node: string;
  readonly kind: StoreKind;
  readonly disk: MachineDisk | undefined;
  /** Only for a while beside the true site of its name. */
  readonly isRival: boolean;
}

/** Answers for what its disk keeps. */
export class Host implements Keeper {
  readonly site: string;
  /** Unique, for the network. */
  readonly node: string;
  readonly kind: StoreKind;
  readonly disk: MachineDisk | undefined;
  readonly isRival: boolean;
  /** Its site's Redis, on the same clock. */
  redis: RedisNode | undefined;
  readonly clock: MachineClock = { skewMs: 0 };
  loop: ProcessLoop | undefined;
  process: SiteProcess | undefined;
  isRemoved = false;
  /** Units: ms of the world; all that was acknowledged before must be there when it starts again. */
  keptUntilMs = 0;
  /** Units: ms of the world; between them its disk last did not take everything. */
  fullSinceMs = 0;
  fullUntilMs = 0;

  constructor({ site, node, kind, disk, isRival }: HostOptions) {
    this.site = site;
    this.node = node;
    this.kind = kind;
    this.disk = disk;
    this.isRival = isRival;
  }

  /** What is written here outlives its process. */
  get keeps(): boolean {
    return this.disk !== undefined || this.redis !== undefined;
  }

  get name(): string {
    return this.node;
  }

  facts(key: Latin1): readonly Fact[] | undefined {
    const { process, redis } = this;
    if (process !== undefined || redis === undefined) return process?.facts(key);
    return this.isRemoved ? undefined : factsIn(new Direct(redis.server).stateOf(key));
  }

  nowMs(): number {
    return this.process?.nowMs() ?? this.redis?.server.clock.now() ?? 0;
  }
}
