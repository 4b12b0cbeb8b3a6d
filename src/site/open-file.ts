// A store in a folder and its gateway, for `openStore`.
import { bytesOf, type Clock, type Random } from '../base/index.ts';
import { createGateway } from '../commands/index.ts';
import { openDisk, openFileStore, type Repaired, repairFolder } from '../store/file/index.ts';
import { gatewayOptions, type OpenedStore, type StoreSurroundings } from './open-store.ts';
import type { FileUrl } from './urls.ts';

/** Opens the store of a folder. Errors: MqkvError. */
export async function openFile({ path, fsync }: FileUrl, around: StoreSurroundings): Promise<OpenedStore> {
  const { clock, random, logger } = around;
  const { site, horizonMs, outboxBytesMax, queues } = around.config;
  const disk = await openDisk(path);
  const limits = { horizonMs, outboxBytesMax, isAlone: queues.length === 0 };
  const store = await openFileStore({ disk, clock, random, logger, site, fsync, ...limits });
  const handler = createGateway({
    ...gatewayOptions(around),
    keyspace: store.keyspace,
    store,
    writeRefusal: () => refusal(store.problem),
    ...(fsync === 'always' ? { settled: (_connection, hasWaited) => store.settled(hasWaited) } : {}),
  });
  return {
    store,
    handler,
    deliver: (channel, message) => void handler.deliver(channel, bytesOf(message)),
    problems: () => (store.problem === undefined ? [] : [`the log cannot be written: ${store.problem}`]),
    numbers: () => ({}),
    facts: () => ({ log: store.logStats() }),
    close: () => store.close(),
  };
}

function refusal(problem: string | undefined): string | undefined {
  if (problem === undefined) return undefined;
  return `MISCONF the log of this store cannot be written (${problem}); what only reads or removes is still answered`;
}

/** Repairs the folder of a store that is not open. Errors: MqkvError; the system's. */
export async function repairFile(
  path: string,
  around: { readonly clock: Clock; readonly random: Random },
): Promise<Repaired> {
  return repairFolder({ ...around, disk: await openDisk(path, 'existing') });
}
