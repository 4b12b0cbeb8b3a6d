// The executor over Redis: reads pass as bytes, the writes of one event-loop turn go in one script call per node and slot.
//
// 1. A lane's requests are sent in its order: all of phase p before any of phase p + 1, within a phase reads first; a read
//    after a write of the lane opens the next phase.
// 2. What is sent to a node is executed in the order of sending.
// 3. Reads of phase 0 and full calls of phase 0 are sent at once; the rest at the end of the turn.
import { assert } from '../../base/index.ts';
import type {
  CommandUnit,
  Executor,
  Lane,
  ReadRequest,
  ReplySink,
  Target,
  TransactionUnit,
  WriteRun,
} from '../executor.ts';
import { prepareSlots } from './hot-slot.ts';
import { type Part, WriteGroup } from './write-group.ts';
import { answerUnits, type WriteListener } from './write-replies.ts';

/** The way to the nodes. */
export interface Upstream {
  readonly isCluster: boolean;
  /** Raw commands to the node of a slot. */
  send(request: UpstreamRequest, sink: ReplySink): void;
  /** Writes what was sent so far at once: nothing more comes in this turn. Optional. */
  flush?(): void;
}

/** Raw commands of one slot. */
export interface UpstreamRequest {
  readonly slot: number;
  /** Owns: the upstream, unchanged until the last reply. */
  readonly bytes: Buffer | readonly Buffer[];
  readonly count: number;
  readonly protocol: 2 | 3;
  readonly isRead: boolean;
  /** The origin that a script call names. */
  readonly origin?: number | undefined;
  /** What to send instead when the script is not known there, or the node has another origin. */
  readonly evalBytes?: ((origin: number) => readonly Buffer[]) | undefined;
}

/** The write script. */
export interface WriteScript {
  readonly sha1: string;
  readonly text: string;
}

/** What an executor is made of. */
export interface ExecutorOptions {
  readonly upstream: Upstream;
  readonly script: WriteScript;
  /** The present origin of the node of a slot. */
  origin(slot: number): number;
  /** What the origin of a node is in versions. Default: as it is. */
  readonly salted?: ((origin: number) => number) | undefined;
  /** Hears of writes. */
  readonly noted?: WriteListener | undefined;
  /** Marks are set for the outbox. Default: where somebody hears of writes. */
  readonly marks?: boolean | undefined;
  readonly adopt?: boolean | undefined;
  /** Units: bytes. */
  readonly maxValueBytes: number;
  /** Runs at the end of this turn of the event loop. Default: the machine's. */
  readonly turn?: ((run: () => void) => void) | undefined;
}

/** Answered calls whose buffers are kept for the next ones. */
const SPARE_GROUPS_MAX = 16;

/** Opens the executor. */
export function openExecutor(options: ExecutorOptions): Executor {
  prepareSlots();
  return new RedisExecutor(options);
}

interface Phase {
  readonly reads: { readonly request: ReadRequest; readonly sink: ReplySink }[];
  /** By slot (one where there is one node) and protocol. */
  readonly open: Map<number, WriteGroup>;
  /** In the order of their beginning. */
  readonly groups: WriteGroup[];
}

class RedisExecutor implements Executor {
  readonly isCluster: boolean;
  readonly #options: ExecutorOptions;
  readonly #upstream: Upstream;
  #phases: Phase[] = [];
  #spare: WriteGroup[] = [];
  #turn = 0;
  #isFlushSet = false;
  readonly #flushAtEnd = (): void => this.#flush();

  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#upstream = options.upstream;
    this.isCluster = options.upstream.isCluster;
  }

  read(lane: Lane, request: ReadRequest, sink: ReplySink): void {
    if (lane.turn !== this.#turn) this.#enter(lane);
    else if (lane.hasWritten) {
      lane.phase++;
      lane.hasWritten = false;
    }
    if (lane.phase === 0) this.#sendRead(request, sink);
    else this.#phase(lane.phase).reads.push({ request, sink });
  }

  writes(lane: Lane, target: Target, sink: ReplySink): WriteRun {
    if (lane.turn !== this.#turn) this.#enter(lane);
    lane.hasWritten = true;
    return new Run(this, { target, phase: lane.phase, sink });
  }

  /** The call that the next unit of so many bytes joins. */
  group({ slot, protocol }: Target, phase: number, bytes: number): WriteGroup {
    const { open, groups } = this.#phase(phase);
    const id = (this.isCluster ? slot * 2 : 0) + protocol - 2;
    const held = open.get(id);
    if (held !== undefined && !held.isFull(bytes)) return held;
    if (held !== undefined && phase === 0) this.#sendFull(held, groups);
    const group = this.#spare.pop()?.reset(slot, protocol) ?? new WriteGroup(slot, protocol, this.isCluster);
    open.set(id, group);
    groups.push(group);
    return group;
  }

  /** A call has been answered: nothing refers to its bytes any more. */
  release(group: WriteGroup): void {
    if (this.#spare.length < SPARE_GROUPS_MAX && group.isKept) this.#spare.push(group);
  }

  #sendFull(group: WriteGroup, groups: WriteGroup[]): void {
    groups.splice(groups.indexOf(group), 1);
    this.#sendGroup(group);
  }

  #enter(lane: Lane): void {
    lane.turn = this.#turn;
    lane.phase = 0;
    lane.hasWritten = false;
    if (this.#isFlushSet) return;
    this.#isFlushSet = true;
    (this.#options.turn ?? setImmediate)(this.#flushAtEnd);
  }

  #phase(index: number): Phase {
    while (this.#phases.length <= index) this.#phases.push({ reads: [], open: new Map(), groups: [] });
    return this.#phases[index];
  }

  #flush(): void {
    const phases = this.#phases;
    this.#phases = [];
    this.#turn++;
    this.#isFlushSet = false;
    for (const { reads, groups } of phases) {
      for (const { request, sink } of reads) this.#sendRead(request, sink);
      for (const group of groups) this.#sendGroup(group);
    }
    this.#upstream.flush?.();
  }

  #sendRead({ slot, bytes, count, protocol, isOnce }: ReadRequest, sink: ReplySink): void {
    this.#upstream.send({ slot, bytes, count, protocol, isRead: isOnce !== true }, sink);
  }

  #sendGroup(group: WriteGroup): void {
    assert(group.units > 0, 'a call has units');
    const { slot, protocol } = group;
    const { script } = this.#options;
    const origin = this.#options.origin(slot);
    const request = {
      slot,
      protocol,
      count: 1,
      isRead: false,
      origin,
      bytes: this.#pieces(group, ['EVALSHA', script.sha1], origin),
      evalBytes: (present: number) => this.#pieces(group, ['EVAL', script.text], present),
    };
    this.#upstream.send(request, new CallSink(this, group, this.#options.noted));
  }

  #pieces(
    group: WriteGroup,
    [command, script]: readonly [string, string],
    origin: number,
  ): readonly Buffer[] {
    const { noted, marks = noted !== undefined, adopt, maxValueBytes, salted } = this.#options;
    const { body, keys, protocol } = group;
    const flags = `${marks ? 'm' : ''}${protocol === 3 ? '3' : ''}${this.isCluster ? 'c' : ''}${adopt === true ? 'a' : ''}`;
    const inVersions = salted?.(origin) ?? origin;
    const own = bulks([inVersions.toString(16).padStart(8, '0'), flags, String(maxValueBytes)]);
    const head = `*${6 + group.keyCount + group.argc}\r\n${bulks([command, script, String(group.keyCount)])}`;
    const units = body.buffer.subarray(0, body.at);
    if (keys === undefined) return [Buffer.from(head + own, 'latin1'), units];
    const names = keys.buffer.subarray(0, keys.at);
    return [Buffer.from(head, 'latin1'), names, Buffer.from(own, 'latin1'), units];
  }
}

function bulks(texts: readonly string[]): string {
  return texts.map((text) => `$${text.length}\r\n${text}\r\n`).join('');
}

class Run implements WriteRun {
  readonly #executor: RedisExecutor;
  readonly #target: Target;
  readonly #phase: number;
  readonly #sink: ReplySink;
  #group: WriteGroup | undefined;
  #part: Part | undefined;

  constructor(
    executor: RedisExecutor,
    on: { readonly target: Target; readonly phase: number; readonly sink: ReplySink },
  ) {
    this.#executor = executor;
    this.#target = on.target;
    this.#phase = on.phase;
    this.#sink = on.sink;
  }

  set(
    source: Buffer,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    ttlMs: number,
  ): void {
    const group = this.#next(keyEnd - keyStart + valueEnd - valueStart);
    group.set(source, keyStart, keyEnd, valueStart, valueEnd, ttlMs);
  }

  command(unit: CommandUnit): void {
    this.#next(unit.args.length).command(unit);
  }

  transaction(unit: TransactionUnit): void {
    this.#next(unit.commands.reduce((sum, { args }) => sum + args.length, 0)).transaction(unit);
  }

  #next(bytes: number): WriteGroup {
    const held = this.#group;
    if (held !== undefined && this.#part !== undefined && !held.isFull(bytes)) {
      this.#part.units++;
      return held;
    }
    const group = this.#executor.group(this.#target, this.#phase, bytes);
    this.#group = group;
    this.#part = { sink: this.#sink, units: 1 };
    group.parts.push(this.#part);
    return group;
  }
}

/** The reply to one script call. */
class CallSink implements ReplySink {
  readonly #executor: RedisExecutor;
  readonly #group: WriteGroup;
  readonly #listener: WriteListener | undefined;

  constructor(executor: RedisExecutor, group: WriteGroup, listener: WriteListener | undefined) {
    this.#executor = executor;
    this.#group = group;
    this.#listener = listener;
  }

  replies(bytes: Buffer): void {
    answerUnits(this.#group, bytes, this.#listener);
    this.#executor.release(this.#group);
  }

  failed(_count: number, written: boolean): void {
    for (const { sink, units } of this.#group.parts) sink.failed(units, written);
  }
}
