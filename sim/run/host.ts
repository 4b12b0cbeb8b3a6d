// A machine with a site on it: its clock, its disk, and the process that runs there, if one does.
import type { Latin1 } from '../../src/base/index.ts';
import type { Fact } from '../../test/model/definition.ts';
import type { MachineDisk } from '../world/machine-disk.ts';
import { Direct } from '../redis/direct.ts';
import type { RedisNode } from '../redis/node.ts';
import type { MachineClock, ProcessLoop, Span } from '../world/site-clock.ts';
import { factsIn } from './held.ts';
import type { Keeper } from './ledger.ts';
import type { StoreKind } from './plan.ts';
import type { SiteProcess } from './site-process.ts';

/** Units: ms. How long a write may be under way, and after how long one that failed has been tried again and is there. */
const WRITE_MS = 50;
const RETRY_MS = 1_150;

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
  /** When its disk did not take everything; the last one may go on. */
  readonly full: Span[] = [];

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

  /** Its disk takes nothing more. Units: ms of the world. */
  fill(nowMs: number): void {
    if (this.disk === undefined || this.disk.isFull) return;
    this.disk.isFull = true;
    this.full.push({ fromMs: nowMs - WRITE_MS, toMs: Number.POSITIVE_INFINITY });
  }

  /** There is space again; the log is tried again a while later, once its process runs. Units: ms of the world. */
  empty(nowMs: number): void {
    const last = this.disk?.isFull === true ? this.full.pop() : undefined;
    if (this.disk === undefined || last === undefined) return;
    this.disk.isFull = false;
    this.full.push({ fromMs: last.fromMs, toMs: Math.max(nowMs, this.loop?.stalledUntilMs ?? 0) + RETRY_MS });
  }

  /** Its disk is full, or was a moment ago. */
  wasFull(nowMs: number): boolean {
    return (this.full.at(-1)?.toMs ?? 0) >= nowMs;
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
