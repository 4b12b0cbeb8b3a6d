// Opens the admin HTTP on its address. Import this folder on first use: HTTP and metrics cost start time.
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import { ADMIN_CONNECTIONS_MAX, type Clock, type Logger } from '../base/index.ts';
import { adminApp } from './app.ts';
import type { AdminHooks } from './hooks.ts';
import { openRegistry } from './metrics.ts';

/** What `openAdmin` needs. */
export interface AdminOptions {
  /** `host` without brackets; port 0 takes a free one. */
  readonly address: { readonly host: string; readonly port: number };
  readonly hooks: AdminHooks;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The admin HTTP of one site, listening. */
export interface Admin extends AsyncDisposable {
  /** `HOST:PORT` with the real port. */
  readonly address: string;
  /** Ends profiles under way and closes every connection. Idempotent. */
  close(): Promise<void>;
}

/** Listens. Errors: the system's (`EADDRINUSE`, …), as `node:net` gives them. */
export async function openAdmin({ address, hooks, clock, logger }: AdminOptions): Promise<Admin> {
  const closing = new AbortController();
  const registry = openRegistry(hooks);
  const app = adminApp({ hooks, registry, clock, logger, signal: closing.signal });
  // Without options for it the adapter makes a plain http.Server.
  const server = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server;
  server.maxConnections = ADMIN_CONNECTIONS_MAX;
  await listening(server, address);
  server.on('error', (error) => logger.error({ err: error }, 'admin server failed'));
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= shut(server, closing).then(() => registry.clear());
    return closed;
  };
  return { address: addressOf(server), close, [Symbol.asyncDispose]: close };
}

function listening(server: Server, { host, port }: AdminOptions['address']): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

function addressOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function shut(server: Server, closing: AbortController): Promise<void> {
  closing.abort();
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
