// The processes of a benchmark: redis-server, mqkv with a live consumer, redis-benchmark; pinned to cores or not, ended by pid.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/** Where a process runs: on the core of the servers under test, on that of clients and consumers, or anywhere. */
export type Core = 'server' | 'client' | 'any';

const CORES: Readonly<Record<Core, readonly string[]>> = {
  server: ['taskset', '-c', '0'],
  client: ['taskset', '-c', '1'],
  any: [],
};

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A server under test. */
export interface Server {
  readonly name: string;
  readonly port: number;
  readonly child: ChildProcess;
  /** What it printed on stderr. */
  log(): string;
}

/** A free loopback port. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function pinned(core: Core, command: readonly string[]): ChildProcess {
  const [program = '', ...args] = [...CORES[core], ...command];
  return spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
}

function serverOf(name: string, port: number, child: ChildProcess): Server {
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-100_000);
  });
  return { name, port, child, log: () => log };
}

/** Starts a redis-server without persistence. */
export async function startRedis(core: Core = 'server'): Promise<Server> {
  const port = await freePort();
  const flags = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const server = serverOf('redis', port, pinned(core, ['redis-server', ...flags]));
  await printed(server, /Ready to accept connections/);
  return server;
}

/** How to start an mqkv. */
export interface MqkvOptions {
  readonly site: string;
  /** The ports of the peers that it links to; none: no queue. */
  readonly peers: readonly number[];
  readonly core: Core;
  /** More flags. */
  readonly flags?: readonly string[];
}

/** Starts one mqkv. */
export async function startMqkv({ site, peers, core, flags = [] }: MqkvOptions): Promise<Server> {
  const port = await freePort();
  const queue = peers.map((peer) => `127.0.0.1:${peer}`).join(',');
  const command = [process.execPath, '--import', `${ROOT}bench/pauses.mjs`, `${ROOT}bin/mqkv.js`, 'serve'];
  const all = [
    '--site',
    site,
    '--listen',
    `127.0.0.1:${port}`,
    '--admin',
    'off',
    '--log-level',
    'warn',
    ...(peers.length === 0 ? [] : ['--queue', `peers://${queue}`, '--serve-while-loading']),
    ...flags,
  ];
  const server = serverOf(`mqkv ${site}`, port, pinned(core, [...command, ...all]));
  await printed(server, /^ready /m);
  return server;
}

function printed({ child, log, name }: Server, what: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text = (text + chunk).slice(-10_000);
      if (what.test(text)) resolve();
    });
    child.on('exit', (code) => reject(new Error(`${name} ended with ${code}: ${text} ${log()}`)));
  });
}

/** Ends a server by its pid. */
export async function stop({ child }: Server): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** One run of redis-benchmark. */
export interface Load {
  readonly command: 'set' | 'get';
  readonly requests: number;
  readonly pipeline: number;
  readonly clients: number;
  readonly keys: number;
  /** Default: on the core of clients. */
  readonly core?: Core;
}

/** Requests a second. */
export function benchmark(port: number, load: Load): number {
  const { command, requests, pipeline, clients, keys, core = 'client' } = load;
  const flags = {
    '-p': port,
    '-t': command,
    '-n': requests,
    '-P': pipeline,
    '-c': clients,
    '-r': keys,
    '-d': 64,
  };
  const args = Object.entries(flags).flatMap(([flag, value]) => [flag, String(value)]);
  const [program = '', ...before] = [...CORES[core], 'redis-benchmark'];
  const csv = execFileSync(program, [...before, ...args, '--csv'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const rate = new RegExp(`^"${command}","([0-9.]+)"`, 'im').exec(csv)?.[1];
  if (rate === undefined) throw new Error(`redis-benchmark said: ${csv}`);
  return Number(rate);
}

/** A command's reply by redis-cli. */
export function ask(port: number, ...args: readonly string[]): string {
  return execFileSync('redis-cli', ['-p', String(port), ...args], { encoding: 'utf8' }).trim();
}

/** Units: bytes resident. */
export function residentBytes({ child }: Server): number {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}

/** The middle one. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
