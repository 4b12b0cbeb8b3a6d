// Reads a snapshot and logs back into an empty store.
//
// Invariants
// P1 Deltas are merged at the store's time when they were kept: freeing by the clock of today would drop what a later entry prolongs.
// P2 What was marked in a block that the queue has not accepted is marked again. The marks of a snapshot count as of the block
//    at whose time it was complete.
import type { Disk } from '../../base/index.ts';
import {
  COLLAPSED,
  DISCARDED,
  END,
  LOCAL,
  MERGED,
  NOTES,
  readEntries,
  readNotes,
  TIME,
} from './entry-buffer.ts';
import { type BlockFile, damaged, type Manifest } from './manifest.ts';
import { type Block, readBlocks } from './read-blocks.ts';

/** The store that is filled. */
export interface ReplayTarget {
  deltas(deltas: Buffer, atMs: number, isMarked: boolean): void;
  notes(notes: Readonly<Record<string, string>>): void;
  collapsed(slots: Buffer): void;
  discarded(): void;
}

/** What is read. */
export interface ReplaySource {
  readonly disk: Disk;
  readonly manifest: Manifest;
  readonly end: number;
  readonly accepted: number;
}

/** Fills the store. Errors: MqkvError `STORE_DAMAGED`. */
export async function replay(
  { disk, manifest, end, accepted }: ReplaySource,
  target: ReplayTarget,
): Promise<void> {
  const { snapshot } = manifest;
  if (snapshot !== undefined)
    await replaySnapshot(disk, snapshot, { target, isMarked: accepted <= snapshot.marksUpTo });
  let expected = manifest.logs[0]?.first ?? end;
  for (const log of manifest.logs) {
    for await (const block of readBlocks(disk, log)) {
      if (block.sequence !== expected || block.sequence >= (log.end ?? end)) continue;
      expected++;
      replayBlock(block, target, block.sequence >= accepted);
    }
  }
}

async function replaySnapshot(
  disk: Disk,
  snapshot: BlockFile & { readonly blocks: number },
  { target, isMarked }: { readonly target: ReplayTarget; readonly isMarked: boolean },
): Promise<void> {
  let read = 0;
  let isComplete = false;
  for await (const block of readBlocks(disk, snapshot)) {
    if (block.sequence !== read + 1) continue;
    read++;
    isComplete = replayBlock(block, target, isMarked);
  }
  if (read === snapshot.blocks && isComplete) return;
  throw damaged(disk, `"${snapshot.name}" holds ${read} of ${snapshot.blocks} intact blocks`);
}

/** Result: whether the block ends a snapshot. */
export function replayBlock(
  { payload }: Pick<Block, 'payload'>,
  target: ReplayTarget,
  isMarked: boolean,
): boolean {
  let atMs = 0;
  let isEnd = false;
  for (const { kind, body } of readEntries(payload)) {
    if (kind === LOCAL || kind === MERGED) target.deltas(body, atMs, kind === LOCAL && isMarked);
    else if (kind === TIME) atMs = body.readUIntLE(0, 6);
    else if (kind === NOTES) target.notes(Object.fromEntries(readNotes(body)));
    else if (kind === COLLAPSED) target.collapsed(Buffer.from(body));
    else if (kind === DISCARDED) target.discarded();
    isEnd = kind === END;
  }
  return isEnd;
}
