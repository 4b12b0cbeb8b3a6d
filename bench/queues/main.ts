// `npm run bench:queues -- [--queue NAME] [--runs N] [--scale X]`: each queue measured alike, three sites on one machine; prints
// the tables of docs/queues.md. NAME: peers, nsq, nats, redis-streams, kafka (repeatable; default: all). Scale 1: a million writes a run.
import { cpus } from 'node:os';
import { type FaultReport, faults, type Lag, lag, type Throughput, throughput } from './measure.ts';
import { QUEUES, type QueueName, startSites } from './world.ts';

const numberAfter = (flag: string, otherwise: number): number => {
  const at = process.argv.indexOf(flag);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const RUNS = numberAfter('--runs', 5);
const SCALE = numberAfter('--scale', 1);
const WRITES = Math.round(1_000_000 * SCALE);
const LAGS = Math.max(100, Math.round(500 * SCALE));
const FAULT_SECONDS = 9;

const medianOf = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const median = <T>(all: readonly T[], of: (one: T) => number): number => medianOf(all.map(of));
const thousands = (value: number): string => Math.round(value).toLocaleString('en-US');
const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

interface Measured {
  readonly queue: QueueName;
  readonly how: string;
  readonly lags: readonly Lag[];
  readonly runs: readonly Throughput[];
  readonly fault: FaultReport;
}

async function measure(queue: QueueName): Promise<Measured> {
  const lags: Lag[] = [];
  const runs: Throughput[] = [];
  let how = '';
  for (let at = 0; at < RUNS; at++) {
    await using sites = await startSites(queue);
    how = sites.carrier.how;
    lags.push(await lag(sites, LAGS));
    runs.push(await throughput(sites, WRITES));
    console.error(
      `${queue} run ${at + 1} of ${RUNS}: ${thousands(runs.at(-1)?.writesPerSecond ?? 0)} writes/s`,
    );
  }
  await using sites = await startSites(queue, true);
  const fault = await faults(sites, FAULT_SECONDS);
  return { queue, how, lags, runs, fault };
}

function print(all: readonly Measured[]): void {
  const [cpu] = cpus();
  console.log(
    `${cpus().length} cores (${cpu?.model ?? 'unknown'}), Node ${process.versions.node}; medians of ${RUNS} runs of ${thousands(WRITES)} SETs of 64 bytes, ${LAGS} lags a run\n`,
  );
  console.log(
    row([
      'queue',
      'replicated SETs/s, each of two pairs',
      'lag p50 ms',
      'lag p99 ms',
      'bytes sent / write',
      'bytes at a receiver / write',
      'CPU s / 100k writes: writer',
      'receiver',
      'broker',
    ]),
  );
  console.log(row(Array.from({ length: 9 }, () => '---')));
  for (const { queue, how, lags, runs } of all)
    console.log(
      row([
        `${queue} (${how})`,
        thousands(median(runs, (one) => one.writesPerSecond)),
        median(lags, (one) => one.p50Ms).toFixed(1),
        median(lags, (one) => one.p99Ms).toFixed(1),
        median(runs, (one) => one.sentBytesPerWrite).toFixed(0),
        median(runs, (one) => one.receivedBytesPerWrite).toFixed(0),
        median(runs, (one) => one.cpu.writer).toFixed(2),
        median(runs, (one) => one.cpu.reader).toFixed(2),
        median(runs, (one) => one.cpu.broker).toFixed(2),
      ]),
    );
  console.log(
    '\nUnder about 5,000 writes/s a site stands still for three seconds; meanwhile the broker is killed -9, and is back after a second:\n',
  );
  console.log(
    row([
      'queue',
      'writes',
      'messages missed',
      'sent again',
      'keys brought by comparisons',
      'messages doubled',
      'all equal after the last write, ms',
    ]),
  );
  console.log(row(Array.from({ length: 7 }, () => '---')));
  for (const { queue, fault } of all)
    console.log(
      row([
        queue,
        thousands(fault.writes),
        fault.missed,
        fault.sentAgain,
        thousands(fault.comparedKeys),
        fault.doubled,
        fault.convergedMs,
      ]),
    );
}

const asked = process.argv.filter((_, at) => process.argv[at - 1] === '--queue');
const unknown = asked.find((name) => !QUEUES.some((queue) => queue === name));
if (unknown !== undefined) {
  console.error(`--queue "${unknown}" must be one of ${QUEUES.join(', ')}`);
  process.exitCode = 2;
} else {
  const all: Measured[] = [];
  for (const queue of QUEUES) if (asked.length === 0 || asked.includes(queue)) all.push(await measure(queue));
  print(all);
}
