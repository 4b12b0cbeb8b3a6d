// The command face over a real Redis, for tests: topology, router, executor and gateway, listening on a port of its own; no store, so nothing replicates.
import { type Logger, seededRandom, silentLogger, systemClock, VALUE_BYTES_MAX } from '../src/base/index.ts';
import type { GatewayOptions } from '../src/commands/index.ts';
import { createRedisGateway, type RedisGateway } from '../src/commands/redis-gateway.ts';
import { createServer } from '../src/server/index.ts';
import type { Store } from '../src/store/index.ts';
import { openAllNodes } from '../src/store/redis/all-nodes.ts';
import { openExecutor } from '../src/store/redis/executor.ts';
import { openRouter, type Router } from '../src/store/redis/router.ts';
import { assembleWrite } from '../src/store/redis/scripts.ts';
import { tagOf } from '../src/store/redis/slots.ts';
import { openTopology } from '../src/store/redis/topology/index.ts';
import type { RedisUrl } from '../src/store/redis/url-type.ts';

const SLOTS = 16_384;

/** A gateway over a Redis, listening. */
export interface LocalRedisGateway {
  readonly port: number;
  readonly gateway: RedisGateway;
  close(): Promise<void>;
}

/** Errors are shown: a test that makes none must see none. */
const logger: Logger = { ...silentLogger, error: (fields, text) => console.error(text, fields) };

/** Opens a gateway over the Redis at a loopback port, or over the cluster with nodes at these ports. */
export async function startRedisGateway(
  ports: number | readonly number[],
  options: Partial<GatewayOptions> = {},
): Promise<LocalRedisGateway> {
  const random = seededRandom(7);
  const common = { clock: systemClock, random, logger };
  const script = assembleWrite();
  const topology = await openTopology(urlOf(ports), {
    ...common,
    onReady: async (setup) => void (await setup.call(['SCRIPT', 'LOAD', script.text])),
  });
  const router = openRouter(topology, common);
  if (!topology.isCluster) await writeTags(router);
  const executor = openExecutor({
    upstream: router,
    script,
    origin: (slot) => topology.nodeOf(slot)?.origin ?? 0,
    maxValueBytes: options.maxValueBytes ?? VALUE_BYTES_MAX,
  });
  const allNodes = openAllNodes({ ...common, router, topology });
  const redis = { executor, router, topology, allNodes, onChanged: () => () => {} };
  const gateway = createRedisGateway({ ...common, store: noStore, version: '0.0.0', ...options, redis });
  const server = createServer({ handler: gateway, logger });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  return {
    port,
    gateway,
    async close() {
      await server.close({ graceMs: 100 });
      gateway.close();
      await router.close();
      await topology.close();
    },
  };
}

function urlOf(ports: number | readonly number[]): RedisUrl {
  const mode = typeof ports === 'number' ? 'standalone' : 'cluster';
  const all = typeof ports === 'number' ? [ports] : ports;
  const addresses = all.map((port) => ({ host: '127.0.0.1', port }));
  return { kind: 'redis', mode, addresses, db: 0, tls: false, readReplica: false };
}

/** What a store writes when it opens: scripts find the tag of a key that is not declared there. */
async function writeTags(router: Router): Promise<void> {
  const tags = Array.from({ length: SLOTS }, (_, slot) => tagOf(slot)).join('');
  await router.call(0, ['SET', 'mqkv:tags', tags]);
}

/** As much of a store as the command face asks of it. */
const noStore = {
  name: 'redis',
  id: '0'.repeat(16),
  origin: 0,
  outbox: { pending: 0, pendingBytes: 0 },
  stats: () => ({ keys: 0, tombstones: 0, memoryBytes: 0 }),
} as unknown as Store;
