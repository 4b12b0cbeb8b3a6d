// Addresses as CLIENT LIST shows them.
import type { Socket } from 'node:net';

/** Both ends of a socket; a Unix socket has no address of its own, `path` then stands for both. */
export function addressesOf(socket: Socket, path = ''): { readonly remote: string; readonly local: string } {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  return {
    remote: remoteAddress === undefined ? `${path}:0` : addressText(remoteAddress, remotePort),
    local:
      localAddress === undefined || remoteAddress === undefined
        ? `${path}:0`
        : addressText(localAddress, localPort),
  };
}

function addressText(host: string, port = 0): string {
  const plain = host.startsWith('::ffff:') ? host.slice(7) : host;
  return plain.includes(':') ? `[${plain}]:${port}` : `${plain}:${port}`;
}
