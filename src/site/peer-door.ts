// MQKV.PEER: a connection of another site on the clients' port goes over to the queue of peer links, or to the port for requests.
import { FOR_ASKING, type PeersQueue, PURPOSE_AT, type TcpPeerPort } from '../queue/peers/index.ts';
import type { Connection } from '../server/index.ts';

/** Who takes connections of other sites. */
export interface PeerDoors {
  /** Links of a peers:// queue. */
  readonly peers: PeersQueue | undefined;
  /** Requests. */
  readonly port: TcpPeerPort | undefined;
  /** Clients need a password, and sites have none between them: whoever reaches the port could read everything. */
  readonly isClosed: boolean;
}

/** Hands a connection over, or refuses it. `args`: behind the command's name. */
export function acceptPeer(doors: PeerDoors, connection: Connection, args: readonly Buffer[]): void {
  const [word, ...hello] = args.map((arg) => arg.toString('latin1'));
  const door = hello[PURPOSE_AT] === FOR_ASKING ? doors.port : doors.peers;
  const why = refusalOf(doors, word, door !== undefined);
  if (door === undefined || why !== undefined) {
    connection.push((reply) => reply.error(why ?? 'ERR this site has no peers:// queue'));
    connection.close(true);
    return;
  }
  const { remoteAddress } = connection;
  door.accept({ ...connection.detach(), remoteAddress: hostOf(remoteAddress) }, hello);
}

function refusalOf({ isClosed }: PeerDoors, word: string | undefined, isOpen: boolean): string | undefined {
  if (word?.toUpperCase() !== 'HELLO') return 'ERR MQKV.PEER takes HELLO first';
  if (!isOpen) return 'ERR this site has no peers:// queue';
  return isClosed
    ? 'NOAUTH clients of this site need a password; other sites need a shared secret (--secret-file)'
    : undefined;
}

/** The host of `HOST:PORT` or `[HOST]:PORT`; empty for a Unix socket. */
function hostOf(address: string): string {
  return /^\[?([^\]]*?)\]?:\d+$/.exec(address)?.[1] ?? '';
}
