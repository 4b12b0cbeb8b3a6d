// A chaos run: a world, clients and faults for a while, then healing, convergence and the checks.
import { setTimeout as pause } from 'node:timers/promises';
import { seededRandom } from '../../src/base/index.ts';
import { check, type Checked } from './checker.ts';
import { openClient } from './client.ts';
import { type Dump, dumpOf, unequal } from './dump.ts';
import { History } from './history.ts';
import { Nemesis } from './nemesis.ts';
import type { QueueKind, StoreKind } from './site.ts';
import { startWorkload } from './workload.ts';
import { openWorld, type World } from './world.ts';

export interface ChaosOptions {
  readonly seed: number;
  /** Faults by chance for so many seconds, in a network of their own; or on loopback every process killed so many times. */
  readonly plan:
    | { readonly kind: 'faults'; readonly seconds: number }
    | { readonly kind: 'kills'; readonly rounds: number };
  readonly stores: readonly StoreKind[];
  readonly queue: QueueKind;
  /** Hears of each fault as it comes and goes. */
  readonly tell?: (line: string) => void;
}

export interface ChaosReport {
  readonly options: ChaosOptions;
  readonly history: History;
  readonly faults: ReadonlyMap<string, number>;
  /** Units: ms from healing until all sites showed the same. */
  readonly convergedMs: number;
  readonly keys: number;
  readonly checked: Checked;
}

/** Units: ms after healing within which all sites must be equal. */
const CONVERGENCE_MS = 120_000;
/** Characters of a trace that are told. */
const TRACE_MAX = 600;
/** Units: ms; longer than any TTL of the workload. */
const TTL_MAX_MS = 5_500;

/** Runs it. Errors: Error when the world cannot be made; anomalies are in the report. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { stores, queue, plan } = options;
  await using world = await openWorld({ stores, queue, isApart: plan.kind === 'faults' });
  const unarmed = armSignals(world);
  try {
    return await run(options, world);
  } finally {
    unarmed();
  }
}

/** Ended from outside, the world goes too. Result: takes the arming back. */
function armSignals(world: World): () => void {
  const end = (): void => void world.close().finally(() => process.exit(130));
  process.once('SIGINT', end).once('SIGTERM', end);
  return () => void process.off('SIGINT', end).off('SIGTERM', end);
}

async function run(options: ChaosOptions, world: World): Promise<ChaosReport> {
  const history = new History();
  const workload = startWorkload(world, history, options.seed);
  const nemesis = new Nemesis(world, seededRandom(options.seed), options.tell ?? (() => {}));
  const { plan } = options;
  await (plan.kind === 'faults' ? nemesis.runFor(plan.seconds) : nemesis.killEach(plan.rounds));
  // Writes go on for a moment in the healed world.
  await pause(2_000);
  await workload.stop();
  const { dump, convergedMs } = await converge(world, history);
  const shown = (read: readonly string[]): string | null => dump.get(read) ?? null;
  const checked = check(history, shown);
  return { options, history, faults: nemesis.counts, convergedMs, keys: dump.keys, checked };
}

/** Waits until all sites show the same. Result: what the first one shows. */
async function converge(world: World, history: History): Promise<{ dump: Dump; convergedMs: number }> {
  const sinceMs = Date.now();
  await pause(TTL_MAX_MS);
  for (;;) {
    const dumps: (Dump | undefined)[] = [];
    for (const { socket } of world.sites) {
      const client = await openClient(socket).catch(() => undefined);
      dumps.push(client === undefined ? undefined : await dumpOf(client).catch(() => undefined));
      client?.close();
    }
    const convergedMs = Date.now() - sinceMs;
    const found = unequal(dumps);
    if (found.length === 0 && dumps[0] !== undefined) return { dump: dumps[0], convergedMs };
    if (convergedMs > CONVERGENCE_MS) {
      for (const text of found) await tellDifference(world, history, text);
      return { dump: dumps.find((dump) => dump !== undefined) ?? emptyDump, convergedMs };
    }
    await pause(500);
  }
}

/** With what is known of the key. */
async function tellDifference({ sites }: World, history: History, text: string): Promise<void> {
  const key = text.split(': ')[0] ?? '';
  const lines = [...(history.recent.get(key) ?? [])];
  for (const { name, socket } of sites) {
    const client = await openClient(socket).catch(() => undefined);
    const trace: unknown = await client?.command('MQKV.TRACE', key).catch(String);
    client?.close();
    lines.push(`${name} ${String(JSON.stringify(trace)).slice(0, TRACE_MAX)}`);
  }
  history.anomaly('sites differ', text, lines);
}

const emptyDump: Dump = { keys: 0, entries: new Map(), get: () => undefined };
