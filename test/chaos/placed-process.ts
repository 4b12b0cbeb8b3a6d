// A server process inside a namespace: started, killed, stopped for a moment, started again.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';

/** What to run, and where. */
export interface PlacedSpec {
  /** undefined: in none. */
  readonly namespace: string | undefined;
  readonly command: string;
  readonly args: readonly string[];
  /** File that its output is added to. */
  readonly logFile: string;
}

const living = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/** It may be down, up, or stopped for a moment. */
export class PlacedProcess {
  readonly #spec: PlacedSpec;
  #child: ChildProcess | undefined;
  /** Units: Unix ms; since when it is frozen. */
  frozenAtMs: number | undefined;

  constructor(spec: PlacedSpec) {
    this.#spec = spec;
  }

  get isUp(): boolean {
    return this.#child !== undefined;
  }

  /** Starts it; it may take a while until it serves. */
  start(): void {
    if (this.#child !== undefined) return;
    const { namespace, command, args, logFile } = this.#spec;
    const entering = namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace];
    const [first = '', ...rest] = [...entering, command, ...args];
    const child = spawn(first, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const keep = (chunk: Buffer): void => appendFileSync(logFile, chunk);
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => appendFileSync(logFile, `${String(error)}\n`));
    child.once('exit', (code, signal) => {
      appendFileSync(logFile, `ended: ${code ?? signal}\n`);
      living.delete(child);
      if (this.#child === child) this.#child = undefined;
    });
    living.add(child);
    this.#child = child;
  }

  /** kill -9, also while frozen. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** A clean stop. */
  async stop(): Promise<void> {
    const killer = setTimeout(() => void this.#child?.kill('SIGKILL'), 15_000);
    await this.#end('SIGTERM');
    clearTimeout(killer);
  }

  freeze(): void {
    if (this.#child?.kill('SIGSTOP') === true) this.frozenAtMs = Date.now();
  }

  thaw(): void {
    this.frozenAtMs = undefined;
    this.#child?.kill('SIGCONT');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    if (signal !== 'SIGKILL') child.kill('SIGCONT');
    await gone;
    this.frozenAtMs = undefined;
  }
}
