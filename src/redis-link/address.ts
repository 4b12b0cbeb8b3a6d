// Where a Redis server listens.

/** TCP, or a Unix socket. */
export type RedisAddress = { readonly host: string; readonly port: number } | { readonly path: string };
