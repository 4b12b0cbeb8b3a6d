// A TCP connection to another site, from its start until it stands.
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { type Clock, MqkvError } from '../../base/index.ts';
import type { TlsFiles } from '../tls.ts';

/** Units: ms until a TCP connection counts as failed. */
const CONNECT_MS = 5_000;

/** Begins to connect. `tls`: the other site listens with --tls-cert. */
export function dialled(
  { host, port }: { readonly host: string; readonly port: number },
  tls: TlsFiles | undefined,
): Socket {
  if (tls === undefined) return connect({ host, port, noDelay: true });
  return connectTls({ host, port, servername: isIP(host) === 0 ? host : '', ...tls }).setNoDelay(true);
}

/** Resolves when the connection stands. Errors: MqkvError `PEER_UNREACHABLE`. */
export function connected(socket: Socket, clock: Clock): Promise<void> {
  const event = socket instanceof TLSSocket ? 'secureConnect' : 'connect';
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      timer.cancel();
      socket.off('error', settle);
      socket.off(event, onConnect);
      if (error === undefined) resolve();
      else reject(new MqkvError('PEER_UNREACHABLE', error.message, { cause: error }));
    };
    const timer = clock.after(CONNECT_MS, () => settle(new Error(`no connection within ${CONNECT_MS} ms`)));
    const onConnect = (): void => settle();
    socket.on('error', settle);
    socket.on(event, onConnect);
  });
}
