// The folder's door: the interface and what is the same for all. Adapters have doors of their own (`queue/nsq`, …), opened by site/ alone.
export type {
  BrokerState,
  BrokerStats,
  Queue,
  QueueCapabilities,
  QueueMessage,
  QueueStats,
} from './queue.ts';
export { type QueueTls, readTls, type TlsFiles } from './tls.ts';
export { severalQueues } from './several.ts';
