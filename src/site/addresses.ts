// Addresses as users write them: HOST:PORT, [IPV6]:PORT and unix:PATH.
import { isIPv4, isIPv6 } from 'node:net';
import { badValue } from './quantities.ts';

/** A TCP address. `host` without brackets. Range: port 0..65535, 0 asks the system for a free one. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Where clients are accepted. */
export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** Units: bytes. The kernel's room for a Unix socket's path (108 with the final NUL; 104 on the BSDs and macOS). */
const UNIX_PATH_BYTES_MAX = 103;

/** Parses `HOST:PORT`, `[IPV6]:PORT`, `unix:PATH`. Errors: MqkvError `BAD_VALUE`. */
export function parseListen(text: string): ListenAddress {
  const allowed = 'must be HOST:PORT, [IPV6]:PORT or unix:PATH, PORT from 0 (any free) to 65535';
  if (text.startsWith('unix:')) return { kind: 'unix', path: unixPath(text.slice(5)) };
  const address = splitHostPort(text);
  if (address !== undefined) return { kind: 'tcp', ...address };
  throw badValue(allowed + listenHint(text));
}

/** Parses `HOST:PORT` or `[IPV6]:PORT`. `portMin`: 0 for listening, 1 for an address to connect to. */
export function parseHostPort(text: string, portMin: 0 | 1): HostPort {
  const address = splitHostPort(text);
  if (address !== undefined && address.port >= portMin) return address;
  throw badValue(`must be HOST:PORT or [IPV6]:PORT, PORT from ${portMin} to 65535${listenHint(text)}`);
}

/** Parses a broker's address, whose port may be left out. */
export function parseBroker(text: string, defaultPort: number): HostPort {
  const bare = /^\[[^\]]*\]$|^[^:[\]]+$/.test(text);
  const address = splitHostPort(bare ? `${text}:${defaultPort}` : text);
  if (address !== undefined && address.port > 0) return address;
  throw badValue(`holds "${text}" where HOST, HOST:PORT or [IPV6]:PORT must stand`);
}

/** `HOST:PORT` with brackets around IPv6; `unix:PATH`. */
export function formatAddress(address: HostPort | ListenAddress): string {
  if ('path' in address) return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function splitHostPort(text: string): HostPort | undefined {
  const [, bracketed, name, digits = ''] =
    /^(?:\[([^\]]+)\]|([A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})?)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === '' || port > 65535) return undefined;
  if (bracketed !== undefined) return isIPv6(bracketed) ? { host: bracketed, port } : undefined;
  const numeric = name !== undefined && /^[\d.]+$/.test(name);
  return name === undefined || (numeric && !isIPv4(name)) ? undefined : { host: name, port };
}

/** Checks the path of a Unix socket. Errors: MqkvError `BAD_VALUE`. */
export function unixPath(path: string): string {
  const bytes = Buffer.byteLength(path);
  if (bytes > 0 && bytes <= UNIX_PATH_BYTES_MAX && !path.includes('\0')) return path;
  throw badValue(`must be unix:PATH with a path of 1 to ${UNIX_PATH_BYTES_MAX} bytes`);
}

function listenHint(text: string): string {
  if (/^:?\d{1,5}$/.test(text)) return `; did you mean "127.0.0.1:${text.replace(':', '')}"?`;
  const [, host = '', port = ''] = /^(.*):(\d{1,5})$/.exec(text) ?? [];
  return isIPv6(host) ? `; did you mean "[${host}]:${port}"?` : '';
}
