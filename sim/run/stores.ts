// The kinds of stores that `--store` names, and how a machine opens its own.
import { openEmbeddedStore } from '../../src/store/embedded/index.ts';
import { openFileStore } from '../../src/store/file/index.ts';
import { executeArgs } from '../../src/commands/index.ts';
import type { Keyspace } from '../../src/store/index.ts';
import { openSimRedisSite } from '../redis/site.ts';
import type { Host } from './host.ts';
import type { StoreKind } from './plan.ts';
import type { StoreOptions, StoreUnderTest } from './site-process.ts';

const KINDS: Readonly<Record<string, readonly StoreKind[]>> = {
  embedded: ['embedded'],
  file: ['file'],
  redis: ['redis'],
  mixed: ['redis', 'file', 'embedded'],
};

/** Errors: Error for a name that is none. */
export function storesOf(name: string): readonly StoreKind[] {
  const kinds = KINDS[name];
  if (kinds === undefined) throw new Error(`--store ${name}: it is one of ${Object.keys(KINDS).join(', ')}`);
  return kinds;
}

/** Opens the store of a machine. */
export function openStoreOf(host: Host): (options: StoreOptions) => StoreUnderTest | Promise<StoreUnderTest> {
  const { redis, disk, site } = host;
  return (options) => {
    if (redis !== undefined) return openSimRedisSite(redis, { ...options, site });
    return disk === undefined ? openInMemory(options) : openOnDisk(host, options);
  };
}

function executorOf(keyspace: Keyspace, { clock }: StoreOptions): StoreUnderTest['execute'] {
  return (commands) => {
    const args = commands.map((command) => command.map((word) => Buffer.from(word, 'latin1')));
    return executeArgs(keyspace, args, { now: clock.now() }).toString('latin1');
  };
}

function openInMemory(options: StoreOptions): StoreUnderTest {
  const store = openEmbeddedStore(options);
  return {
    store,
    execute: executorOf(store.keyspace, options),
    stateOf: (key) => store.stateOf(key),
    allKeys: () => store.allKeys(),
    isFreeing: false,
    refusesWrites: () => false,
  };
}

async function openOnDisk({ disk, site }: Host, options: StoreOptions): Promise<StoreUnderTest> {
  if (disk === undefined) throw new Error('a machine without a disk');
  const store = await openFileStore({ ...options, disk: disk.open(options.clock), site });
  return {
    store,
    execute: executorOf(store.keyspace, options),
    stateOf: (key) => store.embedded.stateOf(key),
    allKeys: () => store.embedded.allKeys(),
    isFreeing: false,
    refusesWrites: () => store.problem !== undefined,
  };
}
