// The scripts of the store's own work; a set of them, since the test harness replaces their clock.
import { assembleMerge, assembleStore, type Script } from './scripts.ts';

/** The scripts of merging, the outbox and the walker. */
export interface StoreScripts {
  readonly read: Script;
  readonly apply: Script;
  readonly merge: Script;
  readonly unmark: Script;
  readonly walk: Script;
}

/** `change`: replaces each text, for tests. */
export function storeScripts(change: (script: Script) => Script = (script) => script): StoreScripts {
  return {
    read: change(assembleStore('read')),
    apply: change(assembleStore('apply')),
    merge: change(assembleMerge()),
    unmark: change(assembleStore('unmark')),
    walk: change(assembleStore('walk')),
  };
}
