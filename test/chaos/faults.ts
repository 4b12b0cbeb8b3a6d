// The faults of a chaos run: of the network, of processes and of disks.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { below, type Random } from '../../src/base/index.ts';
import type { Network } from './network.ts';
import type { PlacedProcess } from './placed-process.ts';
import type { ChaosSite } from './site.ts';
import type { World } from './world.ts';

/** Something that goes wrong for a while. */
export interface Fault {
  readonly kind: string;
  /** What it lays hands on: two faults never have the same at once. */
  readonly targets: readonly string[];
  readonly begin: () => Promise<void>;
  readonly end: () => Promise<void>;
}

/** Every fault that this world allows; those with two targets choose the second. */
export function faultsOf(world: World, random: Random): readonly Fault[] {
  const perSite = world.sites.flatMap((site) => [
    ...siteFaults(site),
    ...storeFaults(site, world.network !== undefined),
    ...brokerFaults(site, world.network !== undefined),
  ]);
  return [...perSite, ...linkFaults(world, random), ...lookupdFaults(world)];
}

const KILL = /^\w+ killed$/;

/** kill -9 of each process, and its next start. */
export function killsOf(world: World, random: Random): readonly Fault[] {
  return faultsOf(world, random).filter(({ kind }) => KILL.test(kind));
}

function linkFaults({ network, sites }: World, random: Random): readonly Fault[] {
  if (network === undefined) return [];
  const perSite = sites.flatMap((site) => {
    const other = sites[(site.index + 1 + below(random, sites.length - 1)) % sites.length] ?? site;
    return linkFaultsOf(network, site, other);
  });
  return [...perSite, cutEverywhere(network, sites)];
}

function linkFaultsOf(network: Network, site: ChaosSite, other: ChaosSite): readonly Fault[] {
  const { index } = site;
  const pair = [site.name, other.name].sort().join('-');
  const apart = (change: number): void => {
    site.apart += change;
  };
  return [
    {
      kind: 'link cut',
      targets: [`link:${site.name}`],
      begin: async () => {
        apart(1);
        await network.cut(index);
      },
      end: async () => {
        await network.mend(index);
        apart(-1);
      },
    },
    {
      kind: 'pair split',
      targets: [`pair:${pair}`],
      begin: async () => {
        apart(1);
        await network.split(index, other.index);
      },
      end: async () => {
        await network.join(index, other.index);
        apart(-1);
      },
    },
    {
      kind: 'link slow',
      targets: [`slow:${site.name}`],
      begin: () => network.slow(index),
      end: () => network.quicken(index),
    },
  ];
}

/** Every site on its own. */
function cutEverywhere(network: Network, sites: readonly ChaosSite[]): Fault {
  return {
    kind: 'all links cut',
    targets: sites.map(({ name }) => `link:${name}`),
    begin: async () => {
      for (const site of sites) {
        site.apart++;
        await network.cut(site.index);
      }
    },
    end: async () => {
      for (const site of sites) {
        await network.mend(site.index);
        site.apart--;
      }
    },
  };
}

/** Kill, stop and freeze of the site's mqkv. */
function siteFaults(site: ChaosSite): readonly Fault[] {
  const target = `mqkv:${site.name}`;
  const { mqkv } = site;
  const start = async (): Promise<void> => {
    mqkv.start();
    site.relieved(target);
  };
  const kill = async (): Promise<void> => {
    site.trouble(target);
    await mqkv.kill();
    site.noteKill();
  };
  const freeze = async (): Promise<void> => {
    site.trouble(target);
    mqkv.freeze();
  };
  const stop = async (): Promise<void> => {
    site.trouble(target);
    await mqkv.stop();
    // A clean stop loses nothing but what only lay in memory.
    if (site.kind === 'memory') site.noteKill();
  };
  const thaw = async (): Promise<void> => {
    mqkv.thaw();
    site.relieved(target);
  };
  const killFrozen = async (): Promise<void> => {
    site.noteKill();
    await mqkv.kill();
    await start();
  };
  return [
    { kind: 'mqkv killed', targets: [target], begin: kill, end: start },
    { kind: 'mqkv stopped', targets: [target], begin: stop, end: start },
    { kind: 'mqkv frozen', targets: [target], begin: freeze, end: thaw },
    { kind: 'mqkv frozen, then killed', targets: [target], begin: freeze, end: killFrozen },
  ];
}

function storeFaults(site: ChaosSite, hasDisks: boolean): readonly Fault[] {
  const target = `store:${site.name}`;
  if (site.kind.startsWith('file')) return hasDisks ? [diskFault(site, target)] : [];
  const { redis } = site;
  return redis === undefined
    ? []
    : processFaults('redis', redis, { site, target, killed: () => site.noteRedisKill() });
}

/** The store's disk is full. */
function diskFault(site: ChaosSite, target: string): Fault {
  return {
    kind: 'store disk full',
    targets: [target],
    begin: async () => {
      site.trouble(target);
      site.fullSinceMs = Date.now();
      site.fill(site.storeFolder);
    },
    end: async () => {
      site.unfill(site.storeFolder);
      site.fullSinceMs = undefined;
      site.relieved(target);
    },
  };
}

interface On {
  /** Whom it keeps from serving; undefined: nobody. */
  readonly site?: ChaosSite;
  readonly target: string;
  readonly killed?: () => void;
}

/** Kill and freeze of a server. */
function processFaults(name: string, server: PlacedProcess, { site, target, killed }: On): readonly Fault[] {
  const worse = (what: () => unknown) => async (): Promise<void> => {
    site?.trouble(target);
    await what();
  };
  const better = (what: () => unknown) => async (): Promise<void> => {
    await what();
    site?.relieved(target);
  };
  const targets = [target];
  return [
    {
      kind: `${name} killed`,
      targets,
      begin: worse(() => server.kill().then(killed)),
      end: better(() => server.start()),
    },
    {
      kind: `${name} frozen`,
      targets,
      begin: worse(() => server.freeze()),
      end: better(() => server.thaw()),
    },
  ];
}

function brokerFaults(site: ChaosSite, hasDisks: boolean): readonly Fault[] {
  const { nsqd, brokerFolder } = site;
  if (nsqd === undefined) return [];
  const target = `nsqd:${site.name}`;
  const lose = async (): Promise<void> => {
    await nsqd.kill();
    for (const file of readdirSync(brokerFolder)) rmSync(join(brokerFolder, file), { force: true });
  };
  return [
    ...processFaults('nsqd', nsqd, { target }),
    { kind: 'nsqd lost all', targets: [target], begin: lose, end: async () => nsqd.start() },
    ...(hasDisks ? [brokerDiskFault(site, nsqd)] : []),
  ];
}

function brokerDiskFault(site: ChaosSite, nsqd: PlacedProcess): Fault {
  return {
    kind: 'nsqd disk full',
    targets: [`nsqd:${site.name}`],
    begin: async () => site.fill(site.brokerFolder),
    end: async () => {
      site.unfill(site.brokerFolder);
      // It ends by itself when it cannot write its metadata.
      nsqd.start();
    },
  };
}

function lookupdFaults({ lookupd }: World): readonly Fault[] {
  return lookupd === undefined ? [] : processFaults('nsqlookupd', lookupd, { target: 'nsqlookupd' });
}
