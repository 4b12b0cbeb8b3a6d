// The scripts of the store's own work; a set of them, since the test harness replaces their clock.
import { assembleMerge, assembleStore, type Script } from './scripts.ts';

/** The scripts of merging, the outbox, the walker and repair. */
export interface StoreScripts {
  readonly read: Script;
  readonly apply: Script;
  readonly merge: Script;
  readonly unmark: Script;
  readonly walk: Script;
  readonly scan: Script;
  readonly plain: Script;
  readonly mark: Script;
  readonly notes: Script;
  readonly fragment: Script;
  readonly discard: Script;
}

/** `change`: replaces each text, for tests. */
export function storeScripts(change: (script: Script) => Script = (script) => script): StoreScripts {
  return {
    read: change(assembleStore('read')),
    apply: change(assembleStore('apply')),
    merge: change(assembleMerge()),
    unmark: change(assembleStore('unmark')),
    walk: change(assembleStore('walk')),
    scan: change(assembleStore('scan')),
    plain: change(assembleStore('plain')),
    mark: change(assembleStore('mark')),
    notes: change(assembleStore('notes')),
    fragment: change(assembleStore('fragment')),
    discard: change(assembleStore('discard')),
  };
}
