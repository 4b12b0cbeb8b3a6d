// The hot path over a Redis store: runs of reads passed on as they came, runs of writes put into script calls.
//
// A run is commands of one connection that follow each other and are all reads or all writes; on a cluster, of one slot.
// What is not plain (options that Redis must word the error of, reserved keys, odd requests) ends the run: the general path.
import type { CommandBatch } from '../../resp/index.ts';
import type { Executor, WriteRun } from '../../store/index.ts';
import { slotOfRange } from '../../store/redis/hot-slot.ts';
import { keyPositions } from '../spec.ts';
import type { Statistics } from '../statistics.ts';
import type { GetCache } from './cached-gets.ts';
import { type HotCommand, HotCommands } from './classes.ts';
import { LateSink } from './late-sink.ts';
import type { RedisSession } from './redis-session.ts';

/** What it works with. */
export interface HotRunsOptions {
  readonly executor: Executor;
  readonly statistics: Statistics;
  /** A near cache is told of writes on their way. */
  readonly cache?: Pick<GetCache, 'writing' | 'ended'> | undefined;
  /** Units: bytes. */
  readonly maxValueBytes: number;
}

const NO_SLOT = -1;
const MIXED_SLOTS = -2;
const RESERVED_KEY = -3;
const NO_KEYS = -4;
const NO_TTL = 0;
const NO_PLAIN_SET = -1;
/** Digits of a TTL that surely stays below the greatest time. */
const TTL_DIGITS_MAX = 10;

/** Takes over runs of hot commands; one per gateway. */
export class HotRuns {
  readonly #executor: Executor;
  readonly #statistics: Statistics;
  readonly #cache: Pick<GetCache, 'writing' | 'ended'> | undefined;
  readonly #maxValueBytes: number;
  readonly #isCluster: boolean;
  readonly #commands: HotCommands;

  constructor({ executor, statistics, maxValueBytes, cache }: HotRunsOptions) {
    this.#cache = cache;
    this.#executor = executor;
    this.#statistics = statistics;
    this.#maxValueBytes = maxValueBytes;
    this.#isCluster = executor.isCluster;
    this.#commands = new HotCommands(statistics);
  }

  /** Hot. How many commands from `from` on were taken over; 0: the first is not for this path. */
  take(session: RedisSession, batch: CommandBatch, from: number): number {
    const first = this.#commands.find(batch, from);
    if (first === undefined || !isPlain(batch, from, first)) return 0;
    const slot = this.#slot(batch, from, first);
    if (slot < NO_SLOT) return 0;
    const isRead = first.kind === 'read';
    let last = first;
    let to = from + 1;
    for (; to < batch.count; to++) {
      const command = this.#commands.find(batch, to);
      if (command === undefined || (command.kind === 'read') !== isRead || !isPlain(batch, to, command))
        break;
      const next = this.#slot(batch, to, command);
      if (next < NO_SLOT || (this.#isCluster && next !== slot)) break;
      last.count.calls++;
      last = command;
    }
    last.count.calls++;
    this.#statistics.commandsProcessed += to - from;
    session.connection.lastCommand = last.spec.name;
    const run = { from, to, slot: Math.max(0, slot) };
    if (isRead) this.#reads(session, batch, run);
    else this.#writes(session, batch, run);
    return to - from;
  }

  #reads(session: RedisSession, batch: CommandBatch, { from, to, slot }: Range): void {
    const { connection, lane } = session;
    const count = to - from;
    const bytes = batch.keep(batch.begin(from), batch.ends[to - 1]);
    const sink = new LateSink(session, count);
    this.#executor.read(lane, { bytes, count, slot, protocol: connection.protocol }, sink);
  }

  #writes(session: RedisSession, batch: CommandBatch, { from, to, slot }: Range): void {
    const { connection, lane } = session;
    const sink = new LateSink(session, to - from, this.#writing(session, batch, { from, to, slot }));
    const run = this.#executor.writes(lane, { slot, protocol: connection.protocol }, sink);
    for (let i = from; i < to; i++) {
      const command = this.#commands.find(batch, i);
      if (command === undefined) continue;
      if (command.kind !== 'set' || !this.#set(run, batch, i)) addCommand(run, batch, i, command);
    }
  }

  /** With a near cache: notes the writes as under way. Result: what ends that. */
  #writing(session: RedisSession, batch: CommandBatch, { from, to }: Range): (() => void) | undefined {
    const cache = this.#cache;
    if (cache === undefined) return undefined;
    const keys: string[] = [];
    for (let i = from; i < to; i++) {
      const command = this.#commands.find(batch, i);
      if (command !== undefined)
        for (const at of positionsOf(batch, i, command)) keys.push(batch.text(i, at));
    }
    for (const key of keys) cache.writing(key);
    session.writesUnderWay++;
    return () => {
      session.writesUnderWay--;
      for (const key of keys) cache.ended(key);
    };
  }

  /** A plain SET. false: it has other options, which the script decides. */
  #set(run: WriteRun, batch: CommandBatch, i: number): boolean {
    const isSet = batch.code(i) !== 0;
    const argc = batch.argc(i);
    const ttlMs = !isSet
      ? setexTtl(batch, i)
      : argc === 3
        ? NO_TTL
        : argc === 5
          ? setTtl(batch, i)
          : NO_PLAIN_SET;
    if (ttlMs === NO_PLAIN_SET) return false;
    const value = isSet ? 2 : 3;
    const start = batch.start(i, value);
    const end = batch.end(i, value);
    if (end - start > this.#maxValueBytes) return false;
    run.set(batch.buffer, batch.start(i, 1), batch.end(i, 1), start, end, ttlMs);
    return true;
  }

  /** The slot of all keys (standalone: NO_SLOT), MIXED_SLOTS, RESERVED_KEY, or NO_KEYS: its arguments make no sense. */
  #slot(batch: CommandBatch, i: number, command: HotCommand): number {
    if (command.keys === 'first') {
      if (isReserved(batch, i, 1)) return RESERVED_KEY;
      return this.#isCluster ? slotOfRange(batch.buffer, batch.start(i, 1), batch.end(i, 1)) : NO_SLOT;
    }
    let slot = NO_SLOT;
    const positions = positionsOf(batch, i, command);
    if (positions.length === 0) return NO_KEYS;
    for (const at of positions) {
      if (isReserved(batch, i, at)) return RESERVED_KEY;
      if (!this.#isCluster) continue;
      const next = slotOfRange(batch.buffer, batch.start(i, at), batch.end(i, at));
      if (slot !== NO_SLOT && next !== slot) return MIXED_SLOTS;
      slot = next;
    }
    return slot;
  }
}

interface Range {
  readonly from: number;
  readonly to: number;
  readonly slot: number;
}

/** Hot. Its arity is right and its bytes are one array. */
function isPlain(batch: CommandBatch, i: number, { spec }: HotCommand): boolean {
  const argc = batch.argc(i);
  return (spec.arity > 0 ? argc === spec.arity : argc >= -spec.arity) && batch.isArray(i);
}

function isReserved({ buffer, ranges, firsts }: CommandBatch, i: number, a: number): boolean {
  const at = ranges[firsts[i] + (a << 1)];
  return (
    buffer[at] === 109 &&
    buffer[at + 1] === 113 &&
    buffer[at + 2] === 107 &&
    buffer[at + 3] === 118 &&
    buffer[at + 4] === 58 &&
    ranges[firsts[i] + (a << 1) + 1] - at >= 5
  );
}

function positionsOf(batch: CommandBatch, i: number, { keys, spec }: HotCommand): readonly number[] {
  const argc = batch.argc(i);
  if (keys === 'first') return [1];
  if (keys === 'rest') return Array.from({ length: argc - 1 }, (_, k) => k + 1);
  return keyPositions(spec, { argc, text: (a) => batch.text(i, a) }) ?? [];
}

function addCommand(run: WriteRun, batch: CommandBatch, i: number, command: HotCommand): void {
  const argc = batch.argc(i);
  const { nullArray } = command.spec;
  run.command({
    keys: positionsOf(batch, i, command).map((at) => batch.arg(i, at)),
    argc,
    args: batch.buffer.subarray(bulksOf(batch, i), batch.ends[i]),
    isNullArray: nullArray === true || (nullArray === 'count' && argc > 2),
  });
}

/** Where the first argument's header begins. */
function bulksOf(batch: CommandBatch, i: number): number {
  return batch.buffer.indexOf(10, batch.begin(i)) + 1;
}

/** Units: ms, of SETEX and PSETEX. */
function setexTtl(batch: CommandBatch, i: number): number {
  const n = ttlNumber(batch, i, 2);
  const first = batch.buffer[batch.start(i, 0)] | 32;
  return n === NO_PLAIN_SET || first === 112 ? n : n * 1000;
}

/** Units: ms, of SET … EX n and SET … PX n. */
function setTtl(batch: CommandBatch, i: number): number {
  const { buffer } = batch;
  const start = batch.start(i, 3);
  if (batch.end(i, 3) - start !== 2 || (buffer[start + 1] | 32) !== 120) return NO_PLAIN_SET;
  const unit = buffer[start] | 32;
  if (unit !== 101 && unit !== 112) return NO_PLAIN_SET;
  const n = ttlNumber(batch, i, 4);
  return n === NO_PLAIN_SET || unit === 112 ? n : n * 1000;
}

/** A positive number without a leading zero; NO_PLAIN_SET: anything else. */
function ttlNumber({ buffer, ranges, firsts }: CommandBatch, i: number, a: number): number {
  const from = ranges[firsts[i] + (a << 1)];
  const to = ranges[firsts[i] + (a << 1) + 1];
  if (to - from > TTL_DIGITS_MAX || to === from || buffer[from] === 48) return NO_PLAIN_SET;
  let n = 0;
  for (let at = from; at < to; at++) {
    const digit = buffer[at] - 48;
    if (digit < 0 || digit > 9) return NO_PLAIN_SET;
    n = n * 10 + digit;
  }
  return n;
}
