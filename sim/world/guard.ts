// While a simulation runs, the code under test must take no time, timer or chance from the machine: whoever does is stopped.
import { createRequire, syncBuiltinESMExports } from 'node:module';

const require = createRequire(import.meta.url);

/** Calls whose direct caller lies in src/. */
function isFromSource(): boolean {
  const caller = new Error('caller').stack?.split('\n')[3] ?? '';
  return caller.includes('/src/') && !caller.includes('node_modules');
}

/** Puts guards before the machine's clock, timers and chance. Result: takes them away. */
export function guardMachine(): () => void {
  const undo: (() => void)[] = [];
  const guard = (holder: object, name: string): void => {
    const original: unknown = Reflect.get(holder, name);
    if (typeof original !== 'function') return;
    const guarded = (...args: unknown[]): unknown => {
      if (isFromSource()) throw new Error(`${name} was called while the simulator ran`);
      return Reflect.apply(original, holder, args);
    };
    Reflect.set(holder, name, Object.assign(guarded, original));
    undo.push(() => Reflect.set(holder, name, original));
  };
  for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask']) guard(globalThis, name);
  guard(Date, 'now');
  guard(Math, 'random');
  guard(performance, 'now');
  guard(require('node:crypto') as object, 'randomBytes');
  syncBuiltinESMExports();
  return () => {
    for (const one of undo) one();
    syncBuiltinESMExports();
  };
}
