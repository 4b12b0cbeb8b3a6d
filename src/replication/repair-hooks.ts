// What the core of replication asks of repair and bootstrap, and what it gives them: the boundary between the two halves.
import type { Clock, Logger, Random } from '../base/index.ts';
import type { Store } from '../store/index.ts';
import type { Membership } from './membership.ts';
import type { PeerPort } from './peer-port.ts';
import type { Receiver } from './receiver.ts';
import type { Sender } from './sender.ts';

/**
 * Why two sites must be compared. `gap`: messages are lost; `origin`: the store went back, all peers are to be compared; `linked`:
 * a site came, or came back; `old`: an envelope was too old to be merged; `lost`: something of before the last stop was not settled;
 * `collapsed`: the outbox dropped marks (`Outbox.takeCollapsed` tells the slots), all members are to be compared.
 */
export type RepairReason = 'gap' | 'origin' | 'linked' | 'old' | 'lost' | 'collapsed';

/** Counters of comparisons and copies, asked and answered; they only grow, but for `lastRoundMs`. Units: bytes on the wire, about. */
export interface RepairStats {
  readonly rounds: number;
  readonly failures: number;
  readonly keysPulled: number;
  readonly keysPushed: number;
  readonly slotsDiffering: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly bootstrapBytesSent: number;
  readonly bootstrapBytesReceived: number;
  /** Units: ms that the last comparison took. */
  readonly lastRoundMs: number;
}

/** The comparing of this store with those of other sites. */
export interface Repair {
  stats?(): RepairStats;
  /** Asks for a comparison soon, with one store, or with any complete one. Repeated wishes become one. */
  want(reason: RepairReason, storeId?: string): void;
  /** Comparisons wanted because something is known to be missing here (not `linked`, not the background ones), not yet done. */
  readonly pending: number;
  /** A site was heard for the first time, or again, and is not compared yet: it may lack what nobody knows that it was sent. */
  readonly isLinking: boolean;
  close(): Promise<void>;
}

/** The first copy of an empty store. */
export interface Bootstrap {
  /** Resolves when data commands may be served; never rejects. */
  readonly loaded: Promise<void>;
  /** Data commands are to be refused now. */
  readonly isLoading: boolean;
  /** The store holds all that the sites held when it joined. */
  readonly isComplete: boolean;
  close(): Promise<void>;
}

/** What repair and bootstrap are made of. */
export interface RepairContext {
  readonly site: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Absent: only the queue reaches other sites (`sender.peerMessage`, `receiver.onPeerSection`). */
  readonly port: PeerPort | undefined;
  readonly sender: Sender;
  readonly receiver: Receiver;
  readonly membership: Membership;
  /** Last sequences of the store's own streams: everything that they carried is in it. */
  ownSequences(): Readonly<Record<string, number>>;
  /** Units: ms. */
  readonly horizonMs: number;
  readonly serveWhileLoading: boolean;
  /** Without a queue nobody will come. */
  readonly hasQueue: boolean;
  /** Merges what the queue still keeps; absent: it keeps nothing. Errors: the queue's. */
  readonly recall: (() => Promise<void>) | undefined;
  /** Sends a heartbeat soon: what it tells has changed. */
  beat(): void;
}

/** How repair and bootstrap are opened; the defaults are those of `repair/`. */
export interface RepairOpeners {
  openRepair(context: RepairContext): Repair;
  openBootstrap(context: RepairContext, repair: Repair): Bootstrap;
}

/** Where no comparing is wanted (tests of the core): nothing is loading, wishes are only remembered. */
export class NoRepair implements Repair, Bootstrap {
  readonly wanted: { readonly reason: RepairReason; readonly storeId: string | undefined }[] = [];
  readonly pending = 0;
  readonly isLinking = false;
  readonly loaded = Promise.resolve();
  readonly isLoading = false;
  readonly isComplete = true;

  want(reason: RepairReason, storeId?: string): void {
    this.wanted.push({ reason, storeId });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
