// V8's profiles as pprof protobuf, which `go tool pprof` opens.
import type { HeapProfiler, Profiler, Runtime } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import {
  Function as PprofFunction,
  Line,
  Location,
  Profile,
  Sample,
  StringTable,
  ValueType,
} from 'pprof-format';

const gzipAsync = promisify(gzip);

/** Names of sample values and their units, e.g. `['cpu', 'nanoseconds']`. */
type SampleType = readonly [name: string, unit: string];

/** Where mqkv's own modules lie: `src/`, or `dist/src/` when built. */
const OWN_FOLDER = fileURLToPath(new URL('../', import.meta.url));

/** Time that is no work. */
const IDLE = '(idle)';

/** Gzipped pprof of a CPU profile: samples and nanoseconds by stack; idle time is left out. */
export function encodeCpuProfile(profile: Profiler.Profile, takenAtMs: number): Promise<Buffer> {
  const builder = new ProfileBuilder([
    ['samples', 'count'],
    ['cpu', 'nanoseconds'],
  ]);
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(
    profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node] as const)),
  );
  for (const [id, self] of selfTimes(profile)) {
    const node = nodes.get(id);
    if (node === undefined || node.callFrame.functionName === IDLE) continue;
    const callers = callersOf(node, parents);
    for (const share of linesOf(node)) {
      const values = [Math.round(self.samples * share.part), Math.round(self.micros * share.part * 1000)];
      builder.add([{ frame: node.callFrame, line: share.line }, ...callers], values);
    }
  }
  const duration = (profile.endTime - profile.startTime) * 1000;
  return builder.finish({
    takenAtMs,
    durationNanos: duration,
    periodType: ['cpu', 'nanoseconds'],
    period: 1_000_000,
  });
}

/** Gzipped pprof of a sampling heap profile: live objects and bytes by the stack that allocated them. */
export function encodeHeapProfile(
  profile: HeapProfiler.SamplingHeapProfile,
  takenAtMs: number,
  samplingBytes: number,
): Promise<Buffer> {
  const builder = new ProfileBuilder([
    ['inuse_objects', 'count'],
    ['inuse_space', 'bytes'],
  ]);
  const visit = (node: HeapProfiler.SamplingHeapProfileNode, callers: readonly StackEntry[]): void => {
    const stack = [{ frame: node.callFrame, line: lineOf(node.callFrame) }, ...callers];
    if (node.selfSize > 0)
      builder.add(stack, [Math.max(1, Math.round(node.selfSize / samplingBytes)), node.selfSize]);
    for (const child of node.children) visit(child, stack);
  };
  for (const child of profile.head.children) visit(child, []);
  return builder.finish({
    takenAtMs,
    durationNanos: 0,
    periodType: ['space', 'bytes'],
    period: samplingBytes,
  });
}

interface StackEntry {
  readonly frame: Runtime.CallFrame;
  readonly line: number;
}

interface Facts {
  readonly takenAtMs: number;
  readonly durationNanos: number;
  readonly periodType: SampleType;
  readonly period: number;
}

/** Collects samples; functions and locations are shared between them. */
class ProfileBuilder {
  readonly #strings = new StringTable();
  readonly #functions = new Map<string, PprofFunction>();
  readonly #locations = new Map<string, Location>();
  readonly #samples: Sample[] = [];
  readonly #types: readonly SampleType[];

  constructor(types: readonly SampleType[]) {
    this.#types = types;
  }

  /** A stack, the innermost frame first. */
  add(stack: readonly StackEntry[], value: number[]): void {
    this.#samples.push(new Sample({ locationId: stack.map((entry) => this.#location(entry)), value }));
  }

  async finish(facts: Facts): Promise<Buffer> {
    const profile = new Profile({
      sampleType: this.#types.map((type) => this.#type(type)),
      sample: this.#samples,
      location: [...this.#locations.values()],
      function: [...this.#functions.values()],
      stringTable: this.#strings,
      timeNanos: BigInt(facts.takenAtMs) * 1_000_000n,
      durationNanos: Math.round(facts.durationNanos),
      periodType: this.#type(facts.periodType),
      period: facts.period,
    });
    return gzipAsync(await profile.encodeAsync());
  }

  #type([name, unit]: SampleType): ValueType {
    return new ValueType({ type: this.#strings.dedup(name), unit: this.#strings.dedup(unit) });
  }

  #location({ frame, line }: StackEntry): number {
    const functionId = Number(this.#function(frame).id);
    const key = `${functionId}:${line}`;
    const known = this.#locations.get(key);
    if (known !== undefined) return Number(known.id);
    const id = this.#locations.size + 1;
    this.#locations.set(key, new Location({ id, line: [new Line({ functionId, line })] }));
    return id;
  }

  #function(frame: Runtime.CallFrame): PprofFunction {
    const key = `${frame.scriptId}:${frame.lineNumber}:${frame.columnNumber}:${frame.functionName}`;
    const known = this.#functions.get(key);
    if (known !== undefined) return known;
    const made = new PprofFunction({
      id: this.#functions.size + 1,
      name: this.#strings.dedup(displayName(frame)),
      systemName: this.#strings.dedup(frame.functionName),
      filename: this.#strings.dedup(fileOf(frame)),
      startLine: lineOf(frame),
    });
    this.#functions.set(key, made);
    return made;
  }
}

/** Samples and time whose innermost frame each node was. A sample lasts until the next one. */
function selfTimes(profile: Profiler.Profile): ReadonlyMap<number, { samples: number; micros: number }> {
  const times = new Map<number, { samples: number; micros: number }>();
  const deltas = profile.timeDeltas ?? [];
  for (const [i, id] of (profile.samples ?? []).entries()) {
    const self = times.get(id) ?? { samples: 0, micros: 0 };
    self.samples += 1;
    self.micros += Math.max(0, deltas[i + 1] ?? 0);
    times.set(id, self);
  }
  return times;
}

/** The lines at which a node was seen, with each line's part of the whole. */
function linesOf(node: Profiler.ProfileNode): readonly { readonly line: number; readonly part: number }[] {
  const ticks = (node.positionTicks ?? []).filter((position) => position.ticks > 0);
  const total = ticks.reduce((sum, position) => sum + position.ticks, 0);
  if (total === 0) return [{ line: lineOf(node.callFrame), part: 1 }];
  return ticks.map((position) => ({ line: position.line, part: position.ticks / total }));
}

/** Without V8's `(root)`. The line of a call is not known: a caller stands with the line it begins at. */
function callersOf(
  node: Profiler.ProfileNode,
  parents: ReadonlyMap<number, Profiler.ProfileNode>,
): readonly StackEntry[] {
  const callers: StackEntry[] = [];
  for (let at = parents.get(node.id); at !== undefined && parents.has(at.id); at = parents.get(at.id)) {
    callers.push({ frame: at.callFrame, line: lineOf(at.callFrame) });
  }
  return callers;
}

/** `store/embedded/table.find` for mqkv's own, so that equal names stay apart; V8's name for the rest. */
function displayName(frame: Runtime.CallFrame): string {
  const name = frame.functionName === '' ? `(anonymous:${lineOf(frame)})` : frame.functionName;
  const file = fileOf(frame);
  if (!file.startsWith(OWN_FOLDER)) return name;
  return `${file.slice(OWN_FOLDER.length).replace(/\.[jt]s$/, '')}.${name}`;
}

function fileOf(frame: Runtime.CallFrame): string {
  return frame.url.startsWith('file:///') ? fileURLToPath(frame.url) : frame.url;
}

/** V8 counts lines from 0 and says -1 for native code; pprof counts from 1 and says 0. */
function lineOf(frame: Runtime.CallFrame): number {
  return Math.max(0, frame.lineNumber + 1);
}
