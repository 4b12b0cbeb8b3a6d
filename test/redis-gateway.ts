// The command face over a real Redis, for tests: topology, router, executor and gateway, listening on a port of its own.
import { type Logger, seededRandom, silentLogger, systemClock } from '../src/base/index.ts';
import { createRedisGateway, type RedisGateway } from '../src/commands/redis-gateway.ts';
import type { GatewayOptions } from '../src/commands/index.ts';
import { createServer } from '../src/server/index.ts';
import type { Store } from '../src/store/index.ts';
import { openAllNodes } from '../src/store/redis/all-nodes.ts';
import { openExecutor } from '../src/store/redis/executor.ts';
import { openRouter } from '../src/store/redis/router.ts';
import { assembleWrite } from '../src/store/redis/scripts.ts';
import { tagOf } from '../src/store/redis/slots.ts';
import { openLink } from '../src/store/redis/upstream/index.ts';
import type { Node, Topology } from '../src/store/redis/topology/index.ts';

/** A gateway over a Redis, listening. */
export interface LocalRedisGateway {
  readonly port: number;
  readonly gateway: RedisGateway;
  close(): Promise<void>;
}

/** Errors are shown: a test that makes none must see none. */
const logger: Logger = { ...silentLogger, error: (fields, text) => console.error(text, fields) };

/** Opens a gateway over the Redis at a loopback port. */
export async function startRedisGateway(
  redisPort: number,
  options: Partial<GatewayOptions> = {},
): Promise<LocalRedisGateway> {
  const random = seededRandom(7);
  const common = { clock: systemClock, random, logger };
  const script = assembleWrite();
  const open = (protocol: 2 | 3) =>
    openLink({
      address: { host: '127.0.0.1', port: redisPort },
      protocol,
      ...common,
      onReady: async (setup) => void (await setup.call(['SCRIPT', 'LOAD', script.text])),
    });
  const data = new Map<number, ReturnType<typeof open>>();
  const node: Node = {
    name: `127.0.0.1:${redisPort}`,
    origin: 7,
    isReady: true,
    link: (protocol) => {
      const l = data.get(protocol) ?? open(protocol);
      data.set(protocol, l);
      return l;
    },
    dedicated: (protocol) => open(protocol),
  };
  const topology: Topology = {
    isCluster: false,
    nodeOf: () => node,
    nodes: [node],
    ready: async () => node,
    refresh() {},
    moved: () => node,
    asking: () => node,
    onChange: undefined,
    async close() {
      for (const l of data.values()) l.close();
    },
  };
  const router = openRouter(topology, common);
  const executor = openExecutor({
    upstream: {
      isCluster: false,
      send: (request, sink) => router.send({ ...request, evalBytes: request.evalBytes }, sink),
    },
    script,
    origin: () => node.origin,
    maxValueBytes: options.maxValueBytes ?? 512 * 1024 * 1024,
  });
  await router.call(0, [
    'SET',
    'mqkv:tags',
    Array.from({ length: 16384 }, (_, slot) => tagOf(slot)).join(''),
  ]);
  const store = {
    name: 'redis',
    id: '0'.repeat(16),
    origin: 7,
    outbox: { pending: 0, pendingBytes: 0 },
    stats: () => ({ keys: 0, tombstones: 0, memoryBytes: 0 }),
  } as unknown as Store;
  const gateway = createRedisGateway({
    ...common,
    store,
    version: '0.0.0',
    ...options,
    redis: {
      executor,
      router,
      topology,
      allNodes: openAllNodes({ router, topology, clock: systemClock, random }),
      onChanged: () => () => {},
    },
  });
  const server = createServer({ handler: gateway, logger });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  return {
    port: address.port,
    gateway,
    async close() {
      await server.close({ graceMs: 100 });
      gateway.close();
      await router.close();
      await topology.close();
    },
  };
}
