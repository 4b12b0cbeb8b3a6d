// A folder of files as a parameter: the machine's is opened by store/file, the simulator has its own.

/** What tells one file from another, and whether somebody has touched it. */
export interface FileIdentity {
  /** Shape: decimal; a copy has another. */
  readonly inode: string;
  /** Units: ms; when content, name or rights changed last. May have a fraction. */
  readonly ctimeMs: number;
  /** Units: bytes. */
  readonly size: number;
}

/** A file that is only appended to, by one writer, one `write` at a time. */
export interface AppendFile {
  /**
   * Appends. Resolved: it outlives the process, not the machine. Owns: `bytes` must not change until it settles.
   * Errors: the system's (`ENOSPC`); any part of `bytes` may have been appended.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolved: what was written before the call outlives the machine; a write may be under way. Errors: the system's. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** One folder. Names hold no slash. Errors: the system's, with a `code` as Node gives it (`ENOENT`, `EACCES`, `ENOSPC`). */
export interface Disk {
  /** For messages. */
  readonly path: string;
  /** The names of all files. */
  list(): Promise<readonly string[]>;
  /** At most `bytes` bytes from `at` on; fewer at the end of the file. */
  read(name: string, at: number, bytes: number): Promise<Buffer>;
  /** Makes an empty file, in place of one with that name. Its name is safe from a crash of the machine after `syncFolder`. */
  create(name: string): Promise<AppendFile>;
  /** What the file holds outlives the machine. */
  sync(name: string): Promise<void>;
  /** Replaces `to`, atomically. */
  rename(from: string, to: string): Promise<void>;
  /** A file that is not there is no error. */
  remove(name: string): Promise<void>;
  /** undefined: there is no such file. */
  identity(name: string): Promise<FileIdentity | undefined>;
  /** Resolved: names made, renamed and removed before the call outlive the machine. */
  syncFolder(): Promise<void>;
  /**
   * Keeps other processes away until the lock is released; one of a process that has died does not count.
   * Errors: MqkvError `STORE_IN_USE`.
   */
  lock(): Promise<FolderLock>;
}

/** Held by the one process that uses a folder. */
export interface FolderLock {
  /** Idempotent. */
  release(): Promise<void>;
}
