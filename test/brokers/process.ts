// A server process of the tests: started on ports of its own, killed, started again, stopped by its pid.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, isListening } from './ports.ts';
import { type BrokerCommand, findBroker } from './require-broker.ts';

/** A running (or killed, and startable again) server. */
export interface Broker extends AsyncDisposable {
  readonly port: number;
  /** Its data folder, removed by `stop`. */
  readonly dir: string;
  readonly pid: number | undefined;
  /** The last lines it wrote. */
  output(): string;
  /** kill -9, and waits until it is gone. The data stays. */
  kill(): Promise<void>;
  /** Stops it for a moment (SIGSTOP): the kernel still accepts, nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Starts it again on the same ports with the same data. */
  restart(): Promise<void>;
  /** Ends it and removes its data. Idempotent. */
  stop(): Promise<void>;
}

export interface BrokerSpec {
  readonly command: BrokerCommand;
  /** Order: the first is the one that `port` names; all must listen before it counts as started. */
  readonly ports: readonly number[];
  readonly args: (dir: string) => readonly string[];
  /** Files in its data folder before it starts, by name. */
  readonly files?: (dir: string) => Readonly<Record<string, string>>;
  /** Runs once, before the first start. */
  readonly prepare?: (dir: string) => void;
}

const OUTPUT_CHARS_MAX = 20_000;
const living = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

export async function startBroker(spec: BrokerSpec): Promise<Broker> {
  const path = findBroker(spec.command);
  if (path === undefined) throw new Error(`${spec.command} not found; run: npm run setup:brokers`);
  const dir = mkdtempSync(join(tmpdir(), `mqkv-${spec.command}-`));
  for (const [name, content] of Object.entries(spec.files?.(dir) ?? {}))
    writeFileSync(join(dir, name), content);
  spec.prepare?.(dir);
  let child: ChildProcess | undefined;
  let text = '';
  const start = async (): Promise<void> => {
    const started = spawn(path, spec.args(dir), { stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    living.add(started);
    const keep = (chunk: Buffer): void => {
      text = (text + chunk.toString('latin1')).slice(-OUTPUT_CHARS_MAX);
    };
    started.stdout?.on('data', keep);
    started.stderr?.on('data', keep);
    started.once('exit', () => living.delete(started));
    await eventually(`${spec.command} listens on ${spec.ports.join(', ')}`, async () => {
      if (started.exitCode !== null) throw new Error(`${spec.command} ended at once:\n${text}`);
      return (await Promise.all(spec.ports.map(isListening))).every(Boolean);
    });
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = child;
    child = undefined;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = new Promise((resolve) => ending.once('exit', resolve));
    ending.kill('SIGCONT');
    ending.kill(signal);
    await gone;
  };
  const stop = async (): Promise<void> => {
    await end('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  };
  await start();
  return {
    port: spec.ports[0],
    dir,
    get pid() {
      return child?.pid;
    },
    output: () => text,
    kill: () => end('SIGKILL'),
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    restart: async () => {
      await end('SIGKILL');
      await start();
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
