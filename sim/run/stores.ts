// The kinds of stores that `--store` names.
import type { StoreKind } from './plan.ts';

/** Errors: Error for a name that is none. */
export function storesOf(name: string): readonly StoreKind[] {
  if (name === 'embedded') return [name];
  throw new Error(`--store ${name}: embedded is what the simulator runs`);
}
