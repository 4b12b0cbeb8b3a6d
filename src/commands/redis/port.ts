// What the commands off the hot path need of the gateway over a Redis store: single commands in the order of a connection.
import type { Clock, Latin1, Logger } from '../../base/index.ts';
import type { Reply } from '../../resp/index.ts';
import type { AllNodes } from '../../store/redis/all-nodes.ts';
import type { Topology } from '../../store/redis/topology/index.ts';
import type { CallContext } from '../call.ts';
import type { Session } from '../session.ts';
import type { Shared } from '../shared.ts';

/** A command as latin1 words, its name first. */
export type Words = readonly Latin1[];

/** What is executed atomically by one script call. */
export type Unit =
  | { readonly kind: 'command'; readonly args: Words; readonly keys: readonly Latin1[] }
  | {
      readonly kind: 'transaction';
      readonly commands: readonly Words[];
      readonly keys: readonly Latin1[];
      /** Watched keys with the version that each had. */
      readonly watches: ReadonlyMap<Latin1, string>;
    };

/** The gateway over a Redis store, as its commands see it. Order: what one session asks is executed in that order. */
export interface Port {
  readonly shared: Shared;
  /** What calls are made of. */
  readonly callContext: CallContext;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly isCluster: boolean;
  /** The nodes, for connections of their own (channels, invalidations): the store's topology. */
  readonly topology: Pick<Topology, 'nodeOf' | 'nodes'>;
  /** Commands about all keys. */
  readonly allNodes: AllNodes;
  /** Calls `hear` for every key that a write or merge of this gateway has changed, of plain SETs where it `wants` it. Result: stops it. */
  onChanged(hear: (keys: readonly Latin1[]) => void, wants?: () => boolean): () => void;
  /** The database number at the Redis. Default: 0. */
  readonly db?: number | undefined;
  /** Slots with their node's name, one slot for each master: where commands about all nodes are sent. */
  everyNode(): readonly number[];
  /** Read commands at the node of a slot; raw replies, one Buffer each. Errors: MqkvError UNCERTAIN, UNAVAILABLE. */
  ask(session: Session, commands: readonly Words[], place: Place): Promise<Buffer[]>;
  /** One write unit; its raw reply. */
  write(session: Session, unit: Unit, protocol: 2 | 3): Promise<Buffer>;
  /** A command at the node of a slot, outside of any session; parsed. */
  call(args: Words | readonly (string | Uint8Array)[], slot?: number): Promise<Reply>;
}

/** Where and how read commands are asked. */
export interface Place {
  readonly slot: number;
  readonly protocol: 2 | 3;
  /** It does something: never repeated. Default: false. */
  readonly isOnce?: boolean;
}
