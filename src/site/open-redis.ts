// A site whose store is its own Redis.
import { MqkvError } from '../base/index.ts';
import type { OpenedStore, StoreSurroundings } from './open-store.ts';
import type { RedisUrl } from './urls.ts';

/** Opens it. Errors: MqkvError. */
export async function openRedis(_url: RedisUrl, _around: StoreSurroundings): Promise<OpenedStore> {
  throw new MqkvError('START', 'a Redis store cannot be opened yet');
}
