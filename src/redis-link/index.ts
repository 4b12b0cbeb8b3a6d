// The folder's door: connections to Redis servers.
export type { RedisAddress } from './address.ts';
export { nameOf } from './connection.ts';
export type {
  Ground,
  Link,
  LinkOptions,
  LinkSetup,
  LinkState,
  ReplySink,
  TlsSettings,
  UpstreamSocket,
} from './link.ts';
export { openLink } from './redis-link.ts';
