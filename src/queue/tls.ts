// TLS of connections to brokers: what a URL says, and the files it names, read.
import { readFile } from 'node:fs/promises';
import { messageOf, MqkvError } from '../base/index.ts';

/** How TLS connections are made. The files are PEM. */
export interface QueueTls {
  /** Certificate authorities; undefined: those of the system. */
  readonly caFile?: string | undefined;
  /** The client's certificate and its key; both or none. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** Whether the server's certificate is checked. */
  readonly verify: boolean;
}

/** The same as node:tls wants it. */
export interface TlsFiles {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly rejectUnauthorized: boolean;
}

/**
 * Reads the files. `named`: what names them, for the message (`--store`, `--queue`).
 * Errors: MqkvError `START`, for a file that cannot be read.
 */
export async function readTls(tls: QueueTls, named = '--queue'): Promise<TlsFiles> {
  const { caFile, certFile, keyFile, verify } = tls;
  const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map((path) => fileOf(path, named)));
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }), rejectUnauthorized: verify };
}

async function fileOf(path: string | undefined, named: string): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  return readFile(path).catch((error: unknown) => {
    const reason = messageOf(error).split(',')[0] ?? '';
    throw new MqkvError('START', `${named} names "${path}", which cannot be read: ${reason}`);
  });
}
