// Which files of a folder hold a store's data, and the marks of a clean stop.
import { crc32 } from 'node:zlib';
import { type Disk, MqkvError } from '../../base/index.ts';

/** The format of manifest, logs and snapshots that this version writes. */
export const FORMAT = 1;
const MANIFEST = 'manifest';
const CLEAN = 'clean';
/** Units: bytes; far above any real one. */
const TEXT_BYTES_MAX = 1024 * 1024;

/** A file of blocks. */
export interface BlockFile {
  readonly name: string;
  /** The salt of its checksums. */
  readonly salt: number;
}

/** A log. Logs without an end are read as one: the last blocks may be torn. */
export interface LogEntry extends BlockFile {
  /** Sequence of its first block. */
  readonly first: number;
  /** Sequence behind its last block; all of it is there. */
  readonly end?: number;
}

/** What a folder holds. */
export interface Manifest {
  readonly format: number;
  /** '': not known after a repair; the next start says it. */
  readonly site: string;
  readonly storeId: string;
  /** Counts files up. */
  readonly number: number;
  readonly snapshot?: BlockFile & {
    /** Blocks. */
    readonly blocks: number;
    /** Its marks are sent when blocks up to this sequence are accepted. */
    readonly marksUpTo: number;
  };
  readonly logs: readonly LogEntry[];
  /** Of the last log: a copy of the folder has another. */
  readonly inode: string;
}

/** Left by a clean stop: the store may go on with its origin if nobody touched the log. */
export interface CleanMark {
  readonly origin: number;
  readonly log: string;
  readonly inode: string;
  readonly ctimeMs: number;
  readonly size: number;
}

// manifest and clean = one line of JSON, a line feed, the CRC-32 of the line as 8 hex digits, a line feed

/** Writes a small file so that it is there whole or not at all. */
async function writeText(disk: Disk, name: string, value: unknown): Promise<void> {
  const line = Buffer.from(JSON.stringify(value));
  const file = await disk.create(`${name}.new`);
  try {
    await file.write(Buffer.concat([line, Buffer.from(`\n${crc32(line).toString(16).padStart(8, '0')}\n`)]));
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(`${name}.new`, name);
  await disk.syncFolder();
}

/** undefined: there is none; 'damaged'. */
async function readText(disk: Disk, name: string): Promise<unknown> {
  if ((await disk.identity(name)) === undefined) return undefined;
  const [line = '', sum = ''] = (await disk.read(name, 0, TEXT_BYTES_MAX)).toString().split('\n');
  if (Number.parseInt(sum, 16) !== crc32(Buffer.from(line))) return 'damaged';
  return JSON.parse(line);
}

export function writeManifest(disk: Disk, manifest: Manifest): Promise<void> {
  return writeText(disk, MANIFEST, manifest);
}

/** undefined: there is none. Errors: MqkvError `STORE_DAMAGED`, `STORE_FORMAT`. */
export async function readManifest(disk: Disk): Promise<Manifest | undefined> {
  const value = await readText(disk, MANIFEST);
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null) throw damaged(disk, `the file "${MANIFEST}" is damaged`);
  const manifest = value as Manifest;
  if (manifest.format > FORMAT) {
    throw new MqkvError(
      'STORE_FORMAT',
      `the store in "${disk.path}" has format ${manifest.format} of a newer version; this one reads up to ${FORMAT}`,
    );
  }
  return manifest;
}

export function writeClean(disk: Disk, mark: CleanMark): Promise<void> {
  return writeText(disk, CLEAN, mark);
}

/** undefined: there is none, or it does not fit the log as it lies there. */
export async function readClean(disk: Disk, manifest: Manifest): Promise<CleanMark | undefined> {
  const value = await readText(disk, CLEAN);
  if (typeof value !== 'object' || value === null) return undefined;
  const mark = value as CleanMark;
  const log = manifest.logs.at(-1)?.name;
  const found = log === undefined ? undefined : await disk.identity(log);
  const fits =
    found !== undefined &&
    mark.log === log &&
    mark.inode === found.inode &&
    mark.ctimeMs === found.ctimeMs &&
    mark.size === found.size;
  return fits ? mark : undefined;
}

/** Before the first write: from now on a stop that leaves no new mark is none. */
export async function removeClean(disk: Disk): Promise<void> {
  await disk.remove(CLEAN);
  await disk.syncFolder();
}

/** A file of ours by its name: its number and salt. */
export function parseName(
  name: string,
): (BlockFile & { readonly kind: string; readonly number: number }) | undefined {
  const [, kind, number, salt] = /^(log|snapshot)-(\d{8})\.([0-9a-f]{8})$/.exec(name) ?? [];
  if (kind === undefined || number === undefined || salt === undefined) return undefined;
  return { name, kind, number: Number(number), salt: Number.parseInt(salt, 16) };
}

export function nameOf(kind: 'log' | 'snapshot', number: number, salt: number): string {
  return `${kind}-${String(number).padStart(8, '0')}.${salt.toString(16).padStart(8, '0')}`;
}

/** The failure to open a store whose files are not as they were written. */
export function damaged(disk: Disk, what: string): MqkvError {
  return new MqkvError(
    'STORE_DAMAGED',
    `the store in "${disk.path}" is damaged: ${what}; "mqkv repair ${disk.path}" keeps what can be read`,
  );
}
