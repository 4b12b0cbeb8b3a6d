// How the store's own work (merging, outbox, walker) reaches Redis: a router, or in tests one connection.
import type { Latin1 } from '../../base/index.ts';
import type { Reply } from '../../resp/index.ts';
import type { Script } from './scripts.ts';
import { slotKey } from './slots.ts';

/** Arguments of a command or script. Strings are latin1. */
export type Arg = Latin1 | Uint8Array;

/** What a script call takes. */
export interface ScriptCall {
  readonly keys: readonly Arg[];
  readonly args: readonly Arg[];
  /** It changes nothing, so it may be repeated. */
  readonly isRead?: boolean;
}

/** Commands and scripts by slot. Errors: reject with UNCERTAIN, UNAVAILABLE; other error replies are values. */
export interface Access {
  readonly isCluster: boolean;
  call(slot: number, args: readonly Arg[], options?: { readonly isRead?: boolean }): Promise<Reply>;
  /** Owns: nothing of the arguments once it has returned. */
  script(slot: number, script: Script, given: ScriptCall): Promise<Reply>;
}

/** All that lies in Redis of a key: what a script on a cluster declares. */
export function keysOf(key: Latin1, slot: number): Latin1[] {
  const hash = slotKey(slot);
  return [key, hash, `${hash}.`, `${hash}:${key}`];
}
