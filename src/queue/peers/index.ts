// The folder's door.
export { FOR_ASKING, PURPOSE_AT } from './handshake.ts';
export {
  type AskedPeer,
  openPeerPort,
  type PeerPortOptions,
  type PeerPortStats,
  TcpPeerPort,
} from './peer-port.ts';
export { openPeersQueue, type PeersOptions, type PeersQueue } from './peers-queue.ts';
