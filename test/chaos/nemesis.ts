// What goes wrong in a chaos run: faults of the network, of processes and of disks, by a seeded schedule, and their healing.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { below, type Random, sleep, systemClock } from '../../src/base/index.ts';
import type { PlacedProcess } from './placed-process.ts';
import type { ChaosSite } from './site.ts';
import type { World } from './world.ts';

/** Something that goes wrong for a while. */
interface Fault {
  readonly kind: string;
  /** What it lays hands on: two faults never have the same at once. */
  readonly targets: readonly string[];
  readonly begin: () => Promise<void>;
  readonly end: () => Promise<void>;
}

/** Faults at a time. */
const TOGETHER_MAX = 4;
/** Units: ms. */
const PAUSE_MAX_MS = 2_500;
const LASTS_MAX_MS = 9_000;

/** Lets faults come and go until it is stopped. */
export class Nemesis {
  /** How often each kind was injected. */
  readonly counts = new Map<string, number>();
  readonly #world: World;
  readonly #random: Random;
  readonly #tell: (line: string) => void;
  readonly #stopping = new AbortController();
  readonly #busy = new Set<string>();
  readonly #running = new Set<Promise<void>>();

  constructor(world: World, random: Random, tell: (line: string) => void) {
    this.#world = world;
    this.#random = random;
    this.#tell = tell;
  }

  /** Runs until `stop`. */
  async run(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.#pause(300 + below(this.#random, PAUSE_MAX_MS));
      const fault = this.#choose();
      const lastsMs = 200 + below(this.#random, LASTS_MAX_MS);
      if (fault === undefined || this.#stopping.signal.aborted) continue;
      const running = this.#inject(fault, lastsMs).finally(() => this.#running.delete(running));
      this.#running.add(running);
    }
  }

  /** Ends every fault; resolves when all is mended and started again. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #choose(): Fault | undefined {
    const all = faultsOf(this.#world, this.#random);
    const fault = all[below(this.#random, all.length)];
    if (this.#running.size >= TOGETHER_MAX) return undefined;
    return fault?.targets.some((target) => this.#busy.has(target)) === false ? fault : undefined;
  }

  async #inject(fault: Fault, lastsMs: number): Promise<void> {
    for (const target of fault.targets) this.#busy.add(target);
    this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
    this.#tell(`${Date.now()} ${fault.kind} ${fault.targets.join(' ')} for ${lastsMs} ms`);
    await fault.begin();
    await this.#pause(lastsMs);
    await fault.end();
    this.#tell(`${Date.now()} over: ${fault.kind} ${fault.targets.join(' ')}`);
    for (const target of fault.targets) this.#busy.delete(target);
  }

  async #pause(ms: number): Promise<void> {
    await sleep(systemClock, ms, this.#stopping.signal);
  }
}

/** Every fault that this world allows; those with two targets choose the second. */
function faultsOf(world: World, random: Random): readonly Fault[] {
  const everywhere = cutEverywhere(world);
  const perSite = world.sites.flatMap((site) => [
    ...linkFaults(world, site, random),
    ...siteFaults(site),
    ...storeFaults(site),
    ...brokerFaults(site),
  ]);
  return [...perSite, everywhere, ...lookupdFaults(world)];
}

function linkFaults(world: World, site: ChaosSite, random: Random): readonly Fault[] {
  const { network, sites } = world;
  const { index } = site;
  const link = `link:${site.name}`;
  const other = sites[(index + 1 + below(random, sites.length - 1)) % sites.length] ?? site;
  const pair = [site.name, other.name].sort().join('-');
  const apart = (change: number): void => {
    site.apart += change;
  };
  return [
    {
      kind: 'link cut',
      targets: [link],
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
function cutEverywhere({ network, sites }: World): Fault {
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

function storeFaults(site: ChaosSite): readonly Fault[] {
  const target = `store:${site.name}`;
  if (site.kind.startsWith('file')) return [diskFault(site, target)];
  const { redis } = site;
  return redis === undefined ? [] : processFaults('redis', redis, { site, target });
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
}

/** Kill and freeze of a server. */
function processFaults(name: string, server: PlacedProcess, { site, target }: On): readonly Fault[] {
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
    { kind: `${name} killed`, targets, begin: worse(() => server.kill()), end: better(() => server.start()) },
    {
      kind: `${name} frozen`,
      targets,
      begin: worse(() => server.freeze()),
      end: better(() => server.thaw()),
    },
  ];
}

function brokerFaults(site: ChaosSite): readonly Fault[] {
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
    {
      kind: 'nsqd disk full',
      targets: [target],
      begin: async () => site.fill(brokerFolder),
      end: async () => {
        site.unfill(brokerFolder);
        // It ends by itself when it cannot write its metadata.
        nsqd.start();
      },
    },
  ];
}

function lookupdFaults({ lookupd }: World): readonly Fault[] {
  return lookupd === undefined ? [] : processFaults('nsqlookupd', lookupd, { target: 'nsqlookupd' });
}
