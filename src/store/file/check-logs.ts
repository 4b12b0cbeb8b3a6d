// Decides which blocks of the logs count: all up to the first that a crash has torn, or that the store is damaged.
import type { Disk } from '../../base/index.ts';
import { damaged, type LogEntry, type Manifest } from './manifest.ts';
import { readBlocks } from './read-blocks.ts';

/** What the logs hold. */
export interface CheckedLogs {
  /** Sequence behind the last block that counts. */
  readonly end: number;
  /** The logs that hold blocks that count, each with its end. */
  readonly logs: readonly LogEntry[];
  /** Blocks below this hold nothing that is still to be sent. */
  readonly accepted: number;
  /** Of the snapshot and all logs. Units: bytes. */
  readonly bytes: number;
  /** What a crash has torn off: intact blocks that do not count any more, and where in which file. */
  readonly torn: { readonly file: string; readonly at: number; readonly blocks: number } | undefined;
}

interface Progress {
  expected: number;
  accepted: number;
  bytes: number;
  /** What later blocks say was synced. */
  synced: number;
  torn: { readonly file: string; readonly at: number; blocks: number } | undefined;
}

/** Reads all logs once. Errors: MqkvError `STORE_DAMAGED`. */
export async function checkLogs(disk: Disk, manifest: Manifest): Promise<CheckedLogs> {
  const [first] = manifest.logs;
  const progress: Progress = {
    expected: first?.first ?? 1,
    accepted: 0,
    bytes: 0,
    synced: 0,
    torn: undefined,
  };
  const logs: LogEntry[] = [];
  for (const log of manifest.logs) {
    const first = progress.expected;
    await checkLog(disk, log, progress);
    if (progress.expected > first) logs.push({ ...log, first, end: progress.expected });
  }
  const { torn, expected, synced } = progress;
  if (torn !== undefined && synced > expected) {
    throw damaged(
      disk,
      `"${torn.file}" cannot be read from byte ${torn.at} on, though it was safely written`,
    );
  }
  return {
    end: expected,
    logs,
    accepted: Math.min(progress.accepted, expected),
    bytes: progress.bytes,
    torn,
  };
}

async function checkLog(disk: Disk, log: LogEntry, progress: Progress): Promise<void> {
  const identity = await disk.identity(log.name);
  if (identity === undefined) throw damaged(disk, `the file "${log.name}" is missing`);
  progress.bytes += identity.size;
  const blocks = readBlocks(disk, log);
  let next = await blocks.next();
  for (; next.done !== true; next = await blocks.next()) {
    const { value: block } = next;
    if (log.end !== undefined && block.sequence >= log.end) continue; // torn off at an earlier start
    progress.synced = Math.max(progress.synced, block.synced);
    if (block.sequence < progress.expected) continue; // written twice
    if (block.sequence > progress.expected) {
      progress.torn ??= { file: log.name, at: block.gapAt, blocks: 0 };
      progress.torn.blocks++;
      continue;
    }
    progress.expected++;
    progress.accepted = Math.max(progress.accepted, block.accepted);
  }
  if (log.end !== undefined && progress.expected !== log.end)
    throw damaged(disk, `"${log.name}" does not hold all that was written to it`);
  if (next.value < identity.size && log.end === undefined)
    progress.torn ??= { file: log.name, at: next.value, blocks: 0 };
}
