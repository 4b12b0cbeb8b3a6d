// Keeps short-lived Buffers from piling up. V8 frees the memory behind dead Buffers when it collects, and what they hold outside of
// its heap makes it collect only after some 64 MB; each socket read takes up to 64 KB of it. Collecting the young generation
// (mostly dead, below a millisecond) every few MB keeps a busy instance as small as an idle one.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { YOUNG_GARBAGE_BYTES_MAX } from './limits.ts';

type Collect = (options: { readonly type: 'minor' }) => void;

/** V8's own collector; nothing on runtimes that do not offer it. */
function openCollector(): Collect {
  try {
    setFlagsFromString('--expose-gc');
    const collect: unknown = runInNewContext('gc');
    if (typeof collect === 'function') return (options) => void Reflect.apply(collect, undefined, [options]);
  } catch {
    // Not V8: its own pace then.
  }
  return () => {};
}

/**
 * Keeps V8's young generation at its first size instead of letting it grow to 48 MB: what a server's commands leave behind is dead
 * at once, so more room buys nothing. Call it at the start; nothing on other runtimes.
 */
export function boundYoungGeneration(): void {
  try {
    setFlagsFromString('--semi-space-growth-factor=1');
  } catch {
    // Not V8.
  }
}

let collect: Collect | undefined;
let bytes = 0;

/** Notes that a Buffer of so many bytes was made that will soon be dead. Units: bytes. */
export function noteYoungGarbage(more: number): void {
  bytes += more;
  if (bytes < YOUNG_GARBAGE_BYTES_MAX) return;
  bytes = 0;
  collect ??= openCollector();
  collect({ type: 'minor' });
}
