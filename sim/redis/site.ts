// A Redis store as the simulator drives it: opened over wires with time and faults, its clients at the server at once.
import type { Latin1, Logger, Random } from '../../src/base/index.ts';
import { openRedisStore } from '../../src/store/redis/redis-store.ts';
import type { ProcessLoop } from '../world/site-clock.ts';
import { Direct } from './direct.ts';
import type { RedisNode } from './node.ts';
import { SIM_URL } from './url.ts';

export interface SimRedisSiteOptions {
  readonly clock: ProcessLoop;
  readonly random: Random;
  readonly logger: Logger;
  readonly site: string;
  readonly horizonMs: number;
}

/** Opens the store of a process on its site's Redis. Errors: those of openRedisStore. */
export async function openSimRedisSite(node: RedisNode, options: SimRedisSiteOptions) {
  const { clock, random, logger, site, horizonMs } = options;
  const caller = {
    get isAlive() {
      return clock.isAlive;
    },
    get stalledMs() {
      return clock.isStalled ? 1 : 0;
    },
  };
  const ground = node.groundFor(caller);
  const store = await openRedisStore({
    url: SIM_URL,
    clock,
    random,
    logger,
    site,
    marks: true,
    horizonMs,
    ground,
  });
  const direct = new Direct(node.server);
  const originOf = (): number => store.origin;
  const executor = direct.executor(originOf, store.outbox);
  return {
    store,
    execute(commands: readonly (readonly Latin1[])[]): string {
      direct.losesNextReply = node.losesReplies();
      const replies = executor.execute(commands);
      direct.losesNextReply = false;
      return replies;
    },
    stateOf: (key: Latin1) => direct.stateOf(key),
    allKeys: () => direct.allKeys(),
    isFreeing: true,
    /** Its Redis cannot be written to now, or the gateway has not yet heard who it is. */
    refusesWrites: (): boolean => !node.takesWrites() || store.topology.nodeOf(0)?.origin !== node.origin,
  };
}
