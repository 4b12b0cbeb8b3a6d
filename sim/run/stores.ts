// The kinds of stores that `--store` names, and how a machine opens its own.
import { openEmbeddedStore } from '../../src/store/embedded/index.ts';
import type { Host } from './host.ts';
import type { StoreKind } from './plan.ts';
import type { StoreOptions, StoreUnderTest } from './site-process.ts';

/** Errors: Error for a name that is none. */
export function storesOf(name: string): readonly StoreKind[] {
  if (name === 'embedded') return [name];
  throw new Error(`--store ${name}: embedded is what the simulator runs`);
}

/** Opens the store of a machine. */
export function openStoreOf(
  _host: Host,
): (options: StoreOptions) => StoreUnderTest | Promise<StoreUnderTest> {
  return (options) => {
    const store = openEmbeddedStore(options);
    return {
      store,
      keyspace: store.keyspace,
      stateOf: (key) => store.stateOf(key),
      allKeys: () => store.allKeys(),
    };
  };
}
