// The world of a chaos run: sites in their namespaces, brokers, and what brings all of it back to health.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, findBroker } from '../brokers/index.ts';
import { openClient } from './client.ts';
import { type Network, openNetwork, removeRunFolder, removeStale, runFolder } from './network.ts';
import { PlacedProcess } from './placed-process.ts';
import { ChaosSite, type QueueKind, type StoreKind } from './site.ts';

export interface World extends AsyncDisposable {
  readonly network: Network;
  readonly sites: readonly ChaosSite[];
  /** undefined: no NSQ. */
  readonly lookupd: PlacedProcess | undefined;
  readonly queue: QueueKind;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly stores: readonly StoreKind[];
  readonly queue: QueueKind;
}

/** Opens it; resolves once every site serves and knows all others. Errors: Error naming the site, with the end of its log. */
export async function openWorld({ stores, queue }: WorldOptions): Promise<World> {
  await removeStale();
  const folder = runFolder();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'password'), 'chaos\n');
  writeFileSync(join(folder, 'secret'), '0123456789abcdef\n');
  const network = await openNetwork(stores.length);
  const close = async (): Promise<void> => {
    await network.close();
    await removeRunFolder();
  };
  try {
    const lookupd = queue === 'nsq' ? startLookupd(network, folder) : undefined;
    const { places, hub } = network;
    const sites = places.map((place, index) => {
      const kind = stores[index] ?? 'memory';
      return new ChaosSite({ index, kind, queue, place, places, folder, lookupd: `${hub.address}:4161` });
    });
    for (const site of sites) await site.open();
    await eachKnowsAll(sites);
    return { network, sites, lookupd, queue, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

function startLookupd({ hub }: Network, folder: string): PlacedProcess {
  const lookupd = new PlacedProcess({
    namespace: hub.namespace,
    command: findBroker('nsqlookupd') ?? 'nsqlookupd',
    args: [
      `-tcp-address=${hub.address}:4160`,
      `-http-address=${hub.address}:4161`,
      `-broadcast-address=${hub.address}`,
      '-log-level=warn',
    ],
    logFile: join(folder, 'nsqlookupd.log'),
  });
  lookupd.start();
  return lookupd;
}

async function eachKnowsAll(sites: readonly ChaosSite[]): Promise<void> {
  for (const site of sites) {
    const wanted = new RegExp(`sites_known:${sites.length - 1}\\b`);
    await eventually(
      `${site.name} (${site.kind}) serves and knows all others; see ${site.logFile}`,
      async () => {
        const client = await openClient(site.socket).catch(() => undefined);
        const info = await client?.command('INFO', 'mqkv').catch(() => '');
        client?.close();
        return wanted.test(String(info));
      },
      60_000,
    );
  }
}
