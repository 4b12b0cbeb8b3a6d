// MQKV.PEER: a connection of another site on the clients' port goes over to the queue of peer links.
import type { PeersQueue } from '../queue/peers/index.ts';
import type { Connection } from '../server/index.ts';

/** Hands a connection over, or refuses it. `args`: behind the command's name. */
export function acceptPeer(
  peers: PeersQueue | undefined,
  connection: Connection,
  args: readonly Buffer[],
): void {
  const [word, ...hello] = args.map((arg) => arg.toString('latin1'));
  if (word?.toUpperCase() !== 'HELLO' || peers === undefined) {
    const why = peers === undefined ? 'this site has no peers:// queue' : 'MQKV.PEER takes HELLO first';
    connection.push((reply) => reply.error(`ERR ${why}`));
    connection.close(true);
    return;
  }
  const { remoteAddress } = connection;
  peers.accept({ ...connection.detach(), remoteAddress: hostOf(remoteAddress) }, hello);
}

/** The host of `HOST:PORT` or `[HOST]:PORT`; empty for a Unix socket. */
function hostOf(address: string): string {
  return /^\[?([^\]]*?)\]?:\d+$/.exec(address)?.[1] ?? '';
}
