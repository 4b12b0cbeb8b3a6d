// Networks of a chaos run: a namespace per site, all joined by a bridge in one of their own; links are cut, slowed and mended.
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PREFIX = 'mqkv-chaos-';

/** One site's place in the network. */
export interface Place {
  /** Name of its namespace; undefined: none, everything lies on loopback. */
  readonly namespace: string | undefined;
  /** Its address on the bridge, or on loopback. */
  readonly address: string;
}

/** Where sites and what they share lie. */
export interface Places {
  readonly hub: Place;
  readonly places: readonly Place[];
}

/** The sites' network. */
export interface Network extends Places {
  /** Takes the carrier of a site's link away; the site's own addresses stay. */
  cut(index: number): Promise<void>;
  mend(index: number): Promise<void>;
  /** Nothing passes between two sites, to others it does. */
  split(one: number, other: number): Promise<void>;
  join(one: number, other: number): Promise<void>;
  /** About 300 kbit/s out of a site. */
  slow(index: number): Promise<void>;
  quicken(index: number): Promise<void>;
  close(): Promise<void>;
}

/** Runs a command of the system. Errors: rejects with what it printed. */
export async function system(command: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(command, [...args]);
  return stdout;
}

/** Why a network cannot be made here; undefined: it can. */
export async function missingForNetwork(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'needs root on Linux';
  const name = `${PREFIX}${process.pid}-try`;
  try {
    await system('ip', 'netns', 'add', name);
    await system('ip', '-n', name, 'link', 'add', 'bridge', 'type', 'bridge');
    await system('ip', '-n', name, 'link', 'add', 'one', 'type', 'veth', 'peer', 'name', 'two');
    await system('ip', 'netns', 'exec', name, 'true');
    return undefined;
  } catch (error) {
    return `network namespaces cannot be made: ${String(error).split('\n')[0]}`;
  } finally {
    await system('ip', 'netns', 'del', name).catch(() => '');
  }
}

/** Sites on loopback addresses of this process, without a network that could be cut; needs no rights. */
export function loopbackPlaces(count: number): Places {
  const { pid } = process;
  const place = (host: number): Place => ({
    namespace: undefined,
    address: `127.${16 + ((pid >> 8) % 200)}.${pid % 256}.${host}`,
  });
  return { hub: place(1), places: Array.from({ length: count }, (_, i) => place(11 + i)) };
}

/** A place with a namespace of its own. */
interface Room extends Place {
  readonly namespace: string;
}

/** Opens a network of `count` sites. */
export async function openNetwork(count: number): Promise<Network> {
  const name = (suffix: string): string => `${PREFIX}${process.pid}-${suffix}`;
  const hub: Room = { namespace: name('hub'), address: '10.77.0.1' };
  const places = Array.from({ length: count }, (_, i) => ({
    namespace: name(`s${i}`),
    address: `10.77.0.${11 + i}`,
  }));
  const network = new Bridge(hub, places);
  try {
    await network.open();
    return network;
  } catch (error) {
    await network.close();
    throw error;
  }
}

class Bridge implements Network {
  readonly hub: Room;
  readonly places: readonly Room[];

  constructor(hub: Room, places: readonly Room[]) {
    this.hub = hub;
    this.places = places;
  }

  async open(): Promise<void> {
    const { namespace, address } = this.hub;
    await system('ip', 'netns', 'add', namespace);
    await system('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
    await system('ip', '-n', namespace, 'link', 'add', 'bridge', 'type', 'bridge', 'forward_delay', '0');
    await system('ip', '-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'bridge');
    await system('ip', '-n', namespace, 'link', 'set', 'bridge', 'up');
    for (const [i, place] of this.places.entries()) await this.#attach(i, place);
  }

  async #attach(index: number, { namespace, address }: Room): Promise<void> {
    const [hub, port] = [this.hub.namespace, `port${index}`];
    await system('ip', 'netns', 'add', namespace);
    await system('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
    const pair = ['-n', hub, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'wan', 'netns', namespace];
    await system('ip', ...pair);
    await system('ip', '-n', hub, 'link', 'set', port, 'master', 'bridge', 'up');
    await system('ip', '-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'wan');
    await system('ip', '-n', namespace, 'link', 'set', 'wan', 'up');
  }

  async cut(index: number): Promise<void> {
    await system('ip', '-n', this.hub.namespace, 'link', 'set', `port${index}`, 'down');
  }

  async mend(index: number): Promise<void> {
    await system('ip', '-n', this.hub.namespace, 'link', 'set', `port${index}`, 'up');
  }

  async split(one: number, other: number): Promise<void> {
    for (const [from, to] of pairs(one, other)) await this.#route('add', from, to);
  }

  async join(one: number, other: number): Promise<void> {
    for (const [from, to] of pairs(one, other)) await this.#route('del', from, to);
  }

  async #route(what: 'add' | 'del', from: number, to: number): Promise<void> {
    const { namespace } = this.#place(from);
    await system('ip', '-n', namespace, 'route', what, 'blackhole', `${this.#place(to).address}/32`);
  }

  async slow(index: number): Promise<void> {
    const shape = ['tbf', 'rate', '300kbit', 'burst', '8kb', 'latency', '400ms'];
    const { namespace } = this.#place(index);
    await system('tc', '-n', namespace, 'qdisc', 'add', 'dev', 'wan', 'root', ...shape);
  }

  async quicken(index: number): Promise<void> {
    await system('tc', '-n', this.#place(index).namespace, 'qdisc', 'del', 'dev', 'wan', 'root');
  }

  #place(index: number): Room {
    const place = this.places[index];
    if (place === undefined) throw new Error(`no site ${index}`);
    return place;
  }

  async close(): Promise<void> {
    for (const { namespace } of [...this.places, this.hub]) await removeNamespace(namespace);
  }
}

function pairs(one: number, other: number): readonly (readonly [number, number])[] {
  return [
    [one, other],
    [other, one],
  ];
}

/** Ends what still runs inside and removes it. */
async function removeNamespace(namespace: string): Promise<void> {
  const pids = await system('ip', 'netns', 'pids', namespace).catch(() => '');
  for (const pid of pids.split(/\s+/).filter((text) => text !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
  await system('ip', 'netns', 'del', namespace).catch(() => '');
}

/** The folder that holds this run's files. */
export function runFolder(pid = process.pid): string {
  return join(tmpdir(), `${PREFIX}${pid}`);
}

/** Removes what runs left whose process is gone: their names carry its pid. */
export async function removeStale(): Promise<void> {
  const isStale = (pid: string): boolean => pid !== String(process.pid) && !isRunning(pid);
  const namespaces = await system('ip', 'netns', 'list').catch(() => '');
  for (const [name = '', pid = ''] of namespaces.matchAll(/^mqkv-chaos-(\d+)-\S+/gm))
    if (isStale(pid)) await removeNamespace(name);
  for (const entry of readdirSync(tmpdir())) {
    const pid = /^mqkv-chaos-(\d+)$/.exec(entry)?.[1];
    if (pid !== undefined && isStale(pid)) await removeRunFolder(Number(pid));
  }
}

/** What has ended and is not yet collected by its parent has no command line. */
function isRunning(pid: string): boolean {
  const file = `/proc/${pid}/cmdline`;
  return existsSync(file) && readFileSync(file).length > 0;
}

/** Unmounts what is mounted below a run's folder and removes it. */
export async function removeRunFolder(pid = process.pid): Promise<void> {
  const folder = runFolder(pid);
  const mounts = await system('cat', '/proc/self/mounts');
  for (const line of mounts.split('\n')) {
    const at = line.split(' ')[1] ?? '';
    if (at.startsWith(`${folder}/`)) await system('umount', '-l', at).catch(() => '');
  }
  rmSync(folder, { recursive: true, force: true });
}

/** A small file system in memory. Units: MiB. */
export async function mountSmallDisk(at: string, sizeMib: number): Promise<void> {
  await system('mount', '-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'mqkv-chaos', at);
}
