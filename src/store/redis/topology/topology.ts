// Which Redis serves a slot: one server, the master that sentinels know, or a cluster.
import type { Clock, Logger, Random } from '../../../base/index.ts';
import type { Ground, Link, LinkSetup, TlsSettings } from '../../../redis-link/index.ts';
import type { RedisUrl } from '../url-type.ts';

/** One master. */
export interface Node {
  /** Shape: HOST:PORT, or the path of a Unix socket. */
  readonly name: string;
  /**
   * The first 32 bits of its master_replid (0 and ffffffff taken as 1 and fffffffe): on connecting, after READONLY, every second.
   * 0 before it is known. What waits on its links when it changes fails with ORIGIN_CHANGED, not written.
   */
  readonly origin: number;
  /** It is a master, its origin is known, and it may be written to. */
  readonly isReady: boolean;
  /** The data link, opened at the first call. Order: what is sent on it is executed in that order. */
  link(protocol: 2 | 3): Link;
  /** Writes at once what its data links were given. Optional. */
  flush?(): void;
  /** A link of its own (tracking, pub/sub) to this server while it is a master; the caller closes it, at the latest it ends with the node. */
  dedicated(protocol: 2 | 3, options?: DedicatedOptions): Link;
  /** `?read=replica`: a link to the healthy replica with the shortest round trip, if there is one. */
  replica?(protocol: 2 | 3): Link | undefined;
}

/** What is special about a link of its own. */
export interface DedicatedOptions {
  /** Runs on each new connection after the node's own setup. */
  readonly onReady?: (setup: LinkSetup) => Promise<void>;
  /** Units: ms; 0: never. For links on which silence is normal. */
  readonly hangTimeoutMs?: number;
}

/** 'origin': the node's origin has become known or is another one; 'nodes': a master came or went (`nodes` has them now). */
export interface TopologyChange {
  readonly kind: 'origin' | 'nodes';
  readonly node: Node;
}

/** The masters of one store. */
export interface Topology {
  readonly isCluster: boolean;
  /** The node that serves a slot and is ready; undefined: none now. */
  nodeOf(slot: number): Node | undefined;
  /** The masters known, ready or not. */
  readonly nodes: readonly Node[];
  /** Resolves when the slot's master is ready. Errors: UNAVAILABLE after 2 s. */
  ready(slot: number): Promise<Node>;
  /** Something says that the picture is old (READONLY, MOVED, a lost connection): look again. */
  refresh(reason: string): void;
  /** A MOVED (an empty host: that of the slot's node): that node serves the slot from now on. undefined: not a known address of this cluster; it looks again. Cluster only. */
  moved(slot: number, host: string, port: number): Node | undefined;
  /** The target of an ASK. undefined as for `moved`. Cluster only. */
  asking(slot: number, host: string, port: number): Node | undefined;
  onChange: ((change: TopologyChange) => void) | undefined;
  close(): Promise<void>;
}

/** What a topology needs besides the URL. */
export interface Around {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** CLIENT SETNAME of all links. Default `mqkv`. */
  readonly clientName?: string;
  /** For URLs with TLS: certificates beyond the system's. */
  readonly tls?: TlsSettings;
  /** Instead of the machine's sockets and event loop. */
  readonly ground?: Ground | undefined;
  /** Runs on each new data link before anything else is sent (SCRIPT LOAD). */
  readonly onReady?: (setup: LinkSetup, node: Node) => Promise<void>;
  /** Units: ms that `openTopology` waits for a master. Default 10 s. */
  readonly openTimeoutMs?: number;
  /** Units: ms, see LinkOptions; of all links. */
  readonly hangTimeoutMs?: number;
}

/** Opens a topology of one kind. */
export type OpenTopology = (url: RedisUrl, around: Around) => Promise<Topology>;
