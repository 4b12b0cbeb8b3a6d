// A stream: entries by id, and what XINFO tells of it. Consumer groups are only names.
import { fail } from './replies.ts';

/** ms and sequence. */
export type StreamId = readonly [ms: bigint, sequence: bigint];

export interface StreamEntry {
  readonly id: StreamId;
  readonly fields: readonly string[];
}

const UINT64_MAX = (1n << 64n) - 1n;
const BAD_ID = 'ERR Invalid stream ID specified as stream command argument';

/** Reads an id; a missing sequence is `sequence`. */
export function idOf(text: string, sequence = 0n): StreamId {
  const found = /^(\d+)(?:-(\d+))?$/.exec(text);
  if (found === null) return fail(BAD_ID);
  const id = [BigInt(found[1]), found[2] === undefined ? sequence : BigInt(found[2])] as const;
  return id[0] > UINT64_MAX || id[1] > UINT64_MAX ? fail(BAD_ID) : id;
}

export function idText([ms, sequence]: StreamId): string {
  return `${ms}-${sequence}`;
}

export function compareIds(a: StreamId, b: StreamId): number {
  if (a[0] !== b[0]) return a[0] < b[0] ? -1 : 1;
  return a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0;
}

export class Stream {
  entries: StreamEntry[] = [];
  last: StreamId = [0n, 0n];
  maxDeleted: StreamId = [0n, 0n];
  added = 0n;
  /** Names of consumer groups: they hold an empty stream. */
  readonly groups = new Set<string>();

  copy(): Stream {
    const copy = new Stream();
    copy.entries = [...this.entries];
    copy.last = this.last;
    copy.maxDeleted = this.maxDeleted;
    copy.added = this.added;
    for (const group of this.groups) copy.groups.add(group);
    return copy;
  }

  /** Takes away the oldest, which does not count as deletion. Result: how many. */
  trim(keep: (entry: StreamEntry, left: number) => boolean): number {
    let gone = 0;
    while (gone < this.entries.length && !keep(this.entries[gone], this.entries.length - gone)) gone++;
    this.entries.splice(0, gone);
    return gone;
  }
}
