// The folder's door: connections to Redis servers.
export { nameOf } from './connection.ts';
export type { Link, LinkOptions, LinkSetup, LinkState, ReplySink, TlsSettings } from './link.ts';
export { openLink } from './redis-link.ts';
