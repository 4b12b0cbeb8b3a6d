// A socket's events as one set of callbacks that can be taken off again.
import type { Socket } from 'node:net';

/** What is wanted of a socket. */
export interface SocketEvents {
  received(chunk: Buffer): void;
  ended(): void;
  gone(): void;
  failed(error: Error): void;
}

/** Listens; the result stops it. */
export function onSocket(socket: Socket, events: SocketEvents): () => void {
  const received = (chunk: Buffer): void => events.received(chunk);
  const ended = (): void => events.ended();
  const gone = (): void => events.gone();
  const failed = (error: Error): void => events.failed(error);
  socket.on('data', received).on('end', ended).on('close', gone).on('error', failed);
  return () => {
    socket.off('data', received).off('end', ended).off('close', gone).off('error', failed);
  };
}
