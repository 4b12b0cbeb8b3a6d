// The folder's door.
export { FileStore } from './file-store.ts';
export type { Fsync } from './log-writer.ts';
export { type FileStoreOptions, openFileStore } from './open-file-store.ts';
export { openDisk } from './open-disk.ts';
export { type Repaired, repairFolder, type RepairOptions } from './repair-folder.ts';
