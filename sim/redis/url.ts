// The address under which a simulated Redis is opened: nobody looks it up.
import type { RedisUrl } from '../../src/store/redis/url-type.ts';

export const SIM_URL: RedisUrl = {
  kind: 'redis',
  mode: 'standalone',
  addresses: [{ host: 'simulated', port: 6379 }],
  db: 0,
  tls: false,
  readReplica: false,
};
