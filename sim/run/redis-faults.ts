// What happens to a site's Redis.
import { below, type Random } from '../../src/base/index.ts';
import type { Comeback } from '../redis/node.ts';
import type { Host } from './host.ts';
import type { World } from './world.ts';

/** Faults of which a seed with Redis stores has some. */
export const REDIS_FAULTS = [
  'redis cut',
  'redis restart',
  'redis failover',
  'redis emptied',
  'redis full',
  'redis stuck',
  'redis slow',
  'redis hangs',
  'redis loses replies',
] as const;
export type RedisFaultKind = (typeof REDIS_FAULTS)[number];

export function isRedisFault(kind: string): kind is RedisFaultKind {
  return (REDIS_FAULTS as readonly string[]).includes(kind);
}

/** What a fault works with. */
export interface RedisFault {
  readonly world: World;
  readonly random: Random;
  readonly lastMs: number;
  /** Mends it after a while. */
  later(ms: number, mend: () => void): void;
}

/** Result: false: there is no Redis that this can happen to. */
export function happenToRedis(kind: RedisFaultKind, host: Host | undefined, fault: RedisFault): boolean {
  const node = host?.redis;
  if (host === undefined || node === undefined || !node.isUp) return false;
  const { world, random, lastMs, later } = fault;
  if (kind === 'redis cut') node.cut();
  else if (kind === 'redis failover') {
    node.failOver();
    tellLedger(host, world);
  } else if (kind === 'redis restart' || kind === 'redis emptied') {
    node.stop();
    const how: Comeback = kind === 'redis emptied' ? 'empty' : below(random, 2) === 0 ? 'whole' : 'behind';
    later(lastMs, () => comeBack(host, world, how));
  } else if (kind === 'redis hangs') node.stalledUntilMs = world.scheduler.nowMs + lastMs;
  else {
    const [set, unset] = SWITCHES[kind];
    set(host);
    later(lastMs, () => unset(host));
  }
  return true;
}

type Switch = (host: Host) => void;

const SWITCHES: Readonly<
  Record<'redis full' | 'redis stuck' | 'redis slow' | 'redis loses replies', readonly [Switch, Switch]>
> = {
  'redis full': [(host) => setServer(host, { isFull: true }), (host) => setServer(host, { isFull: false })],
  'redis stuck': [
    (host) => setServer(host, { isStuck: true }),
    (host) => setServer(host, { isStuck: false }),
  ],
  'redis slow': [(host) => setNode(host, { slowMs: 800 }), (host) => setNode(host, { slowMs: 0 })],
  'redis loses replies': [
    (host) => setNode(host, { lostReplies: 500 }),
    (host) => setNode(host, { lostReplies: 0 }),
  ],
};

function setServer({ redis }: Host, state: { readonly isFull?: boolean; readonly isStuck?: boolean }): void {
  if (redis !== undefined) Object.assign(redis.server, state);
}

function setNode({ redis }: Host, state: { readonly slowMs?: number; readonly lostReplies?: number }): void {
  if (redis !== undefined) Object.assign(redis, state);
}

function comeBack(host: Host, world: World, how: Comeback): void {
  if (host.redis === undefined || host.redis.isUp) return;
  host.redis.start(how);
  world.totals.fault(`redis came back ${how}`);
  tellLedger(host, world);
}

/** Of what it has lost, others may have kept some. */
function tellLedger(host: Host, world: World): void {
  world.ledger.lose(host, [host, ...world.keepers()]);
}

/** All that can be mended is. */
export function mendRedis(host: Host, world: World): void {
  setServer(host, { isFull: false, isStuck: false });
  setNode(host, { slowMs: 0, lostReplies: 0 });
  if (host.redis !== undefined) host.redis.stalledUntilMs = 0;
  comeBack(host, world, 'whole');
}
