// The folder's door.
export { type EmbeddedStore, type EmbeddedStoreOptions, openEmbeddedStore } from './embedded-store.ts';
export { MemoryNotes } from './notes.ts';
export { MemoryStaging } from './staging.ts';
