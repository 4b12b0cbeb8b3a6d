// What a seed decides before anything runs: how many sites, how busy, which faults.
import { below, HORIZON_MS, type Random } from '../../src/base/index.ts';
import { pick, type Theme } from './commands.ts';
import { REDIS_FAULTS, type RedisFaultKind } from './redis-faults.ts';

export type StoreKind = 'embedded' | 'file' | 'redis';

/** Faults of which a seed has some. */
export const FAULTS = [
  'lossy',
  'doubling',
  'late',
  'slow queue',
  'full queue',
  'broker outage',
  'broker loses memory',
  'partition',
  'one way',
  'no queue for one',
  'no peers for one',
  'kill',
  'stop',
  'stall',
  'clock jump',
  'new site',
  'wiped',
  'same name',
  'apart',
  'power lost',
  'disk full',
  'set back',
] as const;
export type FaultKind = (typeof FAULTS)[number] | RedisFaultKind;

export interface Plan {
  readonly sites: number;
  readonly stores: readonly StoreKind[];
  readonly brokers: number;
  readonly latencyMsMax: number;
  /** Units per simulated second, over all sites. */
  readonly rate: number;
  readonly keys: number;
  readonly theme: Theme;
  readonly horizonMs: number;
  readonly hasPeers: boolean;
  readonly maxMessageBytes: number;
  readonly faults: readonly FaultKind[];
  /** Units: ms between faults, on average. */
  readonly faultEveryMs: number;
}

export function planOf(random: Random, stores: readonly StoreKind[]): Plan {
  const faults: readonly FaultKind[] = FAULTS.filter(() => below(random, 4) === 0);
  const plan: Plan = {
    sites: 2 + below(random, 2) + Number(below(random, 6) === 0),
    stores,
    brokers: 1 + below(random, 2),
    latencyMsMax: pick(random, [2, 5, 20, 60]),
    rate: pick(random, [3, 10, 10, 20]),
    keys: 1 + below(random, 3),
    theme: pick(random, ['typed', 'typed', 'mixed', 'lives']),
    horizonMs: pick(random, [HORIZON_MS, HORIZON_MS, 10 * 60_000, 2 * 60_000]),
    hasPeers: below(random, 8) !== 0,
    maxMessageBytes: pick(random, [1_048_576, 1_048_576, 1_048_576, 1_048_576, 700]),
    faults,
    faultEveryMs: pick(random, [1500, 3000, 6000]),
  };
  if (!stores.includes('redis')) return plan;
  return { ...plan, faults: [...faults, ...REDIS_FAULTS.filter(() => below(random, 4) === 0)] };
}
