// Starts `mqkv serve` as a process of its own and ends it by pid.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A running mqkv. */
export interface MqkvProcess {
  readonly pid: number;
  readonly port: number;
  /** The admin HTTP's base URL. */
  readonly admin: string;
  /** What it logged so far, one JSON object a line. */
  log(): string;
  /** SIGTERM, and SIGKILL after 20 s. Result: exit code, null after a kill. */
  stop(): Promise<number | null>;
  /** kill -9. */
  kill(): Promise<void>;
}

const BIN = fileURLToPath(new URL('../../bin/mqkv.js', import.meta.url)).replace('/dist/bin/', '/bin/');

/** Starts it on a free loopback port (or the one given) and waits until it is ready. Errors: Error with its log. */
export async function startMqkv(
  flags: readonly string[],
  runtime: string = process.execPath,
  port = 0,
): Promise<MqkvProcess> {
  const child = spawn(
    runtime,
    [BIN, 'serve', '--listen', `127.0.0.1:${port}`, '--admin', '127.0.0.1:0', ...flags],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-1_000_000);
  });
  const readyAt = await readyPort(child, () => log);
  const admin = await adminAddress(child, () => log);
  return {
    pid: child.pid ?? 0,
    port: readyAt,
    admin: `http://${admin}`,
    log: () => log,
    stop: () => stop(child),
    async kill() {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

function readyPort(child: ChildProcess, log: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const port = /^ready \S*:(\d+)$/m.exec(text)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
    child.on('exit', (code) => reject(new Error(`mqkv ended with ${code} before it was ready:\n${log()}`)));
  });
}

/** The log says where the admin HTTP listens. */
async function adminAddress(child: ChildProcess, log: () => string): Promise<string> {
  for (;;) {
    const address = /"admin":"([^"]+)"/.exec(log())?.[1];
    if (address !== undefined) return address;
    if (child.exitCode !== null) throw new Error(`mqkv ended:\n${log()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await once(child, 'exit');
  clearTimeout(killer);
  return child.exitCode;
}
