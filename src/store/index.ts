// The folder's door: the interfaces. Stores have doors of their own (`store/embedded`), opened by site/ alone.
export {
  type CommandUnit,
  type Executor,
  type Lane,
  openLane,
  type ReadRequest,
  type ReplySink,
  type Target,
  type TransactionUnit,
  type WriteRun,
} from './executor.ts';
export type { Found, HashView, Keyspace, SetView, ZsetView } from './keyspace.ts';
export type { GatewayBus, MergeResult, Outbox, Store, StoreStats, Taken } from './store.ts';
