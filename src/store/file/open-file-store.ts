// Opens a log store: checks the folder, reads it back, begins a new log.
import {
  type Clock,
  type Disk,
  type FolderLock,
  LOG_BUFFER_BYTES_MAX,
  LOG_REWRITE_BYTES_MIN,
  type Logger,
  MqkvError,
  type Random,
  randomHex,
  randomOrigin,
} from '../../base/index.ts';
import {
  type EmbeddedStore,
  Merging,
  openEmbeddedStore,
  replayDeltas,
  scheduleAll,
} from '../embedded/index.ts';
import { Acceptance } from './acceptance.ts';
import { type CheckedLogs, checkLogs } from './check-logs.ts';
import { FileJournal } from './file-journal.ts';
import { FileStore, type FileStoreParts } from './file-store.ts';
import { type Fsync, type LogFile, LogWriter } from './log-writer.ts';
import {
  type CleanMark,
  damaged,
  FORMAT,
  type Manifest,
  nameOf,
  parseName,
  readClean,
  readManifest,
  removeClean,
  writeManifest,
} from './manifest.ts';
import { codeOf, folderError } from './system-errors.ts';
import { replay, type ReplayTarget } from './replay.ts';
import { Rewriting } from './rewriting.ts';

/** What a log store is opened with. */
export interface FileStoreOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The site's name; the folder remembers it. */
  readonly site: string;
  /** Default: everysec. */
  readonly fsync?: Fsync;
  /** How long deletions are remembered. Units: ms; default HORIZON_MS. */
  readonly horizonMs?: number;
  /** Marks of the outbox beyond this are collapsed to slots. Units: bytes; default OUTBOX_BYTES_MAX. */
  readonly outboxBytesMax?: number;
  /** There is no queue: marks go by themselves. */
  readonly isAlone?: boolean;
  /** A log shorter than this is not rewritten. Units: bytes; default LOG_REWRITE_BYTES_MIN. */
  readonly rewriteBytesMin?: number;
  /** Changes that wait to be written. Units: bytes; default LOG_BUFFER_BYTES_MAX. */
  readonly bufferBytesMax?: number;
  /** For tests: the origin to take, whatever the folder says. */
  readonly origin?: number;
  /** Frees and forgets by itself (default); false: for golden cases. */
  readonly activeExpiry?: boolean;
}

/**
 * Opens the store of a folder, an empty one where there is none.
 * Errors: MqkvError `STORE_IN_USE`, `STORE_DAMAGED`, `STORE_FORMAT`, `STORE_SITE`; the system's.
 */
export async function openFileStore(options: FileStoreOptions): Promise<FileStore> {
  const lock = await lockOf(options.disk);
  try {
    return await open(options, lock);
  } catch (error) {
    await lock.release();
    throw error instanceof MqkvError || codeOf(error) === '' ? error : folderError(options.disk.path, error);
  }
}

/** Locks a folder. Errors: MqkvError. */
export async function lockOf(disk: Disk): Promise<FolderLock> {
  try {
    return await disk.lock();
  } catch (error) {
    throw error instanceof MqkvError ? error : folderError(disk.path, error);
  }
}

/** What was found in the folder. */
interface Found {
  readonly manifest: Manifest;
  readonly checked: CheckedLogs;
  readonly clean: CleanMark | undefined;
  readonly isCopy: boolean;
}

async function open(options: FileStoreOptions, lock: FolderLock): Promise<FileStore> {
  const found = await find(options);
  const embedded = openEmbedded(options, found);
  await fill(embedded, options.disk, found);
  const log = await beginLog(options, found, embedded.id);
  const parts = partsOf(options, { found, embedded, log });
  const { disk, clock, random, logger, rewriteBytesMin = LOG_REWRITE_BYTES_MIN } = options;
  const { manifest, snapshotBytes } = log;
  const { bytes: logBytes } = found.checked;
  const around = { disk, clock, random, logger, bytesMin: rewriteBytesMin };
  const rewriting = new Rewriting({ ...around, ...parts, embedded, manifest, logBytes, snapshotBytes });
  if (options.activeExpiry !== false) embedded.start();
  const { fsync = 'everysec' } = options;
  return new FileStore({ disk, clock, lock, fsync, embedded, rewriting, ...parts });
}

/** The journal and what it writes to. */
function partsOf(
  options: FileStoreOptions,
  {
    found,
    embedded,
    log,
  }: { readonly found: Found; readonly embedded: EmbeddedStore; readonly log: BegunLog },
): Pick<FileStoreParts, 'writer' | 'acceptance' | 'journal'> {
  const { end, accepted } = found.checked;
  const { clock, logger, fsync = 'everysec', bufferBytesMax = LOG_BUFFER_BYTES_MAX } = options;
  const { outbox } = embedded;
  const acceptance = new Acceptance(
    { upTo: accepted, next: end },
    {
      isEmpty: () => outbox.pending === 0 && outbox.collapsed === undefined,
      sequence: () => writer.sequence,
    },
  );
  const around = { clock, logger, fsync, bufferBytesMax, path: options.disk.path };
  const writer: LogWriter = new LogWriter(log.file, {
    ...around,
    sequence: end,
    accepted: () => acceptance.upTo,
  });
  const { core } = embedded.keyspace;
  const journal = new FileJournal({ core, writer, acceptance });
  core.journal = journal;
  return { writer, acceptance, journal };
}

/** Reads and checks what is there; changes nothing. */
async function find({ disk, site, random, logger }: FileStoreOptions): Promise<Found> {
  const read = (await readManifest(disk)) ?? (await emptyManifest(disk, site, random));
  const manifest = read.site === '' ? { ...read, site } : read;
  if (manifest.site !== site) {
    throw new MqkvError(
      'STORE_SITE',
      `the store in "${disk.path}" is of the site "${manifest.site}", not "${site}"; a store keeps the name of its site`,
    );
  }
  const checked = await checkLogs(disk, manifest);
  if (checked.torn !== undefined) {
    const { file, at, blocks } = checked.torn;
    logger.warn({ path: disk.path, file, at, blocks }, 'the end of the log was torn by a crash, cut');
  }
  const clean = await readClean(disk, manifest);
  const last = manifest.logs.at(-1);
  const isCopy = last !== undefined && (await disk.identity(last.name))?.inode !== manifest.inode;
  if (isCopy) logger.warn({ path: disk.path }, 'the folder was copied or restored: the store takes a new id');
  return { manifest, checked, clean, isCopy };
}

async function emptyManifest(disk: Disk, site: string, random: Random): Promise<Manifest> {
  for (const name of await disk.list()) {
    if (parseName(name) !== undefined && ((await disk.identity(name))?.size ?? 0) > 0)
      throw damaged(disk, 'the file "manifest" is missing');
  }
  return { format: FORMAT, site, storeId: randomHex(random, 8), number: 0, logs: [], inode: '' };
}

function openEmbedded(options: FileStoreOptions, { manifest, clean, isCopy }: Found): EmbeddedStore {
  const { clock, random, logger, horizonMs, outboxBytesMax, isAlone = false } = options;
  return openEmbeddedStore({
    clock,
    random,
    logger,
    origin: options.origin ?? clean?.origin ?? randomOrigin(random),
    id: isCopy ? randomHex(random, 8) : manifest.storeId,
    activeExpiry: false,
    isAlone,
    ...(horizonMs === undefined ? {} : { horizonMs }),
    ...(outboxBytesMax === undefined ? {} : { outboxBytesMax }),
  });
}

async function fill(embedded: EmbeddedStore, disk: Disk, { manifest, checked }: Found): Promise<void> {
  const { core } = embedded.keyspace;
  core.isReplaying = true;
  await replay({ disk, manifest, end: checked.end, accepted: checked.accepted }, replayTarget(embedded));
  scheduleAll(core);
}

/** Where a store is filled from. */
export function replayTarget(embedded: EmbeddedStore): ReplayTarget {
  const { core } = embedded.keyspace;
  const merging = new Merging(core);
  return {
    deltas: (deltas, atMs, isMarked) => replayDeltas(core, merging, { deltas, atMs, isMarked }),
    notes: (notes) => embedded.notes.write(notes),
    collapsed: (slots) => embedded.outbox.collapse(slots),
    discarded: () => {
      core.discard();
      embedded.notes.clear();
      embedded.outbox.takeCollapsed();
    },
  };
}

/** A new log, and the manifest that names it. */
interface BegunLog {
  readonly file: LogFile;
  readonly manifest: Manifest;
  /** Units: bytes. */
  readonly snapshotBytes: number;
}

/** From here on the folder changes: the clean mark goes first. */
async function beginLog(
  { disk, random }: FileStoreOptions,
  { manifest, checked }: Found,
  storeId: string,
): Promise<BegunLog> {
  await removeClean(disk);
  for (const { name, end } of manifest.logs) if (end === undefined) await disk.sync(name);
  const number = manifest.number + 1;
  const salt = random.uint32();
  const name = nameOf('log', number, salt);
  const file = await disk.create(name);
  try {
    const inode = (await disk.identity(name))?.inode ?? '';
    const log = { name, salt, first: checked.end };
    const next: Manifest = { ...manifest, storeId, number, inode, logs: [...checked.logs, log] };
    await writeManifest(disk, next);
    await removeOthers(disk, next);
    const snapshot = next.snapshot === undefined ? undefined : await disk.identity(next.snapshot.name);
    return { file: { file, salt }, manifest: next, snapshotBytes: snapshot?.size ?? 0 };
  } catch (error) {
    await file.close().catch(() => {});
    throw error;
  }
}

/** Files of ours that the manifest does not name: of a start or a rewrite that a crash has ended. */
async function removeOthers(disk: Disk, { logs, snapshot }: Manifest): Promise<void> {
  const named = new Set([...logs.map(({ name }) => name), snapshot?.name, 'manifest']);
  for (const name of await disk.list()) {
    const isOurs = parseName(name) !== undefined || name === 'manifest.new' || name === 'clean.new';
    if (isOurs && !named.has(name)) await disk.remove(name);
  }
}
