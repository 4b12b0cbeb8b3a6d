// From a config's store to its adapter and the command face over it; a Redis store is loaded only when it is configured.
import { bytesOf, type Clock, type Latin1, latin1Of, type Logger, type Random } from '../base/index.ts';
import type { SiteNumbers } from '../admin/index.ts';
import { createGateway, type GatewayOptions } from '../commands/index.ts';
import type { Handler } from '../server/index.ts';
import { openEmbeddedStore } from '../store/embedded/index.ts';
import type { Store } from '../store/index.ts';
import type { Config } from './config.ts';

/** What a store and its gateway need of the site around them. */
export interface StoreSurroundings {
  readonly config: Config;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** What the gateway is told by and tells the site. */
  readonly hooks: Pick<
    GatewayOptions,
    'version' | 'info' | 'publish' | 'peer' | 'refusal' | 'shutdown' | 'wait' | 'replication'
  >;
}

/** An open store with its command face. */
export interface OpenedStore {
  readonly store: Store;
  readonly handler: Handler;
  /** Hands a message published at another site to local subscribers. */
  deliver(channel: Latin1, message: Latin1): void;
  /** Why data commands cannot be answered now; empty: they can. */
  problems(): readonly string[];
  /** What only this kind of store counts. */
  numbers(): SiteNumbers;
  /** Further facts for `/api/v1/stats`; JSON. */
  facts(): Readonly<Record<string, unknown>>;
  close(): Promise<void>;
}

/** Opens the store of a config. Errors: MqkvError of the adapter. */
export async function openStore(around: StoreSurroundings): Promise<OpenedStore> {
  const { store: url } = around.config;
  if (url.kind === 'memory') return openEmbedded(around);
  if (url.kind === 'file') return (await import('./open-file.ts')).openFile(url, around);
  const { openRedis } = await import('./open-redis.ts');
  return openRedis(url, around);
}

/** What every gateway is made of. */
export function gatewayOptions({
  config,
  clock,
  random,
  logger,
  hooks,
}: StoreSurroundings): Omit<GatewayOptions, 'keyspace' | 'store'> {
  const password = config.password === undefined ? undefined : latin1Of(config.password);
  return { ...hooks, clock, random, logger, password, maxValueBytes: config.valueBytesMax };
}

function openEmbedded(around: StoreSurroundings): OpenedStore {
  const { clock, random, logger } = around;
  const { horizonMs, outboxBytesMax } = around.config;
  const isAlone = around.config.queues.length === 0;
  const store = openEmbeddedStore({ clock, random, logger, horizonMs, outboxBytesMax, isAlone });
  const handler = createGateway({ ...gatewayOptions(around), keyspace: store.keyspace, store });
  return {
    store,
    handler,
    deliver: (channel, message) => void handler.deliver(channel, bytesOf(message)),
    problems: () => [],
    numbers: () => ({}),
    facts: () => ({}),
    close: () => store.close(),
  };
}
