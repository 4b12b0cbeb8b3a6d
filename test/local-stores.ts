// The command face over each store, on a port of its own: what tests of the face run on.
import { requireBroker, startRedis } from './brokers/index.ts';
import { startLocal } from './differential/peers.ts';
import { startRedisGateway } from './redis-gateway.ts';

/** mqkv's command face, listening. */
export interface Local {
  readonly port: number;
  close(): Promise<void>;
}

/** A store to run on; `skip`: why it cannot, or false. */
export interface LocalStore {
  readonly name: string;
  readonly skip: string | false;
  open(): Promise<Local>;
}

async function overRedis(): Promise<Local> {
  const redis = await startRedis();
  const { port, close } = await startRedisGateway(redis.port);
  return {
    port,
    async close() {
      await close();
      await redis.stop();
    },
  };
}

export const LOCAL_STORES: readonly LocalStore[] = [
  { name: 'embedded', skip: false, open: () => startLocal() },
  { name: 'Redis', ...requireBroker('redis-server'), open: overRedis },
];

/** For a title: why the store's tests are skipped. */
export function skipped({ skip }: LocalStore): string {
  return skip === false ? '' : ` (${skip})`;
}
