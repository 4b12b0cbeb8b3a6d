// A TCP connection to another site, from its start until it stands.
import { connect, type Socket } from 'node:net';
import { type Clock, MqkvError } from '../../base/index.ts';

/** Units: ms until a TCP connection counts as failed. */
const CONNECT_MS = 5_000;

/** Begins to connect. */
export function dialled({ host, port }: { readonly host: string; readonly port: number }): Socket {
  return connect({ host, port, noDelay: true });
}

/** Resolves when the connection stands. Errors: MqkvError `PEER_UNREACHABLE`. */
export function connected(socket: Socket, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error): void => {
      timer.cancel();
      socket.off('error', settle);
      socket.off('connect', onConnect);
      if (error === undefined) resolve();
      else reject(new MqkvError('PEER_UNREACHABLE', error.message, { cause: error }));
    };
    const timer = clock.after(CONNECT_MS, () => settle(new Error(`no connection within ${CONNECT_MS} ms`)));
    const onConnect = (): void => settle();
    socket.on('error', settle);
    socket.on('connect', onConnect);
  });
}
