// `npm run chaos -- [--seed N] [--minutes M] [--stores memory,file,redis] [--queue nsq|peers]`: real faults, as a program.
import { findBroker } from '../brokers/index.ts';
import { missingForNetwork } from './network.ts';
import { reportText } from './report.ts';
import { runChaos } from './run.ts';
import { type QueueKind, STORE_KINDS, type StoreKind } from './site.ts';

function valueOf(flag: string, otherwise: string): string {
  const at = process.argv.indexOf(flag);
  return at < 0 ? otherwise : (process.argv[at + 1] ?? otherwise);
}

function storesOf(text: string): readonly StoreKind[] {
  return text.split(',').map((word) => {
    const kind = STORE_KINDS.find((one) => one === word);
    if (kind === undefined) throw new Error(`--stores: '${word}' is none of ${STORE_KINDS.join(', ')}`);
    return kind;
  });
}

/** What is not there for a run; undefined: nothing. */
async function missing(queue: QueueKind, stores: readonly StoreKind[]): Promise<string | undefined> {
  const commands = [
    ...(queue === 'nsq' ? (['nsqd', 'nsqlookupd'] as const) : []),
    ...(stores.includes('redis') ? (['redis-server'] as const) : []),
  ];
  const absent = commands.filter((command) => findBroker(command) === undefined);
  return absent.length > 0 ? `${absent.join(', ')} not found` : await missingForNetwork();
}

const queue: QueueKind = valueOf('--queue', 'nsq') === 'peers' ? 'peers' : 'nsq';
const stores = storesOf(valueOf('--stores', 'memory,file,redis'));
const seed = Number(valueOf('--seed', String(Date.now() % 1_000_000)));
const seconds = Number(valueOf('--minutes', '5')) * 60;
const reason = await missing(queue, stores);
if (reason !== undefined) {
  console.log(`chaos: skipped (1): ${reason}`);
  process.exitCode = process.env.STRICT === '1' ? 1 : 0;
} else {
  console.log(`chaos: seed ${seed}`);
  const isLoud = process.argv.includes('--verbose');
  const report = await runChaos({
    seed,
    plan: { kind: 'faults', seconds },
    stores,
    queue,
    tell: (line) => {
      if (isLoud) console.log(line);
    },
  });
  console.log(reportText(report));
  process.exitCode = report.history.anomalies.length === 0 ? 0 : 1;
}
process.exit();
