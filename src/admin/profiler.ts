// Takes profiles of this process through node:inspector, one at a time.
import type { Session } from 'node:inspector';
import { type Clock, MqkvError, messageOf, sleep } from '../base/index.ts';
import { encodeCpuProfile, encodeHeapProfile } from './pprof.ts';

/** What can be profiled. */
export type ProfileKind = 'cpu' | 'heap';

/** Units: us between CPU samples. */
const CPU_INTERVAL_US = 1000;
/** Units: bytes allocated between heap samples, on average (V8's own default is 32 KB). */
const HEAP_INTERVAL_BYTES = 32 * 1024;

let taken = false;

/** A profile that has begun. */
export interface RunningProfile {
  /** Gzipped pprof. Errors: MqkvError `PROFILE_FAILED`. */
  readonly result: Promise<Buffer>;
}

/**
 * Begins a profile of the whole process for `durationMs`, or until `signal` aborts (then what there is until then).
 * Errors: MqkvError `PROFILE_BUSY` when one is running (also another site's in this process), `PROFILE_UNSUPPORTED`.
 */
export function beginProfile(
  kind: ProfileKind,
  options: { readonly durationMs: number; readonly clock: Clock; readonly signal: AbortSignal },
): RunningProfile {
  if (process.versions['bun'] !== undefined && kind === 'heap') {
    throw new MqkvError('PROFILE_UNSUPPORTED', 'heap profiles need Node: Bun has no sampling heap profiler');
  }
  if (taken) throw new MqkvError('PROFILE_BUSY', 'a profile is being taken; one at a time');
  taken = true;
  const result = take(kind, options).finally(() => {
    taken = false;
  });
  return { result };
}

async function take(
  kind: ProfileKind,
  { durationMs, clock, signal }: { durationMs: number; clock: Clock; signal: AbortSignal },
): Promise<Buffer> {
  const { Session } = await import('node:inspector');
  const session = new Session();
  session.connect();
  try {
    const wait = (): Promise<void> => sleep(clock, durationMs, signal);
    return kind === 'cpu' ? await takeCpu(session, wait, clock) : await takeHeap(session, wait, clock);
  } catch (error) {
    throw new MqkvError('PROFILE_FAILED', `the profile failed: ${messageOf(error)}`, { cause: error });
  } finally {
    session.disconnect();
  }
}

async function takeCpu(session: Session, wait: () => Promise<void>, clock: Clock): Promise<Buffer> {
  const takenAtMs = clock.now();
  await done((callback) => session.post('Profiler.enable', callback));
  await done((callback) =>
    session.post('Profiler.setSamplingInterval', { interval: CPU_INTERVAL_US }, callback),
  );
  await done((callback) => session.post('Profiler.start', callback));
  await wait();
  const { profile } = await answer<{ profile: Parameters<typeof encodeCpuProfile>[0] }>((callback) =>
    session.post('Profiler.stop', callback),
  );
  return encodeCpuProfile(profile, takenAtMs);
}

async function takeHeap(session: Session, wait: () => Promise<void>, clock: Clock): Promise<Buffer> {
  const takenAtMs = clock.now();
  const parameters = { samplingInterval: HEAP_INTERVAL_BYTES };
  await done((callback) => session.post('HeapProfiler.startSampling', parameters, callback));
  await wait();
  const { profile } = await answer<{ profile: Parameters<typeof encodeHeapProfile>[0] }>((callback) =>
    session.post('HeapProfiler.stopSampling', callback),
  );
  return encodeHeapProfile(profile, takenAtMs, HEAP_INTERVAL_BYTES);
}

function done(post: (callback: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    post((error) => (error === null || error === undefined ? resolve() : reject(error)));
  });
}

function answer<T>(post: (callback: (error: Error | null, result: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    post((error, result) => (error === null || error === undefined ? resolve(result) : reject(error)));
  });
}
