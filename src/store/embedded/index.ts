// The folder's door.
export type { Core } from './core.ts';
export { DeltaBuffer, memoryOf } from './delta-buffer.ts';
export { EmbeddedStore, type EmbeddedStoreOptions, openEmbeddedStore } from './embedded-store.ts';
export type { Fate, Journal } from './journal.ts';
export type { Memory } from './memory.ts';
export { Merging } from './merging.ts';
export {
  fieldsMarked,
  recordsOf,
  registersOf,
  type Replayed,
  replayDeltas,
  scheduleAll,
} from './replaying.ts';
export type { Ref } from './slab.ts';
export { MemoryNotes } from './notes.ts';
export { MemoryStaging } from './staging.ts';
