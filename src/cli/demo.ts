// `mqkv demo`: three sites on this machine, each a child process, joined by peer links.
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { assert, MqkvError, systemClock } from '../base/index.ts';
import { version } from './version.ts';

const NAMES = ['berlin', 'lagos', 'osaka'];
const FIRST_PORT = 6389;
/** Ports looked at above the first one before the system chooses. */
const PORTS_TRIED = 30;
/** Units: ms. How long the children may take to start, and to stop. */
const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 8_000;

interface DemoSite {
  readonly name: string;
  readonly port: number;
  readonly adminPort: number;
}

/** Runs the demo until a signal or until a site dies. Resolves with the exit code. */
export async function demo(args: readonly string[]): Promise<number> {
  if (args[0] !== undefined)
    throw new MqkvError('USAGE', `unexpected argument "${args[0]}"; demo takes none`);
  const stop = nextSignal();
  const sites = await chooseSites();
  const children = sites.map((site, i) => startChild(site, sites[(i + 1) % sites.length] ?? site));
  const death = Promise.race(children.map(deathOf));
  try {
    const ended = await Promise.race([allReady(children), stop, death]);
    if (ended !== 'ready') return finish(ended);
    process.stdout.write(instructions(sites));
    return finish(await Promise.race([stop, death]));
  } finally {
    await Promise.all(children.map(stopChild));
  }
}

/** What ended the demo: a signal is the good way. */
function finish(ended: 'signal' | 'late' | Death): number {
  if (ended === 'signal') return 0;
  const reason =
    ended === 'late' ? 'the sites did not start in time' : `a site ended by itself (${ended.how})`;
  process.stderr.write(`mqkv: ${reason}; see its log above\n`);
  return 1;
}

interface Death {
  readonly how: string;
}

function deathOf(child: ChildProcess): Promise<Death> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ how: error.message }));
    child.once('exit', (code, signal) => resolve({ how: signal ?? `exit code ${code}` }));
  });
}

function nextSignal(): Promise<'signal'> {
  return new Promise((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, () => resolve('signal'));
  });
}

/** Every site lists the next one: so each pair has exactly one link, and links carry both ways. */
function startChild(site: DemoSite, next: DemoSite): ChildProcess {
  const entry = fileURLToPath(new URL('../../../bin/mqkv.js', import.meta.url));
  const flags = {
    site: site.name,
    listen: `127.0.0.1:${site.port}`,
    admin: `127.0.0.1:${site.adminPort}`,
    store: 'memory:',
    queue: `peers://127.0.0.1:${next.port}`,
    'log-level': 'error',
    'stop-timeout': '2s',
  };
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  return spawn(process.execPath, [...process.execArgv, entry, 'serve', ...args], {
    // The channel (ipc) lets a site notice when the demo is killed without a chance to stop it.
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    // A group of its own: Ctrl-C reaches the demo alone, which then stops the sites one way only.
    detached: true,
    env: plainEnvironment(),
  });
}

/** Without MQKV_…: the sites of the demo have nothing to do with what is set up for a real one. */
function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MQKV_')));
}

async function allReady(children: readonly ChildProcess[]): Promise<'ready' | 'late'> {
  const late = new Promise<'late'>((resolve) => systemClock.after(START_TIMEOUT_MS, () => resolve('late')));
  const ready = Promise.all(children.map(readyOf)).then(() => 'ready' as const);
  return Promise.race([ready, late]);
}

function readyOf(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString('latin1')).slice(-4096);
      if (/^ready /m.test(text)) resolve();
    });
  });
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = deathOf(child);
  child.kill('SIGTERM');
  const kill = systemClock.after(STOP_TIMEOUT_MS, () => child.kill('SIGKILL'));
  await gone;
  kill.cancel();
}

async function chooseSites(): Promise<readonly DemoSite[]> {
  const ports = await freePorts(NAMES.length, FIRST_PORT);
  const adminPorts = await freePorts(NAMES.length, FIRST_PORT + 1000);
  return NAMES.map((name, i) => {
    const port = ports[i];
    const adminPort = adminPorts[i];
    assert(port !== undefined && adminPort !== undefined, 'a port for each site');
    return { name, port, adminPort };
  });
}

/** Ports free at this moment: the first ones from `from` on, else any. All are held until the last is found. */
async function freePorts(count: number, from: number): Promise<readonly number[]> {
  const held: Held[] = [];
  for (let port = from; held.length < count && port < from + PORTS_TRIED; port++) {
    const server = await hold(port);
    if (server !== undefined) held.push(server);
  }
  while (held.length < count) {
    const server = await hold(0);
    if (server === undefined) throw new MqkvError('START', 'no free port on 127.0.0.1');
    held.push(server);
  }
  await Promise.all(held.map((server) => server.release()));
  return held.map((server) => server.port);
}

interface Held {
  readonly port: number;
  release(): Promise<void>;
}

function hold(port: number): Promise<Held | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      const release = (): Promise<void> => new Promise((released) => server.close(() => released()));
      resolve({ port: typeof address === 'object' && address !== null ? address.port : port, release });
    });
  });
}

function instructions(sites: readonly DemoSite[]): string {
  const rows = sites.map(
    (site) =>
      `  ${site.name.padEnd(8)}redis-cli -p ${site.port}      admin http://127.0.0.1:${site.adminPort}/`,
  );
  const [a, b, c] = sites.map((site) => `redis-cli -p ${site.port}`);
  return `mqkv ${version()}: three sites are running, each with a copy of its own

${rows.join('\n')}

Try
  ${a} set stream:1 live ex 3600    write at one site
  ${b} get stream:1                 read it at another
  ${c} ttl stream:1                 and its TTL at the third
  ${a} incr viewers                 count at two sites at once:
  ${b} incr viewers
  ${c} get viewers                  the increments add up

Ctrl-C ends all three.
`;
}
