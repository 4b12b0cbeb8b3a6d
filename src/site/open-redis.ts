// A site whose store is its own Redis: store, near cache and the command face over them.
import type { SiteNumbers } from '../admin/index.ts';
import { type NearCache, openNearCache } from '../cache/index.ts';
import { createRedisGateway } from '../commands/index.ts';
import { readTls } from '../queue/index.ts';
import { openRedisStore, openTrackedReads, type RedisStore, type TlsSettings } from '../store/redis/index.ts';
import { gatewayOptions, type OpenedStore, type StoreSurroundings } from './open-store.ts';
import type { RedisUrl } from './urls.ts';

const SLOTS = 16_384;

/** Opens it: resolves when a master is known. Errors: MqkvError of the store (UNAVAILABLE, REDIS_…), START for its TLS files. */
export async function openRedis(url: RedisUrl, around: StoreSurroundings): Promise<OpenedStore> {
  const { config, clock, random, logger } = around;
  const store = await openRedisStore({
    url,
    clock,
    random,
    logger,
    site: config.site,
    marks: config.queues.length > 0,
    foreignWrites: config.foreignWrites,
    horizonMs: config.horizonMs,
    maxValueBytes: config.valueBytesMax,
    tls: await tlsOf(url),
  });
  store.outbox.onPublished = (channel, message) => around.hooks.publish?.(channel, message);
  const cache = openCache(store, around);
  const gateway = createRedisGateway({
    ...gatewayOptions(around),
    store,
    redis: store,
    cache,
    verify: () => store.verify(),
  });
  return {
    store,
    handler: gateway,
    deliver: (channel, message) => gateway.deliver(channel, Buffer.from(message, 'latin1')),
    problems: () => problemsOf(store),
    numbers: () => numbersOf(store, cache),
    facts: () => factsOf(store),
    async close() {
      gateway.close();
      cache?.close();
      await store.close();
    },
  };
}

function openCache(store: RedisStore, { config, clock, random }: StoreSurroundings): NearCache | undefined {
  const { cacheBytesMax: bytesMax } = config;
  if (bytesMax === undefined) return undefined;
  const source = openTrackedReads({ topology: store.topology, clock });
  const cache = openNearCache({ bytesMax, clock, random, source });
  store.onChanged((keys) => {
    for (const key of keys) cache.written(key);
  });
  return cache;
}

/** Slots without a master that can be written to. */
function problemsOf({ topology }: RedisStore): readonly string[] {
  if (!topology.isCluster) return topology.nodeOf(0) === undefined ? ['no master of the Redis is known'] : [];
  let lost = 0;
  for (let slot = 0; slot < SLOTS; slot++) if (topology.nodeOf(slot) === undefined) lost++;
  return lost === 0 ? [] : [`${lost} slots of the Redis Cluster have no master that is known`];
}

function numbersOf(store: RedisStore, cache: NearCache | undefined): SiteNumbers {
  const walker = store.walker?.stats();
  const cached = cache?.stats();
  return {
    redisMasters: store.topology.nodes.filter(({ isReady }) => isReady).length,
    redisScriptsTotal: store.router.scriptCalls,
    redisRefusalsTotal: [...store.router.refusals.values()].reduce((sum, count) => sum + count, 0),
    mergeRetriesTotal: store.mergeRetries,
    mergeRefusedTotal: store.refused.total,
    ...(walker && {
      walkerRoundsTotal: walker.rounds,
      walkerResentTotal: walker.resent,
      walkerFreedTotal: walker.freed,
      walkerForgottenTotal: walker.forgotten,
    }),
    ...(cached && {
      cacheHitsTotal: cached.hits,
      cacheMissesTotal: cached.misses,
      cacheLoadsTotal: cached.loads,
      cacheInvalidationsTotal: cached.invalidations,
      cacheEntries: cached.entries,
      cacheBytes: cached.bytes,
    }),
  };
}

function factsOf({ topology }: RedisStore): Readonly<Record<string, unknown>> {
  const masters = topology.nodes.map(({ name, origin, isReady }) => ({ name, origin, ready: isReady }));
  return { redis: { cluster: topology.isCluster, masters } };
}

/** Reads the files that the URL names. */
async function tlsOf({ tls, tlsOptions }: RedisUrl): Promise<TlsSettings | undefined> {
  if (!tls || tlsOptions === undefined) return undefined;
  return readTls(tlsOptions, '--store');
}
