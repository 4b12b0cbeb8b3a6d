// Makes a damaged folder usable again: everything that can be read is kept, the files with damage are set aside.
import { type Clock, type Disk, MqkvError, type Random, randomHex, silentLogger } from '../../base/index.ts';
import { type EmbeddedStore, openEmbeddedStore, scheduleAll } from '../embedded/index.ts';
import {
  type BlockFile,
  FORMAT,
  type Manifest,
  nameOf,
  parseName,
  readManifest,
  removeClean,
  writeManifest,
} from './manifest.ts';
import { lockOf, replayTarget } from './open-file-store.ts';
import { readBlocks } from './read-blocks.ts';
import { replayBlock, type ReplayTarget } from './replay.ts';
import { writeSnapshot } from './snapshot.ts';

export interface RepairOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
}

/** What a repair found and did. */
export interface Repaired {
  /** One line a file with damage, and what is missing. Empty: nothing was damaged, nothing was changed. */
  readonly damage: readonly string[];
  /** Keys that show something now. */
  readonly keys: number;
}

/** How a file was read. */
interface FileReport {
  readonly name: string;
  /** Intact blocks, and those that are missing between them. */
  readonly blocks: number;
  readonly missing: number;
  /** Units: bytes that are no block. */
  readonly badBytes: number;
  readonly exists: boolean;
}

/**
 * Repairs a folder. The notes go when anything is missing, since they may tell of what is not there any more; the next start takes
 * a new origin, so that the store is compared with the other sites.
 * Errors: MqkvError `STORE_IN_USE`, `STORE_FORMAT`, `STORE_EMPTY`; the system's.
 */
export async function repairFolder(options: RepairOptions): Promise<Repaired> {
  const lock = await lockOf(options.disk);
  try {
    return await repair(options);
  } finally {
    await lock.release();
  }
}

async function repair(options: RepairOptions): Promise<Repaired> {
  const { disk, clock, random } = options;
  const { manifest, problem } = await whatIsThere(disk);
  const embedded = openEmbeddedStore({ clock, random, logger: silentLogger, activeExpiry: false });
  embedded.keyspace.core.isReplaying = true;
  const reading = await readAll(disk, manifest, replayTarget(embedded));
  scheduleAll(embedded.keyspace.core);
  const damage = [...problem, ...reading.reports.flatMap((report) => lineOf(report))];
  if (damage.length > 0) {
    embedded.notes.clear();
    await rewrite(options, { manifest, embedded, reading });
  }
  return { damage, keys: embedded.stats().keys };
}

/** The manifest, or one made of what lies there, in order. */
async function whatIsThere(
  disk: Disk,
): Promise<{ readonly manifest: Manifest; readonly problem: readonly string[] }> {
  try {
    const manifest = await readManifest(disk);
    if (manifest !== undefined) return { manifest, problem: [] };
  } catch (error) {
    if (!(error instanceof MqkvError) || error.code !== 'STORE_DAMAGED') throw error;
  }
  const names = (await disk.list()).map(parseName).filter((name) => name !== undefined);
  if (names.length === 0) throw new MqkvError('STORE_EMPTY', `there is no store in "${disk.path}"`);
  const number = Math.max(...names.map((name) => name.number));
  const logs = names
    .sort((a, b) => a.number - b.number || (a.kind < b.kind ? 1 : -1))
    .map(({ name, salt }) => ({ name, salt, first: 0 }));
  return {
    manifest: { format: FORMAT, site: '', storeId: '', number, logs, inode: '' },
    problem: [
      'manifest: cannot be read; all logs and snapshots were taken together, the store takes a new id',
    ],
  };
}

interface Reading {
  readonly reports: readonly FileReport[];
  /** Sequence behind the last block of the logs. */
  readonly end: number;
}

async function readAll(disk: Disk, manifest: Manifest, target: ReplayTarget): Promise<Reading> {
  const reports: FileReport[] = [];
  const accepted = await lastAccepted(disk, manifest);
  let end = 1;
  if (manifest.snapshot !== undefined) {
    const { marksUpTo, blocks } = manifest.snapshot;
    const read = await readFile(
      disk,
      manifest.snapshot,
      { first: 1, end: blocks + 1 },
      (block) => void replayBlock(block, target, accepted <= marksUpTo),
    );
    reports.push(read.report);
  }
  for (const log of manifest.logs) {
    const first = log.first === 0 ? undefined : Math.max(log.first, end);
    const read = await readFile(
      disk,
      log,
      { first, end: log.end },
      (block) => void replayBlock(block, target, block.sequence >= accepted),
    );
    reports.push(read.report);
    end = Math.max(end, read.end);
  }
  return { reports, end };
}

async function lastAccepted(disk: Disk, { logs }: Manifest): Promise<number> {
  let accepted = 0;
  for (const log of logs)
    for await (const block of readBlocks(disk, log)) accepted = Math.max(accepted, block.accepted);
  return accepted;
}

/** Reads every intact block of a file once. */
async function readFile(
  disk: Disk,
  file: BlockFile,
  range: { readonly first: number | undefined; readonly end?: number | undefined },
  visit: (block: { readonly payload: Buffer; readonly sequence: number }) => void,
): Promise<{ readonly report: FileReport; readonly end: number }> {
  const size = (await disk.identity(file.name))?.size;
  let [blocks, missing, goodBytes, next] = [0, 0, 0, range.first];
  if (size !== undefined) {
    for await (const block of readBlocks(disk, file)) {
      goodBytes += block.payload.length + 32;
      if ((next !== undefined && block.sequence < next) || block.sequence >= (range.end ?? Infinity))
        continue;
      missing += next === undefined ? 0 : block.sequence - next;
      next = block.sequence + 1;
      blocks++;
      visit(block);
    }
  }
  if (range.end !== undefined && next !== undefined) missing += Math.max(0, range.end - next);
  const badBytes = size === undefined ? 0 : size - goodBytes;
  return {
    report: { name: file.name, blocks, missing, badBytes, exists: size !== undefined },
    end: next ?? 1,
  };
}

function lineOf({ name, blocks, missing, badBytes, exists }: FileReport): readonly string[] {
  if (!exists) return [`${name}: missing`];
  // What is no block and nothing is missing: the rest of a write that was repeated, or a tail that a crash has torn.
  if (missing === 0) return [];
  return [
    `${name}: ${blocks} blocks kept, ${missing} missing, ${badBytes} bytes unreadable; set aside as damaged-${name}`,
  ];
}

/** Everything in one snapshot and an empty log; the files with damage get another name. */
async function rewrite(
  { disk, clock, random }: RepairOptions,
  {
    manifest,
    embedded,
    reading,
  }: { readonly manifest: Manifest; readonly embedded: EmbeddedStore; readonly reading: Reading },
): Promise<void> {
  await removeClean(disk);
  const number = manifest.number + 1;
  const [salt, logSalt] = [random.uint32(), random.uint32()];
  const [name, logName] = [nameOf('snapshot', number, salt), nameOf('log', number, logSalt)];
  const { core } = embedded.keyspace;
  const notes = embedded.notes.entries();
  const written = await writeSnapshot({
    disk,
    clock,
    core,
    name,
    salt,
    notes,
    collapsed: embedded.outbox.collapsed,
    underWay: () => [],
    isOver: () => false,
  });
  await (await disk.create(logName)).close();
  const inode = (await disk.identity(logName))?.inode ?? '';
  const storeId = manifest.storeId === '' ? randomHex(random, 8) : manifest.storeId;
  await writeManifest(disk, {
    format: FORMAT,
    site: manifest.site,
    storeId,
    number,
    inode,
    snapshot: { name, salt, blocks: written?.blocks ?? 0, marksUpTo: reading.end },
    logs: [{ name: logName, salt: logSalt, first: reading.end }],
  });
  for (const report of reading.reports) {
    if (!report.exists) continue;
    if (lineOf(report).length > 0) await disk.rename(report.name, `damaged-${report.name}`);
    else await disk.remove(report.name);
  }
  await disk.syncFolder();
}
