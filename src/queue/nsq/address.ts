// Broker addresses: HOST:PORT in text and in parts, `[::1]` for IPv6.

/** A TCP address. `host` is without brackets. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, with brackets around an IPv6 host. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

const SHAPE = /^(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([A-Za-z0-9._-]+))(?::([^:]*))?$/;

/** The address in `text`, or what is wrong with it. `defaultPort` stands in where no port is given. */
export function parseAddress(text: string, defaultPort: number): Address | string {
  const parts = SHAPE.exec(text);
  const host = parts?.[1] ?? parts?.[2];
  if (parts === null || host === undefined) return `"${text}" is no HOST:PORT (IPv6 as [::1]:${defaultPort})`;
  const digits = parts[3];
  if (digits === undefined) return { host, port: defaultPort };
  const port = Number(digits);
  if (!/^\d{1,5}$/.test(digits) || port < 1 || port > 65535)
    return `port "${digits}" is not within 1 to 65535`;
  return { host, port };
}

/** An address as the kernel reports it: IPv4 inside IPv6 is shown as IPv4. */
export function kernelHost(host: string): string {
  return host.startsWith('::ffff:') && host.includes('.') ? host.slice(7) : host;
}
