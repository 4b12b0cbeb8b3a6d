// Waiting for keys: order, timeouts, ends while a try is under way.
import { describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../base/index.ts';
import { type Wanted, Waiting } from './waiting.ts';

/** Elements of one list key, taken by attempts that answer in the next turn. */
class List {
  elements: string[] = [];
  tries = 0;
  /** While set, attempts hang. */
  gate: Promise<void> = Promise.resolve();

  async take(): Promise<Buffer | undefined> {
    this.tries++;
    await this.gate;
    const element = this.elements.shift();
    return element === undefined ? undefined : Buffer.from(element);
  }
}

const watcher = { watch: () => Promise.resolve() };

function wanted(list: List, more: Partial<Wanted> = {}): Wanted {
  const signal = new AbortController().signal;
  return { keys: ['k'], timeoutMs: 0, kind: 'list', signal, attempt: () => list.take(), ...more };
}

/** Timers that run when told. */
function handClock(): Clock & { run(): void } {
  const tasks: (() => void)[] = [];
  const timer = { cancel() {} };
  return {
    now: () => 0,
    after: (_delay, task) => {
      tasks.push(task);
      return timer;
    },
    every: () => timer,
    run: () => {
      for (const task of tasks.splice(0)) task();
    },
  };
}

async function textOf(waiter: { readonly outcome: Promise<unknown> }): Promise<string> {
  const outcome = (await waiter.outcome) as { kind: string; bytes?: Buffer };
  return outcome.bytes?.toString() ?? outcome.kind;
}

describe('waiting', () => {
  it('serves in the order of coming, one element each', async () => {
    const waiting = new Waiting(systemClock, watcher);
    const list = new List();
    const waits = [waiting.wait(wanted(list)), waiting.wait(wanted(list)), waiting.wait(wanted(list))];
    expect(waiting.size).toBe(3);
    list.elements = ['a', 'b'];
    waiting.changed('k');
    expect(await textOf(waits[0])).toBe('a');
    expect(await textOf(waits[1])).toBe('b');
    expect(waiting.size).toBe(1);
    list.elements = ['c'];
    waiting.changed('k');
    expect(await textOf(waits[2])).toBe('c');
    expect(waiting.isAwaited('k')).toBe(false);
  });

  it('does not try the others of a kind after one that found nothing', async () => {
    const waiting = new Waiting(systemClock, watcher);
    const list = new List();
    const other = new List();
    for (let i = 0; i < 50; i++) waiting.wait(wanted(list));
    const late = waiting.wait(wanted(other, { kind: 'zset' }));
    other.elements = ['z'];
    waiting.changed('k');
    expect(await textOf(late)).toBe('z');
    expect(list.tries).toBeLessThan(10);
    waiting.close();
  });

  it('a timeout during a try lets the try win', async () => {
    const clock = handClock();
    const waiting = new Waiting(clock, watcher);
    const list = new List();
    let open = (): void => {};
    list.gate = new Promise((resolve) => {
      open = resolve;
    });
    const waiter = waiting.wait(wanted(list, { timeoutMs: 10 }));
    while (list.tries === 0) await Promise.resolve();
    clock.run();
    list.elements = ['a'];
    open();
    expect(await textOf(waiter)).toBe('a');
  });

  it('ends by timeout, by being unblocked, by the end of the connection, and then takes nothing', async () => {
    const clock = handClock();
    const waiting = new Waiting(clock, watcher);
    const list = new List();
    const gone = new AbortController();
    const waits = [
      waiting.wait(wanted(list, { timeoutMs: 10 })),
      waiting.wait(wanted(list)),
      waiting.wait(wanted(list, { signal: gone.signal })),
    ];
    while (list.tries === 0) await Promise.resolve();
    for (let i = 0; i < 100; i++) await Promise.resolve();
    clock.run();
    waits[1].end({ kind: 'unblocked' });
    gone.abort();
    expect(await Promise.all(waits.map(textOf))).toEqual(['timeout', 'unblocked', 'gone']);
    list.elements = ['a'];
    waiting.changed('k');
    expect(list.elements).toEqual(['a']);
  });
});
