// The world of a chaos run: sites in their namespaces, brokers, and what brings all of it back to health.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, findBroker } from '../brokers/index.ts';
import { openClient } from './client.ts';
import {
  loopbackPlaces,
  type Network,
  openNetwork,
  type Place,
  removeRunFolder,
  removeStale,
  runFolder,
} from './network.ts';
import { PlacedProcess } from './placed-process.ts';
import { ChaosSite, type QueueKind, type StoreKind } from './site.ts';

export interface World extends AsyncDisposable {
  /** undefined: everything lies on loopback. */
  readonly network: Network | undefined;
  readonly sites: readonly ChaosSite[];
  /** undefined: no NSQ. */
  readonly lookupd: PlacedProcess | undefined;
  readonly queue: QueueKind;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly stores: readonly StoreKind[];
  readonly queue: QueueKind;
  /** Whether it gets a network of its own; else it lies on loopback. */
  readonly isApart: boolean;
}

/** Opens it; resolves once every site serves and knows all others. Errors: Error naming the site, with the end of its log. */
export async function openWorld({ stores, queue, isApart }: WorldOptions): Promise<World> {
  await removeStale();
  const folder = runFolder();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'password'), 'chaos\n');
  writeFileSync(join(folder, 'secret'), '0123456789abcdef\n');
  const network = isApart ? await openNetwork(stores.length) : undefined;
  const { places, hub } = network ?? loopbackPlaces(stores.length);
  const processes: PlacedProcess[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(processes.map((one) => one.kill()));
    await network?.close();
    await removeRunFolder();
  };
  try {
    const lookupd = queue === 'nsq' ? startLookupd(hub, folder) : undefined;
    const sites = places.map((place, index) => {
      const kind = stores[index] ?? 'memory';
      return new ChaosSite({ index, kind, queue, place, places, folder, lookupd: `${hub.address}:4161` });
    });
    for (const site of sites) processes.push(...site.processes);
    if (lookupd !== undefined) processes.push(lookupd);
    for (const site of sites) await site.open();
    await eachKnowsAll(sites);
    await eachServes(sites);
    return { network, sites, lookupd, queue, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

function startLookupd(hub: Place, folder: string): PlacedProcess {
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
  const wanted = new RegExp(`sites_known:${sites.length - 1}\\b`);
  const knows = async ({ mqkv, socket }: ChaosSite): Promise<boolean> => {
    if (!mqkv.isUp) throw new Error('it ended');
    const client = await openClient(socket).catch(() => undefined);
    const info = await client?.command('INFO', 'mqkv').catch(() => '');
    client?.close();
    return wanted.test(String(info));
  };
  for (const site of sites)
    await eventually(`${site.name} knows all others`, () => knows(site), 60_000).catch(failedAt(site));
}

/** Resolves when every site answers reads. Errors: Error naming the one that does not, with the end of its log. */
export async function eachServes(sites: readonly ChaosSite[]): Promise<void> {
  const serves = async ({ socket }: ChaosSite): Promise<boolean> => {
    const client = await openClient(socket).catch(() => undefined);
    const [outcome] = (await client?.pipeline([['GET', 'any']], 2_000)) ?? [];
    client?.close();
    return outcome?.kind === 'ok';
  };
  for (const site of sites)
    await eventually(`${site.name} serves`, () => serves(site), 60_000).catch(failedAt(site));
}

function failedAt({ name, kind, logFile }: ChaosSite): (error: unknown) => never {
  return (error) => {
    const log = readFileSync(logFile, 'utf8').slice(-2_000);
    throw new Error(`${name} (${kind}): ${String(error)}\n${log}`);
  };
}
