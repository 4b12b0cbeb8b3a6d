// Whether a broker is on this machine. Strict runs fail without it; others skip, counted and with the reason.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Where setup:brokers puts what it builds. */
export const brokersDir = process.env.MQKV_BROKERS_DIR || join(homedir(), '.cache', 'mqkv-brokers');

export type BrokerCommand =
  | 'java'
  | 'kafka'
  | 'nats-server'
  | 'nsqd'
  | 'nsqlookupd'
  | 'redis-server'
  | 'redis-cli'
  | 'redis-benchmark'
  | 'redis-sentinel';

/** `skip` is the reason to skip, or false: hand it to `describe.skipIf` and put it into the title. */
export interface Required {
  readonly skip: string | false;
}

const missing = new Map<string, number>();

/** The command's path, undefined when it is not there. */
export function findBroker(command: BrokerCommand): string | undefined {
  const folders = [brokersDir, ...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/local/bin'];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, command))
    .find((path) => existsSync(path));
}

/** Asks for brokers before a group of tests. Errors: with STRICT=1 a missing one throws, so that the run fails. */
export function requireBroker(...commands: readonly BrokerCommand[]): Required {
  const absent = commands.filter((command) => findBroker(command) === undefined);
  if (absent.length === 0) return { skip: false };
  const reason = `${absent.join(', ')} not found; run: npm run setup:brokers`;
  if (process.env.STRICT === '1') throw new Error(reason);
  for (const command of absent) missing.set(command, (missing.get(command) ?? 0) + 1);
  console.warn(`skipped (${[...missing.values()].reduce((sum, n) => sum + n, 0)}): ${reason}`);
  return { skip: reason };
}
