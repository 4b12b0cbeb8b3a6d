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
export {
  type ComparedKey,
  type Comparison,
  DEAD,
  type Fragment,
  type GatewayBus,
  type MergeResult,
  type Notes,
  type Outbox,
  type Page,
  SETTLED,
  type Staging,
  type Store,
  type StoreStats,
  type Taken,
  YOUNG,
} from './store.ts';
