// Removes all that a site has in its Redis, to begin anew; what names the store stays.
//
// On a cluster node after node, that with the metadata last: a gateway that finds `discarding` there does it once more.
import { MqkvError } from '../../base/index.ts';
import type { Access } from './access.ts';
import { META_KEY, setMeta, TAGS_KEY } from './meta.ts';
import type { Script } from './scripts.ts';
import { slotOf } from './slots.ts';

/** What is discarded. */
export interface Discard {
  readonly access: Access;
  readonly script: Script;
  /** A slot of each master. */
  readonly slots: readonly number[];
  /** Whether both slots are of one master. */
  readonly isSameNode: (slot: number, other: number) => boolean;
  /** Shape: 16 hex. */
  readonly epoch: string;
}

/** Does it. Errors: those of the access, STORE_REFUSED; then it is to be done again. */
export async function discardAll({ access, script, slots, isSameNode, epoch }: Discard): Promise<void> {
  const home = slotOf(META_KEY);
  await setMeta(access, 'discarding', '1');
  for (const slot of slots) if (!isSameNode(slot, home)) await flush(slot, []);
  await flush(home, access.isCluster ? [META_KEY] : [META_KEY, TAGS_KEY]);

  async function flush(slot: number, keys: readonly string[]): Promise<void> {
    const reply = await access.script(slot, script, { keys, args: [epoch] });
    if (reply.kind === 'error') throw new MqkvError('STORE_REFUSED', `Redis refused: ${reply.text}`);
  }
}
