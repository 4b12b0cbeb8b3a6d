// Sites of golden cases on log stores on a simulated disk, whose process dies and starts again between the lines of the case.
import { below, seededRandom } from '../src/base/index.ts';
import { executeArgs } from '../src/commands/index.ts';
import { type FileStore, openFileStore } from '../src/store/file/index.ts';
import { SimulatedDisk } from '../src/store/file/testing.ts';
import type { Store } from '../src/store/index.ts';
import type { CaseStore, OpenCaseStore } from '../sim/cases/site.ts';

/** How often the processes died, over all cases. */
export interface FileCaseTotals {
  restarts: number;
}

/** Opens sites that lose their process before every n-th step or so. */
export function fileCases(totals: FileCaseTotals, everySteps: number): OpenCaseStore {
  return async (_index, { clock, origin, logger }): Promise<CaseStore> => {
    const random = seededRandom(origin);
    let disk = new SimulatedDisk();
    const open = (): Promise<FileStore> =>
      openFileStore({ disk, clock, random, logger, site: 's', fsync: 'always', origin, activeExpiry: false });
    let held = await open();
    const restart = async (): Promise<void> => {
      await held.settled();
      disk = disk.crash(random, 'machine');
      held = await open();
      // The last marks may be there again though they were accepted; a case says itself what is sent again.
      held.outbox.take(Number.MAX_SAFE_INTEGER)?.accepted();
      totals.restarts++;
    };
    return {
      store: current(() => held),
      setNow: async () => {
        if (below(random, everySteps) === 0) await restart();
      },
      run: (commands, now) => executeArgs(held.keyspace, commands, { now }),
      take: async () => {
        const taken = held.outbox.take(Number.MAX_SAFE_INTEGER);
        taken?.accepted();
        return taken?.deltas;
      },
      stateOf: (key) => held.embedded.stateOf(key),
      allKeys: () => held.embedded.allKeys(),
      freeExpired: (now) => held.embedded.freeExpired(now),
      close: () => held.close(),
    };
  };
}

/** The store by then, whatever name is asked for. */
function current(store: () => FileStore): Store {
  return new Proxy({} as Store, {
    get: (_target, name) => {
      const value: unknown = Reflect.get(store(), name, store());
      return typeof value === 'function' ? value.bind(store()) : value;
    },
  });
}
