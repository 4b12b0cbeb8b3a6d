// What all links to the servers of one store have in common.
import type { LinkOptions } from '../../../redis-link/index.ts';
import type { RedisUrl } from '../url-type.ts';
import type { Around } from './topology.ts';

/** Everything but the address and the protocol. */
export function linkOptionsOf(url: RedisUrl, around: Around): Omit<LinkOptions, 'address' | 'protocol'> {
  const { clock, random, logger, clientName = 'mqkv', hangTimeoutMs, ground } = around;
  return {
    clock,
    random,
    logger,
    clientName,
    hangTimeoutMs,
    ground,
    tls: url.tls ? (around.tls ?? {}) : undefined,
    user: url.user,
    password: url.password,
    db: url.db,
  };
}
