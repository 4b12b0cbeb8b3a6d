// The folder's door.
export { openPeersQueue, type PeersOptions, type PeersQueue } from './peers-queue.ts';
