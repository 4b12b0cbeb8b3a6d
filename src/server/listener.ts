// Listening sockets: TCP, Unix, TLS.
import { lstat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { messageOf, MqkvError } from '../base/index.ts';

/** Units: ms. Dead clients are noticed by probes, as with Redis' tcp-keepalive. */
const KEEP_ALIVE_MS = 300_000;
/** Connections that the system may hold before they are accepted, as Redis' tcp-backlog. */
const BACKLOG = 511;

/** Where to listen. */
export interface ListenOptions {
  /** Range: 0 .. 65535; 0: any free port. */
  readonly port?: number;
  /** Default: 127.0.0.1. */
  readonly host?: string;
  /** A Unix socket instead of host and port. A socket file that nobody listens on is replaced. */
  readonly path?: string;
  /** TLS on this address; the server's `tls` otherwise. */
  readonly tls?: TlsOptions;
}

/** Where a server listens. */
export interface ListenAddress {
  /** Empty for a Unix socket. */
  readonly host: string;
  /** 0 for a Unix socket. */
  readonly port: number;
  /** Empty for TCP. */
  readonly path: string;
}

/** A listening socket. */
export interface Listener {
  readonly address: ListenAddress;
  /** Takes no more connections; resolves when the socket is closed to new ones. */
  close(): void;
}

/** Opens a listening socket. Errors: MqkvError `ADDRESS_IN_USE`, `LISTEN_FAILED`. */
export async function openListener(
  options: ListenOptions,
  accept: (socket: Socket, path: string) => void,
  failed: (error: Error) => void,
): Promise<Listener> {
  const path = options.path ?? '';
  const server = serverOf(options, (socket) => accept(socket, path), failed);
  try {
    await listening(server, options);
  } catch (error) {
    if (path === '' || !(await isStale(path, error))) throw listenError(options, error);
    await unlink(path);
    await listening(server, options).catch((again: unknown) => {
      throw listenError(options, again);
    });
  }
  server.on('error', failed);
  return { address: addressOf(server, path), close: () => void server.close() };
}

function serverOf(
  options: ListenOptions,
  accept: (socket: Socket) => void,
  failed: (error: Error) => void,
): Server {
  const shared = {
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  };
  if (options.tls === undefined) return createServer(shared, accept);
  const server = createTlsServer({ ...shared, ...options.tls }, accept);
  server.on('tlsClientError', failed);
  return server;
}

function listening(server: Server, { host = '127.0.0.1', port = 0, path }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const where = path === undefined ? { host, port } : { path };
    server.listen({ ...where, backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** The address is taken by a socket file whose owner is gone. */
async function isStale(path: string, error: unknown): Promise<boolean> {
  if (codeOf(error) !== 'EADDRINUSE') return false;
  const file = await lstat(path).catch(() => undefined);
  if (file?.isSocket() !== true) return false;
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (refused) => resolve(codeOf(refused) === 'ECONNREFUSED'));
  });
}

function listenError(options: ListenOptions, cause: unknown): MqkvError {
  const where = options.path ?? `${options.host ?? '127.0.0.1'}:${options.port ?? 0}`;
  const code = codeOf(cause) === 'EADDRINUSE' ? 'ADDRESS_IN_USE' : 'LISTEN_FAILED';
  return new MqkvError(code, `cannot listen on ${where}: ${messageOf(cause)}`, { cause });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function addressOf(server: Server, path: string): ListenAddress {
  const address = server.address();
  if (address === null || typeof address === 'string') return { host: '', port: 0, path };
  return { host: address.address, port: address.port, path: '' };
}
