// What `mqkv repair` does, loaded only then.
import type { Clock, Random } from '../base/index.ts';

/** What a repair found and did. */
export interface RepairedStore {
  /** One line a file with damage, and what is missing. Empty: nothing was damaged, nothing was changed. */
  readonly damage: readonly string[];
  /** Keys that show something now. */
  readonly keys: number;
}

/** Repairs the folder of a store that is not open; the damaged files are set aside in it. Errors: MqkvError; the system's. */
export async function repairStore(
  path: string,
  around: { readonly clock: Clock; readonly random: Random },
): Promise<RepairedStore> {
  const { repairFile } = await import('./open-file.ts');
  return repairFile(path, around);
}
