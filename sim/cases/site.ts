// One site of a golden case: a real store and command table on a clock that the case sets.
import { type Clock, type Latin1, type Logger, seededRandom } from '../../src/base/index.ts';
import { executeArgs } from '../../src/commands/index.ts';
import type { KeyState } from '../../src/crdt/index.ts';
import type { Store } from '../../src/store/index.ts';
import { openEmbeddedStore } from '../../src/store/embedded/index.ts';

/** A store as cases drive it. `now` is the site's clock by then, Unix ms. */
export interface CaseStore {
  readonly store: Store;
  /** The clock will stand there from now on. */
  setNow(now: number): void | Promise<void>;
  /** Runs commands as one unit. Result: the replies, raw. */
  run(commands: readonly (readonly Buffer[])[], now: number): Buffer | Promise<Buffer>;
  /** All deltas marked, as one; undefined: none. */
  take(): Promise<Buffer | undefined>;
  stateOf(key: Latin1): KeyState | undefined | Promise<KeyState | undefined>;
  allKeys(): readonly Latin1[] | Promise<readonly Latin1[]>;
  freeExpired(now: number): void | Promise<void>;
  close(): Promise<void>;
}

/** What a site's store is opened with. */
export interface CaseSiteOptions {
  readonly clock: Clock;
  readonly origin: number;
  readonly logger: Logger;
}

/** Opens the stores of a case's sites. */
export type OpenCaseStore = (index: number, options: CaseSiteOptions) => CaseStore | Promise<CaseStore>;

/** In this process' memory. */
export function openEmbeddedCaseStore(_index: number, { clock, origin, logger }: CaseSiteOptions): CaseStore {
  const random = seededRandom(origin);
  const store = openEmbeddedStore({ clock, random, logger, origin, activeExpiry: false });
  return {
    store,
    setNow: () => {},
    run: (commands, now) => executeArgs(store.keyspace, commands, { now }),
    take: async () => store.outbox.takeDeltas(Number.MAX_SAFE_INTEGER),
    stateOf: (key) => store.stateOf(key),
    allKeys: () => store.allKeys(),
    freeExpired: (now) => store.freeExpired(now),
    close: () => store.close(),
  };
}
